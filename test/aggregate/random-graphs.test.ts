import type { ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import { fc } from '../support/fast-check.ts';
import { startGateway, startTarget, type TestConfig } from '../support/harness.ts';
import { until } from '../support/until.ts';
import { ManualClock } from '../upstream/discovery/manual-clock.ts';

const FAULTS = [
  'none',
  'none',
  'none',
  'status',
  'reset',
  'not-json',
  'cut',
  'hang',
  'hang-in-body',
] as const;
type Fault = (typeof FAULTS)[number];

interface GraphPart {
  readonly fault: Fault;
  readonly isOptional: boolean;
  /** Those of the parts before that it needs. */
  readonly needs: readonly number[];
}

const graph = fc
  .array(
    fc.record({
      fault: fc.constantFrom(...FAULTS),
      isOptional: fc.boolean(),
      needs: fc.uniqueArray(fc.nat(6), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 7 },
  )
  .map((parts) => parts.map((part, i) => ({ ...part, needs: part.needs.filter((need) => need < i) })));

const isHanging = ({ fault }: GraphPart): boolean => fault === 'hang' || fault === 'hang-in-body';

/** What has to come of a graph, thought out apart from the code. */
function expectationOf(parts: readonly GraphPart[]) {
  // Waits for one that hangs, so that it is not asked before the deadline.
  const isBlocked: boolean[] = [];
  for (const [i, { needs }] of parts.entries())
    isBlocked[i] = needs.some((need) => isBlocked[need] || isHanging(parts[need] as GraphPart));
  const late = parts.map((part, i) => isBlocked[i] === true || isHanging(part));
  const failsAtOnce = parts.some((part, i) => !late[i] && part.fault !== 'none' && !part.isOptional);
  return {
    failsAtOnce,
    waits: !failsAtOnce && late.includes(true),
    asked: parts.flatMap((_, i) => (isBlocked[i] ? [] : [i])),
    hanging: parts.filter((part, i) => !isBlocked[i] && isHanging(part)).length,
    isOverdue: parts.some((part, i) => late[i] && !part.isOptional),
    missing: parts.flatMap((part, i) => (late[i] || part.fault !== 'none' ? [`p${i}`] : [])),
  };
}

function answer(fault: Fault, response: ServerResponse): void {
  if (fault === 'none') response.end('{"id":1}');
  else if (fault === 'status') response.writeHead(500).end('{}');
  else if (fault === 'reset') response.destroy();
  else if (fault === 'not-json') response.end('{');
  else if (fault === 'cut') {
    response.writeHead(200, { 'content-length': '100' });
    response.write('{"id":1}', () => response.destroy());
  } else if (fault === 'hang-in-body') response.write('{"id"');
}

function routeOf(parts: readonly GraphPart[], i: number): NonNullable<TestConfig['routes']>[number] {
  const written = parts.map(({ isOptional, needs }, j) => [
    `p${j}`,
    {
      upstream: 'service',
      path: `/${i}/${j}`,
      query: Object.fromEntries(needs.map((need) => [`n${need}`, `{parts.p${need}.body.id}`])),
      optional: isOptional,
    },
  ]);
  return {
    id: `g${i}`,
    path: `/g${i}`,
    aggregate: { deadline: '700ms', parts: Object.fromEntries(written) },
  };
}

it('random graphs with random faults keep the deadline, begin nothing after it, and leave nothing behind', async () => {
  const graphs = fc.sample(graph, 60);
  const clock = new ManualClock();
  const asked: string[] = [];
  let open = 0;
  const target = await startTarget((request, response) => {
    const [, i, j] = /^\/(\d+)\/(\d+)/.exec(request.url ?? '') ?? [];
    // One whose connection was cut before there was an answer may come again.
    asked.push(`${i}/${j}`);

    open++;
    response.once('close', () => open--);
    answer(graphs[Number(i)]?.[Number(j)]?.fault ?? 'hang', response);
  });
  const gateway = await startGateway(
    {
      upstreams: {
        service: { targets: [target.url], retries: { max: 0 }, health: { passive: { failures: 1_000_000 } } },
      },
      routes: graphs.map(routeOf),
    },
    { clock },
  );
  const metrics = `${gateway.url.replace(/\d+$/, String(gateway.adminPort))}/metrics`;
  const countSettled = async (route: string): Promise<number> => {
    const text = await (await fetch(metrics)).text();
    const counts = text.matchAll(
      /^gateway_aggregate_parts_total\{route="(\w+)".*outcome="(?:ok|failed)"\} (\d+)/gm,
    );
    return [...counts].reduce((sum, [, id, n]) => sum + (id === route ? Number(n) : 0), 0);
  };
  // Once, so that what is made at the first request is there.
  await fetch(`${gateway.url}/g0x`);
  for (const [i, parts] of graphs.entries()) {
    const expected = expectationOf(parts);
    const timers = clock.planned().filter((delay) => delay === 700).length;
    const start = clock.monotonic();
    const answering = fetch(`${gateway.url}/g${i}`);
    const ofGraph = (): string[] => [...new Set(asked.filter((one) => one.startsWith(`${i}/`)))].sort();
    if (expected.waits) {
      // What answers at once has answered, and the rest is under way.
      await until(
        async () =>
          ofGraph().length === expected.asked.length &&
          (await countSettled(`g${i}`)) === expected.asked.length - expected.hanging,
      );
      clock.advance(700);
    }
    const response = await answering;
    const body = (await response.json()) as { part?: string; _partial?: { part: string }[] };
    expect(clock.monotonic() - start).toBeLessThanOrEqual(700);
    if (expected.failsAtOnce) expect([502, 503]).toContain(response.status);
    else if (expected.isOverdue) expect([response.status, typeof body.part]).toEqual([504, 'string']);
    else {
      expect(response.status).toBe(200);
      expect((body._partial ?? []).map(({ part }) => part).sort()).toEqual(expected.missing);
    }
    // Sockets of what hung are closed, and nothing else was asked.
    await until(() => open === 0);
    if (!expected.failsAtOnce) expect(ofGraph()).toEqual(expected.asked.map((j) => `${i}/${j}`));
    expect(clock.planned().filter((delay) => delay === 700)).toHaveLength(timers);
  }
  clock.advance(60_000);
  await fetch(`${gateway.url}/g0x`);
  expect(open).toBe(0);
});
