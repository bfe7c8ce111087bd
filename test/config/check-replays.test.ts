import { describe, expect, it } from 'vitest';
import { builtInPolicies } from '../../src/policies/index.ts';
import { loadText, problemsOf } from './load-text.ts';

const SECRET = 'x'.repeat(32);

function gateway(topLevel: string, own: string): string {
  return `listeners: [{ port: 0 }]
authServices: { main: { secret: ${SECRET}, issuer: me, audience: api, algorithms: [HS256] } }
upstreams: { a: { targets: ["http://127.0.0.1:9001"] } }
policies: [${topLevel}]
routes: [{ id: r, path: /x, upstream: a, policies: [${own}] }]
`;
}

const problems = (topLevel: string, own: string) =>
  problemsOf(gateway(topLevel, own), { policies: builtInPolicies });

async function isGood(topLevel: string, own: string): Promise<boolean> {
  return (await loadText(gateway(topLevel, own), { policies: builtInPolicies })).ok;
}

describe('a cache', () => {
  it.each([
    ['jwt behind it', '', 'cache, jwt', 'routes[0].policies[1]'],
    ['authorize behind it', '', 'jwt, cache, { authorize: { roles: [a] } }', 'routes[0].policies[2]'],
    ['any behind it', '', 'cache, { any: [jwt, api-key] }', 'routes[0].policies[1]'],
    ['a jwt of the route behind that of the top level', 'cache', 'jwt', 'routes[0].policies[0]'],
    [
      'authorize of the route behind that of the top level',
      'jwt, cache',
      '{ authorize: { roles: [a] } }',
      'routes[0]',
    ],
  ])('is refused with %s', async (_, topLevel, own, place) => {
    const [problem] = await problems(topLevel, own);
    expect(problem).toContain(place);
    expect(problem).toContain('which answers callers whom it has not seen — put it before cache');
  });

  it('of each subject is refused where nobody is identified', async () => {
    expect(await problems('', '{ cache: { private: true } }')).toEqual([
      expect.stringContaining(
        'cache.private: keeps responses by subject, but nothing before it finds out who',
      ),
    ]);
  });

  it.each([
    ['', 'jwt, { authorize: { roles: [a] } }, { cache: { private: true } }'],
    ['jwt, cache', ''],
    ['jwt', '{ cache: { private: true } }'],
    ['jwt, cache', '{ authorize: { roles: [a] } }, cache'],
    ['', 'cache, { rate-limit: { limit: 1, window: 1s } }'],
  ])('stands behind what decides about callers: [%s], [%s]', async (topLevel, own) => {
    expect(await isGood(topLevel, own)).toBe(true);
  });

  it('in front of an ip-filter is warned of', async () => {
    const result = await loadText(gateway('', 'cache, { ip-filter: { allow: [10.0.0.0/8] } }'), {
      policies: builtInPolicies,
    });
    const warnings = result.ok ? result.warnings.map(({ message }) => message) : [];
    expect(warnings).toContain('does not see requests that cache answers');
  });

  it.each([
    [
      'cors: { origins: ["https://a.test"], credentials: true }',
      'lets pages send cookies to a service in front of which cache stands',
    ],
    [
      'cors: { origins: ["https://a.test"], headers: [x-api-key] }',
      'lets pages send x-api-key to a service in front of which cache stands',
    ],
    ['headers: { request: { set: { x-trace: "t-{requestId}" } } }', 'has another value in each request'],
  ])('behind %s is warned of', async (before, warning) => {
    const result = await loadText(gateway('', `{ ${before} }, cache`), { policies: builtInPolicies });
    const warnings = result.ok ? result.warnings.map(({ message }) => message) : [];
    expect(warnings).toContainEqual(expect.stringContaining(warning));
  });

  it.each([
    'jwt, { cors: { origins: ["https://a.test"], credentials: true } }, cache',
    '{ cors: { origins: ["https://a.test"] } }, cache',
    '{ headers: { request: { set: { x-trace: "{requestId}", x-version: "2" } } } }, cache',
    '{ cache: { key: { headers: [x-api-key] } } }',
  ])('is not warned of with %s', async (own) => {
    const result = await loadText(gateway('', own), { policies: builtInPolicies });
    const warnings = result.ok ? result.warnings.map(({ message }) => message) : ['refused'];
    expect(warnings.filter((message) => /cache|refused/.test(message))).toEqual([]);
  });

  it('by a key with Authorization, which nobody has looked at, is warned of', async () => {
    const own = '{ cache: { key: { headers: [Authorization] } } }';
    const result = await loadText(gateway('', own), { policies: builtInPolicies });
    const warnings = result.ok ? result.warnings.map(({ message }) => message) : [];
    expect(warnings).toContainEqual(expect.stringContaining('names authorization, but nothing before cache'));
  });

  it.each([
    ['{ cache: { maxAge: 30 } }', 'maxAge: has no unit — write 30s for seconds'],
    ['{ cache: { methods: [POST] } }', 'methods[0]: is not known here'],
    ['{ cache: { stale: 1m } }', "there is no setting 'stale' here"],
    ['{ cache: { key: { query: { ignores: [a] } } } }', "did you mean 'ignore'?"],
  ])('with a mistake is refused with what to write: %s', async (own, problem) => {
    expect((await problems('', own))[0]).toContain(problem);
  });

  it('with a store that holds nothing is refused', async () => {
    const text = `${gateway('', 'cache')}cache: { memory: 10KiB }\n`;
    expect((await problemsOf(text, { policies: builtInPolicies }))[0]).toContain(
      'cache.memory: is too little — write at least 1MiB',
    );
  });
});

describe('an idempotency-key', () => {
  it.each([
    ['', 'idempotency-key, jwt'],
    ['', 'jwt, idempotency-key, { authorize: { roles: [a] } }'],
    ['idempotency-key', 'jwt'],
  ])('before what decides about callers is refused: [%s], [%s]', async (topLevel, own) => {
    expect((await problems(topLevel, own))[0]).toContain(
      'which answers callers whom it has not seen — put it before idempotency-key',
    );
  });

  it('behind it is good, and without it tells of the address that stands for the caller', async () => {
    const warningsOf = async (own: string) => {
      const result = await loadText(gateway('', own), { policies: builtInPolicies });
      return result.ok ? result.warnings.map(({ message }) => message).join() : 'not loaded';
    };
    expect(await warningsOf('jwt, idempotency-key')).not.toContain('by their address');
    expect(await warningsOf('idempotency-key')).toContain('tells callers apart by their address');
  });

  it.each([
    ['{ idempotency-key: { observe: true } }', 'observe'],
    ['{ idempotency-key: { ttl: 0s } }', 'ttl: is too short — write at least 1000ms'],
    ['{ idempotency-key: { require: true } }', "did you mean 'required'?"],
  ])('with a mistake is refused with what to write: %s', async (own, problem) => {
    expect((await problems('', own))[0]).toContain(problem);
  });

  it('with a store that holds nothing is refused', async () => {
    const text = `${gateway('', 'jwt, idempotency-key')}idempotencyKey: { memory: 10KiB }\n`;
    expect((await problemsOf(text, { policies: builtInPolicies }))[0]).toContain(
      'idempotencyKey.memory: is too little — write at least 1MiB',
    );
  });
});
