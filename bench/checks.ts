/**
 * Asks what the active checks of many targets cost: `node bench/checks.ts --targets 1000 --seconds 30`. The targets
 * are in another process; what counts is the CPU time of a gateway that has nothing else to do, with checks (each
 * target every 10 s) and without. Goal: at most 5 % of a core.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createGateway } from '../src/gateway/create-gateway.ts';
import type { TargetNews } from './fault-targets.ts';
import { findFreePort } from './process.ts';
import { processNote, publish } from './report.ts';
import { makeWorkplace, writeInto } from './workplace.ts';

const GOAL_PERCENT = 5;
/** Until every target was checked twice and the code is warm. */
const WARM_UP_MS = 21_000;
const CHECKS = { path: '/healthz', interval: '10s', timeout: '2s' };

const { values: options } = parseArgs({
  options: {
    targets: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '30' },
    write: { type: 'boolean', default: false },
  },
});
const seconds = Number(options.seconds);

const child = fork(path.join(import.meta.dirname, 'fault-targets.ts'), [options.targets]);
const [{ ports }] = (await once(child, 'message')) as [TargetNews];
const folder = makeWorkplace();

/** The CPU time of an idle gateway, as a part of a core in percent. */
async function measure(active: object | undefined): Promise<number> {
  const targets = ports.map((port) => `http://127.0.0.1:${port}`);
  const config = {
    listeners: [{ host: '127.0.0.1', port: await findFreePort() }],
    admin: { port: 0, token: 'bench' },
    drain: { delay: '0s', timeout: '0s' },
    upstreams: { service: { targets, ...(active && { health: { active } }) } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
  };
  const configFile = writeInto(folder, 'sallyport.json', JSON.stringify(config));
  const gateway = await createGateway({ configFile, logLevel: 'error', watch: false });
  await gateway.start();
  await wait(WARM_UP_MS);
  const before = process.cpuUsage();
  await wait(seconds * 1000);
  const { user, system } = process.cpuUsage(before);
  const { upstreams } = await gateway.describe();
  const unwell = upstreams[0]?.targets.filter(({ state }) => state !== 'healthy').length;
  if (unwell !== 0) throw new Error(`${unwell} targets are not well, so that the checks were others`);
  await gateway.close();
  return (user + system) / (seconds * 1e4);
}

const without = await measure(undefined);
const withChecks = await measure(CHECKS);
child.disconnect();

const added = withChecks - without;
const isMet = added <= GOAL_PERCENT;
const report = `## Active checks of ${ports.length.toLocaleString('en')} targets, each every 10 s

| | part of a core |
| --- | --: |
| a gateway with nothing to do | ${without.toFixed(1)} % |
| the same with checks | ${withChecks.toFixed(1)} % |

CPU time over ${seconds} s each. Goal: at most ${GOAL_PERCENT} % more: ${isMet ? 'met' : 'MISSED'}. ${processNote()}
`;
publish('checks', report, options.write);
process.exit(isMet ? 0 : 1);
