/**
 * Asks what an aggregate costs: one of three parts of small JSON, against the three requests for these parts sent through
 * the gateway one by one. Rounds of each by turns, CPU time of the gateway's process alone. Goal: no more than those three.
 * And by how much the deadline is passed where a part hangs. Goal: 20 ms.
 * Run: `node bench/aggregate.ts [--write]`.
 */
import { Agent, createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { quantile } from './loop-monitor.ts';
import { findFreePort, readUsage, startPinned, stopProcess, waitForPort } from './process.ts';
import { machineNote, publish } from './report.ts';
import { median } from './statistics.ts';
import { CORES, makeWorkplace, writeInto } from './workplace.ts';

const ROUNDS = 11;
const AGGREGATES = 3000;
const CONCURRENCY = 16;
const DEADLINE_MS = 100;
const LATE_REQUESTS = 400;
const GOAL_LATE_MS = 20;

const { values: options } = parseArgs({ options: { write: { type: 'boolean', default: false } } });

const BODIES: Readonly<Record<string, string>> = {
  '/user': '{"id":7,"name":"Ada Lovelace","city":"London"}',
  '/orders': '[{"id":84,"total":149.90},{"id":85,"total":12.00}]',
  '/offers': '{"offers":[{"sku":"A1","price":9.95}]}',
};
const PATHS = Object.keys(BODIES);

const service = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const body = BODIES[request.url ?? ''];
  // Anything else hangs.
  if (body === undefined) return;
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
});
await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
const servicePort = (service.address() as AddressInfo).port;

const workplace = makeWorkplace();
const port = await findFreePort();
const part = (path: string) => ({ upstream: 'service', path });
const [user, orders, offers] = PATHS.map(part);
const configFile = writeInto(
  workplace,
  'sallyport.json',
  JSON.stringify({
    listeners: [{ host: '127.0.0.1', port }],
    admin: { host: '127.0.0.1', port: await findFreePort(), token: 'bench' },
    dataDir: workplace,
    upstreams: {
      service: { targets: [`http://127.0.0.1:${servicePort}`], health: { passive: { failures: 1_000_000 } } },
    },
    routes: [
      ...PATHS.map((path) => ({ id: path.slice(1), path, upstream: 'service' })),
      { id: 'named', path: '/named', aggregate: { parts: { user, orders, offers } } },
      {
        id: 'templated',
        path: '/templated',
        aggregate: {
          parts: { user, orders, offers },
          response: {
            name: '{parts.user.body.name}',
            orders: '{parts.orders.body}',
            '...': '{parts.offers.body}',
          },
        },
      },
      {
        id: 'chained',
        path: '/chained',
        aggregate: {
          parts: {
            user,
            orders: { ...orders, when: 'parts.user.body.id == 7' },
            offers: { ...offers, when: 'parts.orders.body' },
          },
        },
      },
      {
        id: 'late',
        path: '/late',
        aggregate: {
          deadline: `${DEADLINE_MS}ms`,
          parts: { user, hanging: { ...part('/hang'), optional: true } },
        },
      },
    ],
  }),
);
const gateway = startPinned(
  CORES.proxy,
  { file: process.execPath, args: ['dist/cli.js', 'start', '--config', configFile] },
  `${workplace}/stderr`,
);
await waitForPort(port, gateway);
const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });

function send(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () =>
        response.statusCode === 200 ? resolve(text) : reject(new Error(`${path}: ${response.statusCode}`)),
      );
    });
    request.once('error', reject);
  });
}

async function sendMany(count: number, pathOf: (i: number) => string): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) await send(pathOf(i));
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
}

/** CPU microseconds of the gateway for one of `count`. */
async function measure(count: number, sending: () => Promise<void>): Promise<number> {
  const before = readUsage(gateway.pid as number).cpuMicroseconds;
  await sending();
  return (readUsage(gateway.pid as number).cpuMicroseconds - before) / count;
}

const KINDS = ['named', 'templated', 'chained'] as const;
const three = () => sendMany(AGGREGATES * 3, (i) => PATHS[i % 3] as string);
const samples: Record<string, number[]> = { three: [], named: [], templated: [], chained: [] };
for (let round = -1; round < ROUNDS; round++) {
  for (const kind of ['three', ...KINDS]) {
    const sending = kind === 'three' ? three : () => sendMany(AGGREGATES, () => `/${kind}`);
    const cost = await measure(AGGREGATES, sending);
    // The first round is for the compiler.
    if (round >= 0) samples[kind]?.push(cost);
  }
}

const lateMs: number[] = [];
await Promise.all(
  Array.from({ length: CONCURRENCY }, async () => {
    for (let i = 0; i < LATE_REQUESTS / CONCURRENCY; i++) {
      const start = performance.now();
      await send('/late');
      lateMs.push(performance.now() - start - DEADLINE_MS);
    }
  }),
);
agent.destroy();
service.closeAllConnections();
service.close();
await stopProcess(gateway);

const ratioOf = (kind: string): number =>
  median((samples[kind] ?? []).map((cost, round) => cost / (samples.three?.[round] ?? Number.NaN)));
const row = (name: string, kind: string): string =>
  `| ${name} | ${median(samples[kind] ?? []).toFixed(0)} | ${ratioOf(kind).toFixed(2)} |`;
lateMs.sort((a, b) => a - b);
const [p99, most] = [quantile(lateMs, 0.99), Math.max(...lateMs)];
const isMet = KINDS.every((kind) => ratioOf(kind) <= 1) && p99 <= GOAL_LATE_MS;
publish(
  'aggregate',
  [
    '## What an aggregate costs',
    '',
    '| | CPU µs | × three requests |',
    '| --- | --: | --: |',
    row('three requests, one by one', 'three'),
    row('one aggregate of three parts, by their names', 'named'),
    row('… with a response template', 'templated'),
    row('… each part behind the one before', 'chained'),
    '',
    `CPU time of the gateway, access log and metrics on. Medians of ${ROUNDS} rounds of ${AGGREGATES.toLocaleString('en')}, by turns, ${CONCURRENCY} at once; ratios within a round. Goal: at most 1.00.`,
    '',
    `A deadline of ${DEADLINE_MS} ms with a part that hangs was passed by ${median(lateMs).toFixed(1)} ms (median), ${p99.toFixed(1)} ms (99 %), ${most.toFixed(1)} ms (at most) as the client sees it, of ${lateMs.length} requests. Goal: ${GOAL_LATE_MS} ms.`,
    '',
    `${isMet ? 'Met' : 'Not met'}. ${machineNote()}`,
    '',
  ].join('\n'),
  options.write,
);
process.exitCode = isMet ? 0 : 1;
