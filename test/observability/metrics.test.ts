import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PolicyDecisions } from '../../src/core/pipeline/policy-decisions.ts';
import { createMetrics, type GatewayMetrics } from '../../src/observability/metrics.ts';
import { fc } from '../support/fast-check.ts';
import { type Family, parseMetrics } from './parse-metrics.ts';

let metrics: GatewayMetrics;

beforeEach(() => {
  metrics = createMetrics({ version: '1.2.3' });
});

afterEach(() => metrics.close());

async function scrape(): Promise<Map<string, Family>> {
  return parseMetrics((await metrics.render()).text);
}

async function readSeries(series: string): Promise<number | undefined> {
  const families = await scrape();
  for (const family of families.values()) if (family.series.has(series)) return family.series.get(series);
  return undefined;
}

async function seriesOf(family: string): Promise<string[]> {
  return [...((await scrape()).get(family)?.series.keys() ?? [])];
}

const SERVED = 'http_server_request_duration_seconds';
const SENT = 'http_client_request_duration_seconds';

describe('durations of requests', () => {
  it('counts them by route, method and status, with OpenTelemetry buckets', async () => {
    const route = metrics.route('orders');
    for (const seconds of [0.001, 0.005, 0.006, 0.3, 11]) route.record('GET', 200, seconds);
    route.record('POST', 503, 1);
    const family = (await scrape()).get(SERVED);
    expect(family?.type).toBe('histogram');
    const labels = 'route="orders",method="GET",status="200"';
    const buckets = [...(family?.series ?? [])].filter(([key]) =>
      key.startsWith(`${SERVED}_bucket{${labels}`),
    );
    expect(buckets.map(([key, count]) => [/le="(.*)"/.exec(key)?.[1], count])).toEqual([
      ['0.005', 2],
      ['0.01', 3],
      ['0.025', 3],
      ['0.05', 3],
      ['0.075', 3],
      ['0.1', 3],
      ['0.25', 3],
      ['0.5', 4],
      ['0.75', 4],
      ['1', 4],
      ['2.5', 4],
      ['5', 4],
      ['7.5', 4],
      ['10', 4],
      ['+Inf', 5],
    ]);
    expect(family?.series.get(`${SERVED}_count{${labels}}`)).toBe(5);
    expect(family?.series.get(`${SERVED}_sum{${labels}}`)).toBeCloseTo(11.312);
    expect(family?.series.get(`${SERVED}_count{route="orders",method="POST",status="503"}`)).toBe(1);
  });

  it('puts methods that clients make up under one label', async () => {
    const route = metrics.route('orders');
    for (const method of ['PROPFIND', 'get', 'X-1', '__proto__', '']) route.record(method, 200, 0.1);
    expect(await readSeries(`${SERVED}_count{route="orders",method="_OTHER",status="200"}`)).toBe(5);
    expect(await seriesOf(SERVED)).toHaveLength(17);
  });

  it('counts clients that left before there was a status as 499', async () => {
    const route = metrics.route('orders');
    for (const status of [0, 99, 600, Number.NaN]) route.record('GET', status, 0.1);
    expect(await readSeries(`${SERVED}_count{route="orders",method="GET",status="499"}`)).toBe(4);
    expect(await seriesOf(SERVED)).toHaveLength(17);
  });

  it('agrees with a plain count, whatever is recorded', async () => {
    const record = fc.record({
      method: fc.constantFrom('GET', 'POST', 'DELETE'),
      status: fc.integer({ min: 100, max: 599 }),
      seconds: fc.double({ min: 0, max: 20, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 50 }), fc.uuid(), async (records, id) => {
        const route = metrics.route(id);
        const expected = new Map<string, number>();
        for (const { method, status, seconds } of records) {
          route.record(method, status, seconds);
          const key = `${SERVED}_count{route="${id}",method="${method}",status="${status}"}`;
          expected.set(key, (expected.get(key) ?? 0) + 1);
        }
        const family = (await scrape()).get(SERVED);
        const counts = [...(family?.series ?? [])].filter(([key]) => key.startsWith(`${SERVED}_count`));
        route.release();
        expect(new Map(counts)).toEqual(expected);
      }),
      { numRuns: 25 },
    );
  });

  it('counts answers of targets by upstream, target and status', async () => {
    const target = metrics.upstreamTarget('orders', '127.0.0.1:9001');
    target.record(200, 0.02);
    target.record(502, 0.02);
    const labels = 'upstream="orders",target="127.0.0.1:9001"';
    expect(await readSeries(`${SENT}_bucket{${labels},status="200",le="0.025"}`)).toBe(1);
    expect(await readSeries(`${SENT}_count{${labels},status="502"}`)).toBe(1);
  });
});

describe('series over reloads', () => {
  it('go on for a route that stays, whichever configuration counts', async () => {
    const before = metrics.route('orders');
    before.record('GET', 200, 0.1);
    const after = metrics.route('orders');
    before.release();
    after.record('GET', 200, 0.1);
    before.record('GET', 200, 0.1);
    expect(await readSeries(`${SERVED}_count{route="orders",method="GET",status="200"}`)).toBe(3);
  });

  it('end for a route that is gone, decisions of its policies included', async () => {
    const gone = metrics.route('gone');
    const stays = metrics.route('stays');
    for (const route of ['gone', 'stays']) new PolicyDecisions(metrics, route, 'cors', 'enforce').allow();
    gone.record('GET', 200, 0.1);
    stays.record('GET', 200, 0.1);
    gone.release();
    const { text } = await metrics.render();
    expect(text).not.toContain('gone');
    expect(text).toContain(`${SERVED}_count{route="stays"`);
    expect(text).toMatch(/gateway_policy_decisions_total\{[^}]*route="stays"/);
  });

  it('are not ended by giving back twice what somebody else still holds', async () => {
    const first = metrics.route('orders');
    const second = metrics.route('orders');
    first.release();
    first.release();
    second.record('GET', 200, 0.1);
    expect(await seriesOf(SERVED)).toHaveLength(17);
  });

  it('end for a target that leaves, and only for it', async () => {
    const left = metrics.upstreamTarget('orders', 'a:1');
    metrics.upstreamTarget('users', 'a:1').record(200, 0.1);
    metrics.upstreamTarget('orders', 'b:1').record(200, 0.1);
    left.record(200, 0.1);
    left.release();
    expect((await seriesOf(SENT)).filter((key) => key.includes('_count'))).toEqual([
      `${SENT}_count{upstream="users",target="a:1",status="200"}`,
      `${SENT}_count{upstream="orders",target="b:1",status="200"}`,
    ]);
  });

  it('start anew for a route that comes back', async () => {
    const route = metrics.route('orders');
    route.record('GET', 200, 0.1);
    route.release();
    metrics.route('orders').record('GET', 200, 0.1);
    expect(await readSeries(`${SERVED}_count{route="orders",method="GET",status="200"}`)).toBe(1);
  });
});

describe('counters and gauges of others', () => {
  it('counts decisions of policies', async () => {
    const decisions = new PolicyDecisions(metrics, 'orders', 'ip-filter', 'observe');
    decisions.reject();
    decisions.reject();
    const labels = 'mode="observe",policy="ip-filter",route="orders",verdict="refuse"';
    const family = (await scrape()).get('gateway_policy_decisions_total');
    expect(family?.type).toBe('counter');
    const [key, count] = [...(family?.series ?? [])][0] ?? [];
    expect(key?.match(/\w+="[^"]*"/g)?.sort()).toEqual(labels.split(','));
    expect(count).toBe(2);
  });

  it('finds the same counter again, in whatever order the labels are given', async () => {
    metrics.counter('hits_total', 'Hits.', { a: '1', b: '2' }).add();
    metrics.counter('hits_total', 'Hits.', { b: '2', a: '1' }).add(2);
    expect(await readSeries('hits_total{a="1",b="2"}')).toBe(3);
  });

  it('lets no counter fall', async () => {
    const counter = metrics.counter('hits_total', 'Hits.');
    counter.add(5);
    counter.add(-3);
    counter.add(Number.NaN);
    expect(await readSeries('hits_total')).toBe(5);
  });

  it('escapes labels and help', async () => {
    metrics.counter('hits_total', 'Line\nand \\ "quote"', { a: 'x"\n\\' }).add();
    metrics.gauge('level', 'Line\nand \\', { a: 'x"\n\\' }, () => 1);
    expect(await readSeries('hits_total{a="x\\"\\n\\\\"}')).toBe(1);
    expect(await readSeries('level{a="x\\"\\n\\\\"}')).toBe(1);
  });

  it('reads gauges when asked, the later of two with the same labels, until they are taken away', async () => {
    let value = 1;
    const removeOld = metrics.gauge('level', 'Level.', {}, () => value);
    expect(await readSeries('level')).toBe(1);
    value = 2;
    expect(await readSeries('level')).toBe(2);
    const removeNew = metrics.gauge('level', 'Level.', {}, () => 7);
    removeOld();
    expect(await readSeries('level')).toBe(7);
    removeNew();
    expect(await readSeries('level')).toBeUndefined();
    metrics.gauge('level', 'Level.', {}, () => 8);
    expect(await readSeries('level')).toBe(8);
  });

  it('leaves out a gauge that throws, and only that', async () => {
    metrics.gauge('level', 'Level.', { of: 'bad' }, () => {
      throw new Error('no');
    });
    metrics.gauge('level', 'Level.', { of: 'good' }, () => 1);
    expect(await seriesOf('level')).toEqual(['level{of="good"}']);
  });

  it.each<[string, (m: GatewayMetrics) => void]>([
    ['a name that is none', (m) => m.counter('a-b', 'x')],
    ['a label that is none', (m) => m.counter('hits_total', 'x', { 'a-b': '1' })],
    ['a label with a meaning of its own', (m) => m.gauge('level', 'x', { le: '1' }, () => 1)],
    [
      'other labels than before',
      (m) => {
        m.counter('hits_total', 'x', { a: '1' });
        m.counter('hits_total', 'x', { b: '1' });
      },
    ],
    [
      'another type than before',
      (m) => {
        m.counter('hits_total', 'x');
        m.gauge('hits_total', 'x', {}, () => 1);
      },
    ],
    ['a name of ours', (m) => m.counter('http_server_request_duration_seconds', 'x')],
    ['a name of the process', (m) => m.gauge('process_cpu_seconds_total', 'x', {}, () => 1)],
  ])('refuses %s', (_, act) => {
    expect(() => act(metrics)).toThrow(TypeError);
  });
});

describe('the gateway itself', () => {
  it('tells build, configuration, reloads, connections, refused requests and dropped lines', async () => {
    metrics.setConfigVersion(4);
    metrics.configReloaded('failure');
    metrics.watchConnections('client', () => 12);
    metrics.watchConnections('target', () => 3);
    metrics.requestRejected('GW_BAD_REQUEST');
    metrics.requestRejected('GW_BAD_REQUEST');
    metrics.watchDroppedLogLines(() => 9);
    expect(await readSeries(`gateway_build_info{version="1.2.3",node="${process.versions.node}"}`)).toBe(1);
    expect(await readSeries('gateway_config_version')).toBe(4);
    expect(await readSeries('gateway_config_reloads_total{result="success"}')).toBe(0);
    expect(await readSeries('gateway_config_reloads_total{result="failure"}')).toBe(1);
    expect(await readSeries('gateway_open_connections{side="client"}')).toBe(12);
    expect(await readSeries('gateway_open_connections{side="target"}')).toBe(3);
    expect(await readSeries('gateway_requests_refused_total{reason="GW_BAD_REQUEST"}')).toBe(2);
    expect(await readSeries('gateway_log_lines_dropped_total')).toBe(9);
  });

  it('tells CPU, memory and event-loop delay of the process', async () => {
    expect(await readSeries('process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(await readSeries('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    expect(await readSeries('nodejs_memory_bytes{use="heap_used"}')).toBeGreaterThan(1e6);
    expect(await readSeries('process_start_time_seconds')).toBeGreaterThan(1.7e9);
    for (const stat of ['mean', 'p50', 'p99', 'max'])
      expect(await readSeries(`gateway_event_loop_delay_seconds{stat="${stat}"}`)).toBeGreaterThanOrEqual(0);
  });

  it('shares nothing with other metrics in the process', async () => {
    const others = createMetrics({ version: '9' });
    others.route('theirs').record('GET', 200, 1);
    others.close();
    expect((await metrics.render()).text).not.toContain('theirs');
  });

  it('lets other work through while it renders thousands of routes', async () => {
    for (let i = 0; i < 2000; i++) metrics.route(`route-${i}`).record('GET', 200, 0.1);
    let turns = 0;
    let isOver = false;
    const count = () => {
      turns++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    const families = parseMetrics((await metrics.render()).text);
    isOver = true;
    expect(families.get(SERVED)?.series.size).toBe(2000 * 17);
    expect(turns).toBeGreaterThan(5);
  });
});
