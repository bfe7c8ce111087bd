import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { startGateway, startTarget, type TestConfig } from '../support/harness.ts';
import { until } from '../support/until.ts';
import { ManualClock } from '../upstream/discovery/manual-clock.ts';

type Aggregate = NonNullable<NonNullable<TestConfig['routes']>[number]['aggregate']>;

/** Starts a target that answers `/ok…` at once and the rest never, and a gateway whose time the test lets pass. */
async function startHanging(aggregate: Aggregate, more: Partial<TestConfig> = {}) {
  const clock = new ManualClock();
  const left: string[] = [];
  const target = await startTarget((request, response) => {
    response.once('close', () => response.writableEnded || left.push(request.url as string));
    if (request.url?.startsWith('/ok')) response.end('{"id":1}');
    else if (request.url?.startsWith('/half')) response.write('{"id":');
  });
  const gateway = await startGateway(
    {
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'home', path: '/home', aggregate }],
      ...more,
    },
    { clock },
  );
  return { clock, target, gateway, left };
}

/** Waits until as many requests for parts have come to an end as told. */
async function settled({ adminPort, url }: { adminPort: number; url: string }, count: number): Promise<void> {
  const metrics = `${url.replace(/\d+$/, String(adminPort))}/metrics`;
  await until(async () => {
    const text = await (await fetch(metrics)).text();
    const counts = text.matchAll(/^gateway_aggregate_parts_total\{.*outcome="(?:ok|failed)"\} (\d+)/gm);
    return [...counts].reduce((sum, [, n]) => sum + Number(n), 0) >= count;
  });
}

const part = (path: string, more: object = {}) => ({ upstream: 'service', path, ...more });

describe('the deadline of an aggregate', () => {
  it.each(['/never', '/half'])(
    'answers 504 for a required part that hangs (%s), and leaves it',
    async (path) => {
      const { clock, target, gateway, left } = await startHanging({
        deadline: '800ms',
        parts: { user: part(path) },
      });
      const answer = fetch(`${gateway.url}/home`);
      await target.request(0);
      clock.advance(799);
      clock.advance(1);
      const response = await answer;
      expect([response.status, await response.json()]).toMatchObject([
        504,
        { code: 'GW_PART_TIMEOUT', part: 'user' },
      ]);
      await until(() => left.includes(path));
    },
  );

  it('gives an answer without the optional parts that hang, and begins no part after it', async () => {
    const { clock, target, gateway, left } = await startHanging({
      deadline: '800ms',
      parts: {
        user: part('/ok'),
        orders: part('/never', { optional: true, fallback: [] }),
        prices: part('/ok/prices', { query: { of: '{parts.orders.body.id}' }, optional: true }),
      },
    });
    const answer = fetch(`${gateway.url}/home`);
    await target.request(1);
    await settled(gateway, 1);
    clock.advance(800);
    const response = await answer;
    expect(response.headers.get('x-partial')).toBe('orders, prices');
    const timeout = { code: 'GW_PART_TIMEOUT', status: 504 };
    expect(await response.json()).toEqual({
      user: { id: 1 },
      orders: [],
      _partial: [
        { part: 'orders', ...timeout },
        { part: 'prices', ...timeout },
      ],
    });
    await until(() => left.length === 1);
    expect(target.requests.map(({ url }) => url).sort()).toEqual(['/never', '/ok']);
  });

  it('gives no part a share: one that is asked late has all that is left', async () => {
    const waiting: ServerResponse[] = [];
    const clock = new ManualClock();
    const target = await startTarget((_, response) => void waiting.push(response));
    const gateway = await startGateway(
      {
        upstreams: { service: { targets: [target.url] } },
        routes: [
          {
            id: 'home',
            path: '/home',
            aggregate: {
              deadline: '100s',
              parts: { a: part('/a'), b: part('/b', { query: { a: '{parts.a.body}' } }) },
            },
          },
        ],
      },
      { clock },
    );
    const answer = fetch(`${gateway.url}/home`);
    for (const i of [0, 1]) {
      await target.request(i);
      clock.advance(49_000);
      waiting[i]?.end(String(i));
    }
    expect(await (await answer).json()).toEqual({ a: 0, b: 1 });
  });

  it('is not for a part that has a timeout of its own, which leaves the others their time', async () => {
    const { clock, target, gateway } = await startHanging({
      deadline: '800ms',
      parts: {
        user: part('/half', { timeout: '300ms', optional: true }),
        next: part('/ok?id={parts.user.status}'),
      },
    });
    const answer = fetch(`${gateway.url}/home`);
    await target.request(0);
    clock.advance(300);
    expect(await (await answer).json()).toMatchObject({ next: { id: 1 }, _partial: [{ part: 'user' }] });
  });

  it('ends with the client: what is under way is left, and nothing more is asked', async () => {
    let isLeft = false;
    const target = await startTarget((_, response) => void response.once('close', () => (isLeft = true)));
    const gateway = await startGateway({
      upstreams: { service: { targets: [target.url] } },
      routes: [
        {
          id: 'home',
          path: '/home',
          aggregate: {
            parts: { user: part('/never'), more: part('/ok', { query: { u: '{parts.user.body}' } }) },
          },
        },
      ],
    });
    const controller = new AbortController();
    const answer = fetch(`${gateway.url}/home`, { signal: controller.signal });
    await target.request(0);
    controller.abort();
    await expect(answer).rejects.toThrow();
    await until(() => isLeft && gateway.accessLog().length === 1);
    expect(gateway.accessLog()[0]).toMatchObject({ code: 'GW_CLIENT_CLOSED' });
    expect(target.requests).toHaveLength(1);
  });

  it('leaves the other parts at once where a required one fails', async () => {
    const waiting: ServerResponse[] = [];
    let isLeft = false;
    const target = await startTarget((request, response) => {
      if (request.url === '/slow') response.once('close', () => (isLeft = true));
      // Both are under way before one of them fails.
      if (waiting.push(response) === 2) waiting.find(({ req }) => req.url === '/bad')?.end('no JSON');
    });
    const gateway = await startGateway({
      upstreams: { service: { targets: [target.url] } },
      routes: [
        { id: 'home', path: '/home', aggregate: { parts: { slow: part('/slow'), bad: part('/bad') } } },
      ],
    });
    expect((await fetch(`${gateway.url}/home`)).status).toBe(502);
    await until(() => isLeft);
  });

  it('is for code that makes the answer, too', async () => {
    const clock = new ManualClock();
    const target = await startTarget((_, response) => response.end('1'));
    const gateway = await startGateway(
      {
        upstreams: { service: { targets: [target.url] } },
        routes: [
          {
            id: 'home',
            path: '/home',
            aggregate: { deadline: '800ms', parts: { a: part('/') }, compose: './never.mjs' },
          },
        ],
      },
      {
        clock,
        files: {
          'never.mjs': 'export default () => { globalThis.composing = true; return new Promise(() => {}); };',
        },
      },
    );
    const answer = fetch(`${gateway.url}/home`);
    await until(() => (globalThis as { composing?: boolean }).composing === true);
    clock.advance(800);
    expect((await answer).status).toBe(500);
    expect(JSON.stringify(gateway.accessLog())).toContain('compose was not done at the deadline');
  });
});
