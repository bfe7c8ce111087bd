import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { definePolicy, type Policy } from '../../src/core/policy.ts';
import { loadText, problemsOf } from './load-text.ts';

const stub = (name: string, access: Policy['access']) =>
  definePolicy({ name, access, refuses: true, options: z.looseObject({}), create: () => ({}) });

const policies = [
  stub('jwt', 'identifies'),
  stub('api-key', 'identifies'),
  stub('authorize', 'authorizes'),
  stub('limit', 'none'),
  definePolicy({
    name: 'quota',
    refuses: true,
    options: z.strictObject({ key: z.string().prefault('subject') }),
    create: () => ({}),
  }),
];

const config = (topLevel: string, ...routes: string[]) =>
  [
    'listeners: [{ port: 0 }]',
    `policies: ${topLevel}`,
    routes.length === 0 ? 'routes: []' : 'routes:',
    ...routes.map((route, i) => `  - { id: r${i}, path: "/r${i}/:id", respond: {}, ${route} }`),
    '',
  ].join('\n');

const problems = (topLevel: string, ...routes: string[]) =>
  problemsOf(config(topLevel, ...routes), { policies });

/** The warnings of a configuration that must be good. */
async function warnings(topLevel: string, ...routes: string[]): Promise<string[]> {
  const result = await loadText(config(topLevel, ...routes), { policies });
  if (!result.ok)
    throw new Error(result.problems.map(({ path, message }) => `${path} ${message}`).join('\n'));
  return result.warnings.map(({ path, message }) => `${path}: ${message}`);
}

describe('two authentication methods', () => {
  it.each([
    ['[jwt, api-key]', [], 'policies[1]: is a second authentication method beside jwt'],
    ['[jwt, jwt]', [], 'policies[1]: is a second authentication method beside jwt'],
    [
      '[]',
      ['policies: [jwt, api-key]'],
      'routes[0].policies[1]: is a second authentication method beside jwt',
    ],
    [
      '[jwt]',
      ['policies: [api-key]'],
      'routes[0].policies[0]: is a second authentication method beside the top-level jwt',
    ],
    [
      '[jwt]',
      ['policies: [jwt: {}]'],
      'routes[0].policies[0]: is a second authentication method beside the top-level jwt',
    ],
    [
      '[jwt]',
      ['public: false, policies: [jwt]'],
      'routes[0].policies[0]: is a second authentication method beside the top-level',
    ],
  ])('on one route are refused: %s with %j', async (topLevel, routes, problem) => {
    const found = await problems(topLevel, ...routes);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(problem);
    expect(found[0]).toContain('any: [jwt, ');
  });

  it('may stand on different routes, and on one that leaves the top-level one out', async () => {
    expect(await warnings('[]', 'policies: [jwt]', 'policies: [api-key]')).toEqual([]);
    expect(await warnings('[jwt]', 'public: true, policies: [api-key]', 'policies: []')).toEqual([]);
  });
});

describe('a policy that decides by who is calling', () => {
  it.each([
    ['[authorize]', [], 'policies[0]: decides by who is calling, but nothing before it'],
    ['[authorize, jwt]', [], 'policies[0]: decides by who is calling, but nothing before it'],
    ['[authorize]', ['policies: [jwt]'], 'policies[0]: decides by who is calling'],
    ['[]', ['policies: [authorize]'], 'routes[0].policies[0]: decides by who is calling'],
    ['[]', ['policies: [authorize, jwt]'], 'routes[0].policies[0]: decides by who is calling'],
    ['[jwt]', ['public: true, policies: [authorize]'], 'routes[0].policies[0]: decides by who is calling'],
  ])('is refused before what finds that out: %s with %j', async (topLevel, routes, problem) => {
    const found = await problems(topLevel, ...routes);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(problem);
  });

  it('may stand behind it, in the same list or in that of a route', async () => {
    expect(await warnings('[jwt, authorize]', 'policies: [authorize]')).toEqual([]);
    expect(await warnings('[]', 'policies: [jwt, limit, authorize]')).toEqual([]);
  });

  it('is not reported once more where what stands before it is unknown', async () => {
    expect(await problems('[jtw, authorize]')).toHaveLength(1);
  });

  it('names parameters that every path has which it decides about', async () => {
    const own = 'authorize: { claims: { sub: "{params.id}" } }';
    expect(await warnings(`[jwt, ${own}]`, 'policies: []', `policies: [${own}]`)).toEqual([]);
    const other = own.replace('params.id', 'params.userId');
    expect(await problems('[jwt]', `policies: [${other}]`)).toEqual([
      expect.stringContaining(
        'claims.sub: names the parameter userId, which the path does not have — use one of id',
      ),
    ]);
    expect(await problems(`[jwt, ${other}]`, 'public: true', 'policies: []')).toEqual([
      expect.stringContaining('which the path of the route with path /r1/:id does not have'),
    ]);
  });
});

describe('a key that names a parameter', () => {
  it('is refused where the path does not have it, but for the top level', async () => {
    const limit = (key: string) => `limit: { key: ${key} }`;
    expect(await warnings(`[${limit('"param:orderId"')}]`, `policies: [${limit('"param:id"')}]`)).toEqual([]);
    for (const key of ['"param:orderId"', '[ip, "param:orderId"]'])
      expect(await problems('[]', `policies: [${limit(key)}]`)).toEqual([
        expect.stringContaining(
          'limit.key: names the parameter orderId, which the path does not have — use one of id',
        ),
      ]);
  });
});

describe('a key that names the caller', () => {
  it('is refused before what finds out who that is', async () => {
    for (const key of ['subject', 'api-key', '"claim:tenant"', '[ip, subject]']) {
      expect(await problems('[]', `policies: [limit: { key: ${key} }, jwt]`)).toEqual([
        expect.stringContaining('routes[0].policies[0].limit.key: names the caller, but nothing before it'),
      ]);
    }
    expect(await problems('[limit: { key: subject }]', 'policies: [jwt]')).toHaveLength(1);
  });

  it('is refused also where it is the one that the policy takes when none is written', async () => {
    expect(await problems('[quota]', 'policies: [jwt]')).toEqual([
      expect.stringContaining('policies[0]: counts by the caller, but nothing before it'),
    ]);
    expect(await warnings('[quota]')).toEqual([]);
    expect(await warnings('[jwt, quota]')).toEqual([]);
    expect(await warnings('[quota: { key: ip }, jwt]')).toEqual([]);
  });

  it('deserves a look where nothing ever finds that out', async () => {
    expect(await warnings('[]', 'policies: [limit: { key: subject }]')).toHaveLength(1);
    expect(await warnings('[jwt]', 'policies: [limit: { key: subject }]')).toEqual([]);
    expect(await warnings('[limit: { key: ip }]', 'policies: [jwt]')).toEqual([]);
  });
});

describe('what is open', () => {
  it('is named where the top level would have asked who is calling', async () => {
    expect(await warnings('[jwt]', 'public: true', 'policies: []')).toEqual([
      'routes[0].public: opens this route to everyone',
    ]);
    expect(await warnings('[]', 'public: true')).toEqual([]);
  });

  it('is never opened by observing', async () => {
    expect(await problems('[jwt: { observe: true }]')).toEqual([
      expect.stringContaining('jwt.observe: would accept whoever jwt rejects — leave it out'),
    ]);
    expect(await problems('[jwt, authorize: { observe: true }]')).toHaveLength(1);
    expect(await warnings('[jwt: { observe: false }]')).toEqual([]);
  });

  it('is opened by a dangerous word, which is named', async () => {
    expect(await warnings('[jwt: { dangerouslyObserve: true }]')).toEqual([
      'policies[0].jwt.dangerouslyObserve: accepts whoever jwt rejects',
    ]);
    const loaded = await loadText(config('[jwt: { dangerouslyObserve: true }]'), { policies });
    expect(loaded.ok && loaded.config.policies[0]).toMatchObject({ name: 'jwt', observe: true, options: {} });
  });

  it('has no dangerous word where observing is no danger', async () => {
    expect(await problems('[limit: { dangerouslyObserve: true }]')).toEqual([
      expect.stringContaining(
        'limit.dangerouslyObserve: is for policies about who is calling — write observe: true',
      ),
    ]);
    expect(await problems('[jwt: { dangerouslyObserve: yes please }]')).toEqual([
      expect.stringContaining('dangerouslyObserve: is not true or false'),
    ]);
  });
});
