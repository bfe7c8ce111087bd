import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../src/core/exchange.ts';
import { hashPassword } from '../../src/policies/basic/password-hash.ts';
import { compileSplit, type SplitPart } from '../../src/upstream/split.ts';
import { stubExchange } from '../core/stub-exchange.ts';
import { startGateway, startTarget } from '../support/harness.ts';

const SUBJECTS = 10_000;

const part = (value: string, weight: number, conditions: Partial<SplitPart<string>> = {}) => ({
  value,
  weight,
  headers: {},
  cookies: {},
  ...conditions,
});

const asSubject = (subject: string): Exchange =>
  Object.assign(stubExchange(), {
    identity: { subject, roles: [], permissions: [], method: 'jwt', claims: {} },
  });

/** Who of all subjects is in the canary of this weight, of a hundred. */
function canaries(weight: number, route = 'orders'): Set<number> {
  const split = compileSplit([part('canary', weight), part('stable', 100 - weight)], route);
  const subjects = Array.from({ length: SUBJECTS }, (_, i) => i);
  return new Set(subjects.filter((i) => split(asSubject(`user-${i}`)) === 'canary'));
}

describe('a split by weight', () => {
  it('gives each part its share of the subjects', () => {
    expect(Math.abs(canaries(5).size / SUBJECTS - 0.05)).toBeLessThan(0.01);
  });

  it('gives the same subject always the same part, from wherever it asks', () => {
    const split = compileSplit([part('a', 1), part('b', 1)], 'orders');
    const from = (clientAddress: string) => split(Object.assign(asSubject('alice'), { clientAddress }));
    const parts = Array.from({ length: 50 }, (_, i) => from(`192.0.2.${i}`));
    expect(new Set(parts).size).toBe(1);
  });

  it('goes by the address of who has not said who it is', () => {
    const split = compileSplit([part('a', 1), part('b', 1)], 'orders');
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
  const split = compileSplit(
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
