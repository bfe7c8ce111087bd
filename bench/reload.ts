/**
 * Reloads a gateway with many routes again and again while requests and WebSockets go through it:
 * `node bench/reload.ts --reloads 1000 --routes 10000`. Fails where a request fails, a WebSocket is cut, the heap
 * grows, or the event loop is busy for more than 20 ms in one go.
 */
import { fork } from 'node:child_process';
import { copyFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type LoopDelays, LoopMonitor, quantile } from './loop-monitor.ts';
import { findFreePort } from './process.ts';
import type { ReloadLoadResult } from './reload-load.ts';
import { machineNote, publish } from './report.ts';
import { makeWorkplace, writeInto } from './workplace.ts';

const MAX_STALL_MS = 20;
const MAX_HEAP_GROWTH_MIB = 16;
/** The first reloads fill caches and compile code. */
const WARM_UP_RELOADS = 20;
/** A collection that is asked for makes V8 think the heap small, so that it collects early a few times. Nobody asks. */
const SETTLING_RELOADS = 5;

const { values: options } = parseArgs({
  options: {
    reloads: { type: 'string', default: '1000' },
    routes: { type: 'string', default: '10000' },
    write: { type: 'boolean', default: false },
  },
});
const reloads = Number(options.reloads);
const routes = Number(options.routes);

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const workplace = makeWorkplace();
const port = await findFreePort();
const adminPort = await findFreePort();
const servicePort = await findFreePort();
const configFile = path.join(workplace, 'sallyport.json');
const variants = ['a', 'b'].map((name) => writeInto(workplace, `variant-${name}`, configText(name)));
await copyFile(variants[0] as string, configFile);

const entry = '../dist/index.js';
const { createGateway } = (await import(entry)) as typeof import('../src/index.ts');
const { allocateYoung } = (await import(
  '../dist/gateway/allocate-young.js' as string
)) as typeof import('../src/gateway/allocate-young.ts');
// As the command does.
allocateYoung();
const gateway = await createGateway({ configFile, logLevel: 'warn', watch: false });
await gateway.start();

const load = fork(path.join(import.meta.dirname, 'reload-load.ts'), [String(port), String(servicePort)]);
const finished = new Promise<ReloadLoadResult>((resolve) =>
  load.on('message', (result) => resolve(result as ReloadLoadResult)),
);
await wait(3000);

const monitor = new LoopMonitor();
monitor.start();
await wait(5000);
const undisturbed = monitor.take();

const problems: string[] = [];
const heaps: number[] = [];
const startedAt = performance.now();
const all = WARM_UP_RELOADS + SETTLING_RELOADS + reloads;
for (let i = 1; i <= all; i++) {
  await reloadOnce(i);
  if (i === WARM_UP_RELOADS) await takeHeap();
  if (i === WARM_UP_RELOADS + SETTLING_RELOADS) monitor.take();
}
const seconds = (performance.now() - startedAt) / 1000;
monitor.stop();
const disturbed = monitor.take();
await takeHeap();
load.send('stop');
const result = await finished;
await gateway.close();

function configText(variant: string): string {
  return JSON.stringify({
    listeners: [{ host: '127.0.0.1', port }],
    admin: { host: '127.0.0.1', port: adminPort },
    accessLog: false,
    upstreams: { service: { targets: [`http://127.0.0.1:${servicePort}`] } },
    policies: [{ headers: { response: { set: { 'x-variant': variant } } } }],
    routes: [
      ...Array.from({ length: routes }, (_, n) => ({
        id: `r${n}`,
        path: `/routes/${n}/:id`,
        upstream: 'service',
        rewrite: `/${variant}/{params.id}`,
      })),
      { id: 'all', path: '/*', upstream: 'service' },
    ],
  });
}

/** Puts the other variant in place, in one step as an editor or a deployment does, and takes it over. */
async function reloadOnce(i: number): Promise<void> {
  await copyFile(variants[i % 2] as string, `${configFile}.new`);
  await rename(`${configFile}.new`, configFile);
  const outcome = await gateway.reload();
  if (!outcome.ok) problems.push(...outcome.problems);
}

/** The collection stops the loop itself, so it is not watched. What the reload before left is taken down by then. */
async function takeHeap(): Promise<void> {
  await wait(1000);
  monitor.stop();
  collectGarbage();
  heaps.push(process.memoryUsage().heapUsed / 2 ** 20);
  monitor.start();
}

const cells = ({ wallMs, busyMs }: LoopDelays, share: number): string =>
  `${quantile(busyMs, share).toFixed(1)} | ${quantile(wallMs, share).toFixed(1)}`;

const stall = quantile(disturbed.busyMs, 1);
const growth = (heaps.at(-1) as number) - (heaps[0] as number);
const isMet =
  problems.length === 0 &&
  result.failures === 0 &&
  result.cutSockets === 0 &&
  growth <= MAX_HEAP_GROWTH_MIB &&
  stall <= MAX_STALL_MS;
const report = `## ${reloads} reloads with ${routes.toLocaleString('en')} routes under load

| | |
| --- | --: |
| requests | ${result.requests.toLocaleString('en')} |
| failed requests | ${result.failures} |
| WebSockets open all along | ${result.sockets} |
| of these cut | ${result.cutSockets} |
| messages echoed | ${result.echoes.toLocaleString('en')} |
| refused reloads | ${problems.length} |
| time a reload | ${((seconds * 1000) / all).toFixed(0)} ms |
| heap after the first ${WARM_UP_RELOADS} | ${heaps[0]?.toFixed(1)} MiB |
| heap at the end | ${heaps.at(-1)?.toFixed(1)} MiB |

Event loop without a turn, ms: by the CPU time of its thread, and by the clock, which also holds what the system gave to
the worker, to the load and to others.

| | busy | clock |
| --- | --: | --: |
| 99.9 % without reloads | ${cells(undisturbed, 0.999)} |
| at most without reloads | ${cells(undisturbed, 1)} |
| 99.9 % | ${cells(disturbed, 0.999)} |
| at most | ${cells(disturbed, 1)} |

Of the busiest stretch ${disturbed.collectingMs.toFixed(1)} ms by the clock were garbage collection.

Goal: no failed request, no cut WebSocket, heap within ${MAX_HEAP_GROWTH_MIB} MiB, not busy for more than ${MAX_STALL_MS} ms in one go: ${isMet ? 'met' : 'MISSED'}. ${machineNote()}
`;
publish('reload', report, options.write);
for (const problem of [...problems, ...result.reasons].slice(0, 5)) console.error(problem);
process.exit(isMet ? 0 : 1);
