/**
 * Asks a gateway for everything at once while everything happens to it, and says what clients saw of it and why:
 * `node bench/chaos.ts --minutes 15`, `--minutes 1` for a look. `--only sallyport-2,nginx` names the subjects, which have their turns at the
 * same time: failures are counted, not times. `--write` keeps the result. Fails where a failure is the gateway's own, where a
 * request that must not be repeated reached services twice, or where memory, descriptors or gauges do not come back.
 */
import { parseArgs } from 'node:util';
import { ensureCommands } from '../scripts/ensure-packages.ts';
import { startHaproxy } from './chaos/haproxy.ts';
import { startNginx } from './chaos/nginx.ts';
import { findProblems, reportChaos } from './chaos/report-chaos.ts';
import { startSallyport } from './chaos/sallyport.ts';
import type { Services, Subject } from './chaos/subject.ts';
import { runTrial } from './chaos/trial.ts';
import { publish } from './report.ts';
import { makeWorkplace } from './workplace.ts';

const STEP_MS = 4000;

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    only: { type: 'string', default: 'sallyport-2,sallyport-1,nginx,haproxy' },
    verbose: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});

const SUBJECTS: Readonly<Record<string, (services: Services, workplace: string) => Promise<Subject>>> = {
  'sallyport-2': (services, folder) => startSallyport(2, services, folder),
  'sallyport-1': (services, folder) => startSallyport(1, services, folder),
  nginx: startNginx,
  haproxy: startHaproxy,
};

ensureCommands(['nginx', 'haproxy', 'redis-server', 'dnsmasq', 'openssl', 'prlimit']);
const workplace = makeWorkplace();
const outcomes = await Promise.all(
  options.only.split(',').map((name) => {
    const start = SUBJECTS[name];
    if (start === undefined)
      throw new TypeError(`there is no subject ${name}: ${Object.keys(SUBJECTS).join(', ')}`);
    return runTrial({ name, start, workplace, ms: Number(options.minutes) * 60_000, stepMs: STEP_MS });
  }),
);
publish('chaos', reportChaos(outcomes), options.write);
if (options.verbose)
  for (const { name, failures } of outcomes)
    for (const failure of failures)
      if (failure.cause === undefined) console.log(name, JSON.stringify(failure));
process.exit(findProblems(outcomes).length === 0 ? 0 : 1);
