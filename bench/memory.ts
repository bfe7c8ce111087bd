/**
 * Sends many large bodies both ways at once, each read slowly, and watches the proxy's memory:
 * `node bench/memory.ts --transfers 100 --mebibytes 100`. Fails where it passes its idle memory by more than 64 MiB.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { peersNamed } from './peers.ts';
import { findFreePort, readUsage, startPinned, stopProcess, waitForPort } from './process.ts';
import { machineNote, publish } from './report.ts';
import { download, startTransferService, upload } from './transfers.ts';
import { CORES, makeWorkplace } from './workplace.ts';

const ALLOWED_GROWTH_MIB = 64;

const { values: options } = parseArgs({
  options: {
    transfers: { type: 'string', default: '100' },
    mebibytes: { type: 'string', default: '100' },
    peer: { type: 'string', default: 'sallyport' },
    write: { type: 'boolean', default: false },
  },
});
const transfers = Number(options.transfers);
const bytes = Number(options.mebibytes) * 2 ** 20;

const service = await startTransferService(bytes);
const folder = path.join(makeWorkplace(), 'proxy');
mkdirSync(folder);
const [peer] = peersNamed([options.peer]);
const port = await findFreePort();
const setup = { folder, port, adminPort: await findFreePort(), backendPort: service.port, chain: undefined };
const errorFile = path.join(folder, 'stderr');
const command = peer?.prepare({ ...setup, isObserved: true, tls: undefined, routes: 0 });
if (!command) throw new Error(`no such peer: ${options.peer}`);
const child = startPinned(CORES.proxy, command, errorFile);
await waitForPort(port, child);
const resident = (): number => readUsage(child.pid as number).residentMiB;

for (let i = 0; i < 200; i++) await download(port, '/small', 2);
await wait(2000);
const idle = resident();
let peak = idle;
const sampling = setInterval(() => {
  peak = Math.max(peak, resident());
}, 100);

const startedAt = performance.now();
const outcomes = await Promise.allSettled(
  Array.from({ length: transfers }, () => [download(port, '/large', bytes), upload(port, bytes)]).flat(),
);
const seconds = (performance.now() - startedAt) / 1000;
clearInterval(sampling);
await stopProcess(child);

const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
for (const { reason } of failures.slice(0, 3)) console.error(reason);
const growth = peak - idle;
const isMet = failures.length === 0 && growth <= ALLOWED_GROWTH_MIB;
const report = `## ${transfers} downloads and ${transfers} uploads of ${options.mebibytes} MiB at once, read slowly

| | RSS idle, MiB | RSS at most, MiB | growth, MiB | seconds | failures |
| --- | --: | --: | --: | --: | --: |
| ${options.peer} | ${idle.toFixed(0)} | ${peak.toFixed(0)} | ${growth.toFixed(0)} | ${seconds.toFixed(0)} | ${failures.length} |

Goal: within ${ALLOWED_GROWTH_MIB} MiB of idle, ${isMet ? 'met' : 'MISSED'}. ${machineNote()}
`;
publish('memory', report, options.write);
process.exit(isMet ? 0 : 1);
