/** What seeing a request costs: nanoseconds for one line of the access log, and for one record of the metrics. */
import { openSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { EMPTY_BODY } from '../src/core/body.ts';
import { Exchange } from '../src/core/exchange.ts';
import { HeaderList } from '../src/core/header-list.ts';
import { createAccessLog } from '../src/observability/access-log.ts';
import { openLogDestination } from '../src/observability/log-destination.ts';
import { createMetrics } from '../src/observability/metrics.ts';

const ROUNDS = 10_000;
/** As many as may finish in one turn of the event loop. */
const PER_ROUND = 50;

const ROUTE = { id: 'orders' };
const REQUEST = {
  method: 'GET',
  target: '/orders/1',
  httpVersion: '1.1' as const,
  authority: 'api.example.com',
  headers: HeaderList.from(),
  body: EMPTY_BODY,
  upgrade: undefined,
  acceptsTrailers: false,
  client: {
    remoteAddress: '127.0.0.1',
    remotePort: 1,
    localPort: 8080,
    isSecure: false,
    serverName: undefined,
  },
};

const destination = await openLogDestination({ fd: openSync('/dev/null', 'w'), pretty: false });
const accessLog = createAccessLog({ destination });
const metrics = createMetrics({ version: '0.0.0' });
const route = metrics.route('orders');
const target = metrics.upstreamTarget('orders', '127.0.0.1:9001');

await measure('access log line', (i) => accessLog.write(exchangeOf(i, ''), i + 1.234));
await measure('access log line with a query', (i) =>
  accessLog.write(exchangeOf(i, `page=${i}&sort=asc`), i + 1),
);
await measure('access log line with a token', (i) =>
  accessLog.write(exchangeOf(i, `access_token=${i}`), i + 1),
);
await measure('exchange alone, to be taken off the lines above', (i) => void exchangeOf(i, ''));
await measure('route record', (i) => route.record('GET', 200, (i % 100) / 1000));
await measure('route record, mixed', (i) => route.record(i % 3 === 0 ? 'POST' : 'GET', 200 + (i % 5), 0.001));
await measure('target record', (i) => target.record(200, (i % 100) / 1000));
console.log(`log lines dropped: ${destination.droppedLines}`);
await measureScrape(10_000);
await destination.close();
metrics.close();

/** Runs `task` in rounds with pauses between them, so that what it leaves to the event loop is paid for as well. */
async function measure(name: string, task: (i: number) => void): Promise<void> {
  for (let i = 0; i < 100_000; i++) {
    task(i);
    if (i % PER_ROUND === 0) await setImmediate();
  }
  const before = process.cpuUsage();
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < PER_ROUND; i++) task(i);
    await setImmediate();
  }
  const { user, system } = process.cpuUsage(before);
  console.log(`${name}: ${Math.round(((user + system) * 1000) / (ROUNDS * PER_ROUND))} ns CPU`);
}

/** Measures a scrape with so many routes in use: its time, and the longest that it held up other work. */
async function measureScrape(routes: number): Promise<void> {
  for (let i = 0; i < routes; i++) metrics.route(`route-${i}`).record('GET', 200, 0.01);
  let longest = 0;
  let last = performance.now();
  let isOver = false;
  const watch = async (): Promise<void> => {
    while (!isOver) {
      await setImmediate();
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }
  };
  const watching = watch();
  const start = performance.now();
  const { text } = await metrics.render();
  const took = performance.now() - start;
  isOver = true;
  await watching;
  console.log(
    `scrape of ${routes} routes: ${took.toFixed(0)} ms, ${text.length} bytes, longest stall ${longest.toFixed(0)} ms`,
  );
}

function exchangeOf(i: number, query: string): Exchange {
  const exchange = new Exchange(REQUEST, i);
  exchange.requestId = `0193-${i}-7e5c-4a10`;
  exchange.route = ROUTE;
  exchange.host = 'api.example.com';
  exchange.path = `/orders/${i % 5000}`;
  exchange.query = query;
  exchange.status = 200;
  exchange.upstream = 'orders';
  exchange.target = '127.0.0.1:9001';
  exchange.sentAt = i;
  exchange.respondedAt = i + (i % 1000) / 777;
  exchange.bytesSent = 124;
  exchange.clientAddress = '127.0.0.1';
  return exchange;
}
