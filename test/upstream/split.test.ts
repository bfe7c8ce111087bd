import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../src/core/exchange.ts';
import { hashPassword } from '../../src/policies/basic/password-hash.ts';
import { compileSplit, type SplitPart } from '../../src/upstream/split.ts';
import { stubExchange } from '../core/stub-exchange.ts';
import { startGateway, startTarget, type TestConfig } from '../support/harness.ts';
import { seededRandom } from './stub-upstream.ts';

const SUBJECTS = 10_000;

const part = (value: string, weight: number, conditions: Partial<SplitPart<string>> = {}) => ({
  value,
  weight,
  headers: {},
  cookies: {},
  ...conditions,
});

const bySubject = (parts: readonly SplitPart<string>[], seed: string) =>
  compileSplit({ by: 'subject', parts }, seed, never);

const never = (): number => expect.unreachable();

const asSubject = (subject: string): Exchange =>
  Object.assign(stubExchange(), {
    identity: { subject, roles: [], permissions: [], method: 'jwt', claims: {} },
  });

/** Who of all subjects is in the canary of this weight, of a hundred. */
function canaries(weight: number, route = 'orders'): Set<number> {
  const split = bySubject([part('canary', weight), part('stable', 100 - weight)], route);
  const subjects = Array.from({ length: SUBJECTS }, (_, i) => i);
  return new Set(subjects.filter((i) => split(asSubject(`user-${i}`)) === 'canary'));
}

describe('a split by weight', () => {
  it('gives each part its share of the subjects', () => {
    expect(Math.abs(canaries(5).size / SUBJECTS - 0.05)).toBeLessThan(0.01);
  });

  it('gives the same subject always the same part, from wherever it asks', () => {
    const split = bySubject([part('a', 1), part('b', 1)], 'orders');
    const from = (clientAddress: string) => split(Object.assign(asSubject('alice'), { clientAddress }));
    const parts = Array.from({ length: 50 }, (_, i) => from(`192.0.2.${i}`));
    expect(new Set(parts).size).toBe(1);
  });

  it('goes by the address of who has not said who it is', () => {
    const split = bySubject([part('a', 1), part('b', 1)], 'orders');
    const parts = Array.from({ length: 50 }, (_, i) =>
      split(stubExchange({ clientAddress: `192.0.2.${i}` })),
    );
    expect(new Set(parts).size).toBe(2);
    expect(split(stubExchange({ clientAddress: '192.0.2.1' }))).toBe(parts[1]);
  });

  it('keeps who was in a canary that grows', () => {
    const grown = canaries(20);
    expect([...canaries(5)].every((i) => grown.has(i))).toBe(true);
  });

  it('tries out on others on another route', () => {
    const [here, there] = [canaries(10), canaries(10, 'users')];
    expect([...here].filter((i) => there.has(i)).length / here.size).toBeLessThan(0.2);
  });
});

describe('a split by condition', () => {
  const split = bySubject(
    [
      part('canary', 0, { headers: { 'x-canary': 'yes' } }),
      part('beta', 0, { cookies: { beta: '1' } }),
      part('stable', 1),
    ],
    'orders',
  );
  const of = (...headers: [string, string][]) => split(stubExchange({ headers }));

  it('goes by a header', () => {
    expect(of(['X-Canary', 'yes'])).toBe('canary');
    expect(of(['X-Canary', 'no'])).toBe('stable');
  });

  it('goes by a cookie', () => {
    expect(of(['Cookie', 'a=b; beta=1'])).toBe('beta');
    expect(of(['Cookie', 'alphabeta=1'])).toBe('stable');
  });

  it('goes by the first that is met', () => {
    expect(of(['Cookie', 'beta=1'], ['X-Canary', 'yes'])).toBe('canary');
  });

  it('takes nobody else where a part has no weight', () => {
    const parts = Array.from({ length: 200 }, (_, i) => split(asSubject(`user-${i}`)));
    expect(new Set(parts)).toEqual(new Set(['stable']));
  });
});

it('a route with a split keeps who is known with one part, wherever the requests come from', async () => {
  const [stable, canary] = [await startTarget(), await startTarget()];
  const names = Array.from({ length: 16 }, (_, i) => `user-${i}`);
  const password = await hashPassword('secret', { logN: 10, blockSize: 1, parallelism: 1 });
  const { url } = await startGateway({
    upstreams: { stable: { targets: [stable.url] }, canary: { targets: [canary.url] } },
    routes: [
      {
        id: 'all',
        path: '/*',
        split: [
          { upstream: 'stable', weight: 1 },
          { upstream: 'canary', weight: 1 },
        ],
      },
    ],
    policies: [{ basic: { users: Object.fromEntries(names.map((name) => [name, { password }])) } }],
    trustedProxies: ['127.0.0.1'],
  });
  for (const name of names) {
    for (let i = 0; i < 4; i++) {
      const authorization = `Basic ${Buffer.from(`${name}:secret`).toString('base64')}`;
      const headers = { authorization, 'x-forwarded-for': `192.0.2.${i}` };
      expect((await fetch(`${url}/${name}`, { headers })).status).toBe(200);
    }
  }
  const [here, there] = [stable, canary].map(
    ({ requests }) => new Set(requests.map(({ url: path }) => path)),
  );
  expect(here?.size).toBeGreaterThan(0);
  expect(there?.size).toBeGreaterThan(0);
  expect((here?.size ?? 0) + (there?.size ?? 0)).toBe(names.length);
});

it('a route with a split sends requests to both upstreams', async () => {
  const [stable, canary] = [await startTarget(), await startTarget()];
  const { url, gateway } = await startGateway({
    upstreams: { stable: { targets: [stable.url] }, canary: { targets: [canary.url] } },
    routes: [
      {
        id: 'all',
        path: '/*',
        split: [
          { upstream: 'stable', weight: 100 },
          { upstream: 'canary', headers: { 'x-canary': 'yes' } },
        ],
      },
    ],
  });
  await fetch(url);
  await fetch(url, { headers: { 'x-canary': 'yes' } });
  expect([stable.requests.length, canary.requests.length]).toEqual([1, 1]);
  expect((await gateway.describe()).routes[0]?.upstreams).toEqual(['stable', 'canary']);
});

describe('a split by request', () => {
  it('gives each part its share of the requests, also of those of one client', () => {
    const parts = [part('canary', 5), part('stable', 95)];
    const split = compileSplit({ by: 'request', parts }, 'orders', seededRandom());
    const taken = Array.from({ length: 10_000 }, () => split(asSubject('alice')));
    expect(Math.abs(taken.filter((value) => value === 'canary').length / 10_000 - 0.05)).toBeLessThan(0.01);
  });

  it('still gives a part what its conditions name', () => {
    const parts = [part('canary', 0, { headers: { 'x-canary': 'yes' } }), part('stable', 1)];
    const split = compileSplit({ by: 'request', parts }, 'orders', seededRandom());
    const asking = stubExchange();
    asking.headers.append('x-canary', 'yes');
    expect([split(asking), split(stubExchange())]).toEqual(['canary', 'stable']);
  });
});

describe('a split by another key', () => {
  it('keeps those together that have it in common', () => {
    const parts = [part('a', 1), part('b', 1)];
    const split = compileSplit({ by: 'header:x-tenant', parts }, 'orders', never);
    const of = (tenant: string, clientAddress: string) => {
      const exchange = stubExchange({ clientAddress });
      exchange.headers.append('x-tenant', tenant);
      return split(exchange);
    };
    const addresses = Array.from({ length: 50 }, (_, i) => `192.0.2.${i}`);
    expect(new Set(addresses.map((address) => of('acme', address))).size).toBe(1);
    expect(new Set(addresses.map((address) => of(address, '192.0.2.1'))).size).toBe(2);
  });
});

describe('a route with a split', () => {
  async function startSplitting(split: object, policies: object[] = []) {
    const [stable, next] = [await startTarget(), await startTarget()];
    const gateway = await startGateway({
      upstreams: { stable: { targets: [stable.url] }, next: { targets: [next.url] } },
      routes: [{ id: 'all', path: '/*', split, policies }],
    } as TestConfig);
    return { gateway, stable, next };
  }

  it('by request serves one client by all parts', async () => {
    const { gateway, stable, next } = await startSplitting({
      by: 'request',
      parts: [
        { upstream: 'stable', weight: 1 },
        { upstream: 'next', weight: 1 },
      ],
    });
    while (stable.requests.length === 0 || next.requests.length === 0)
      expect((await fetch(gateway.url)).status).toBe(200);
  });

  it('changes header fields for one part alone, both ways', async () => {
    const { gateway } = await startSplitting([
      {
        upstream: 'next',
        headers: { 'x-canary': 'yes' },
        request: { remove: ['x-canary'], set: { 'x-version': 'next' }, add: { 'x-tag': 'b' } },
        response: { set: { 'x-served-by': 'next' }, remove: ['content-type'] },
      },
      { upstream: 'stable', weight: 1 },
    ]);
    const headers = { 'x-version': 'mine', 'x-tag': 'a' };
    const canary = await fetch(gateway.url, { headers: { ...headers, 'x-canary': 'yes' } });
    expect(canary.headers.get('x-served-by')).toBe('next');
    expect(canary.headers.has('content-type')).toBe(false);
    const seen = ((await canary.json()) as { headers: Record<string, string> }).headers;
    expect(seen).toMatchObject({ 'x-version': 'next', 'x-tag': 'a, b' });
    expect(seen).not.toHaveProperty('x-canary');
    const stable = await fetch(gateway.url, { headers });
    expect(stable.headers.has('x-served-by')).toBe(false);
    expect(((await stable.json()) as { headers: object }).headers).toMatchObject(headers);
  });

  it('is decided behind the policies, by what they have left', async () => {
    const { gateway, next } = await startSplitting(
      [
        { upstream: 'next', headers: { 'x-canary': 'yes' } },
        { upstream: 'stable', weight: 1 },
      ],
      [{ headers: { request: { set: { 'x-canary': 'yes' } } } }],
    );
    expect((await fetch(gateway.url)).status).toBe(200);
    expect(next.requests).toHaveLength(1);
  });

  it.each([
    [{ by: 'chance' }, 'is nothing to split by'],
    [{ parts: [{ upstream: 'next', request: { set: { 'content-length': '1' } } }] }, 'frames the message'],
    [{ parts: [{ upstream: 'next', response: { add: { via: 'me' } } }] }, 'the gateway writes it'],
    [{ parts: [{ upstream: 'nxt', weight: 1 }] }, "there is no upstream 'nxt'"],
    [{ parts: [{ upstream: 'next' }] }, 'takes no requests'],
  ])('is refused where it cannot work: %j', async (given, message) => {
    const parts = [...((given as { parts?: object[] }).parts ?? []), { upstream: 'stable', weight: 1 }];
    const split = { ...given, parts: [...parts, { upstream: 'next', weight: 1 }] };
    await expect(startSplitting(split)).rejects.toThrow(message);
  });
});
