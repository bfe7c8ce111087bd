import { describe, expect, test } from 'vitest';
import type { GatewayError } from '../../src/core/errors.ts';
import type { Exchange } from '../../src/core/exchange.ts';
import type { Identity } from '../../src/core/identity/identity.ts';
import { authorize } from '../../src/policies/authorize/authorize.ts';
import { policyPipeline, problemsOf, stubExchange } from '../core/stub-exchange.ts';

const ada: Identity = {
  subject: 'ada',
  roles: ['editor', 'support'],
  permissions: ['orders:read', 'orders:write'],
  method: 'api-key',
  claims: { tenant: 'acme', level: 3, groups: ['eu', 'beta'], realm: { name: 'main' }, 'https://x/y': 'z' },
};

interface Caller extends Partial<Identity> {
  readonly params?: Record<string, string>;
  readonly headers?: readonly (readonly [string, string])[];
  readonly query?: string;
}

/** What `authorize` says of a caller who is Ada but for what is given. */
function judge(options: object, { params = {}, headers = [], query = '', ...identity }: Caller = {}) {
  const exchange = stubExchange({ headers });
  exchange.identity = { ...ada, ...identity };
  exchange.params = params;
  exchange.query = query;
  return decide(options, exchange);
}

function decide(options: object, exchange: Exchange): GatewayError | undefined {
  const { pipeline } = policyPipeline([authorize, options]);
  return pipeline.runRequest(exchange) as GatewayError | undefined;
}

const passes = (options: object, caller?: Caller): boolean => {
  const result = judge(options, caller);
  if (result !== undefined) expect(result).toMatchObject({ code: 'GW_FORBIDDEN', status: 403 });
  return result === undefined;
};

describe('roles and permissions', () => {
  test.each([
    [{}, true],
    [{ roles: ['editor'] }, true],
    [{ roles: ['admin', 'support'] }, true],
    [{ roles: ['admin'] }, false],
    [{ permissions: ['orders:read'] }, true],
    [{ permissions: ['orders:write', 'orders:read'] }, true],
    [{ permissions: ['orders:read', 'orders:delete'] }, false],
    [{ roles: ['editor'], permissions: ['orders:delete'] }, false],
    [{ roles: ['admin'], permissions: ['orders:read'] }, false],
  ])('any of the roles and all of the permissions: %j lets Ada pass: %s', (options, expected) => {
    expect(passes(options)).toBe(expected);
  });

  test.each([
    'Admin',
    'ADMIN',
    ' admin',
    'admin ',
    'admin\u200b',
    'ａｄｍｉｎ',
    'adm\u0131n',
    'аdmin', // Cyrillic а
    'admin,editor',
    'admin\0',
    'administrator',
    '',
    'constructor',
    '__proto__',
    'toString',
  ])('a role is compared character by character: %j is not admin', (role) => {
    expect(passes({ roles: ['admin'] }, { roles: [role] })).toBe(false);
    expect(passes({ permissions: ['admin'] }, { permissions: [role] })).toBe(false);
  });

  test('the same letters in another Unicode form are another role', () => {
    const composed = 'caf\u00e9';
    const decomposed = 'cafe\u0301';
    expect(passes({ roles: [composed] }, { roles: [decomposed] })).toBe(false);
    expect(passes({ roles: [composed] }, { roles: [composed] })).toBe(true);
  });
});

describe('inheritance', () => {
  const inherits = { admin: ['editor'], editor: ['viewer'], owner: ['admin'], auditor: ['viewer'] };

  test.each([
    ['viewer', ['viewer', 'editor', 'admin', 'owner', 'auditor']],
    ['editor', ['editor', 'admin', 'owner']],
    ['owner', ['owner']],
  ])('%s is what %j count as, and nobody else', (role, counting) => {
    for (const held of ['viewer', 'editor', 'admin', 'owner', 'auditor', 'other'])
      expect(passes({ roles: [role], inherits }, { roles: [held] }), held).toBe(counting.includes(held));
  });

  test.each([
    [{ roles: ['a'], inherits: { a: ['a'] } }, 'lets a inherit from itself'],
    [{ roles: ['a'], inherits: { a: ['b'], b: ['c'], c: ['a'] } }, 'inherit from itself'],
    [{ inherits: { a: ['b'] } }, 'has no effect without roles'],
    [{ roles: ['a'], inherits: { a: [] } }, 'is empty'],
  ])('%j is refused', (options, problem) => {
    expect(problemsOf(authorize, options).join()).toContain(problem);
  });
});

describe('claims', () => {
  test.each([
    [{ tenant: 'acme' }, true],
    [{ tenant: 'Acme' }, false],
    [{ level: '3' }, true],
    [{ level: '03' }, false],
    [{ groups: 'beta' }, true],
    [{ groups: 'eu,beta' }, false],
    [{ 'realm.name': 'main' }, true],
    [{ realm: '[object Object]' }, false],
    [{ 'https://x/y': 'z' }, true],
    [{ missing: 'undefined' }, false],
    [{ constructor: 'x' }, false],
    [{ 'tenant.length': '4' }, false],
    [{ sub: 'ada' }, true],
    [{ tenant: 'acme', level: '4' }, false],
  ])('%j holds of Ada: %s', (claims, expected) => {
    expect(passes({ claims })).toBe(expected);
  });

  test('equal a parameter of the path, as the router decoded it', () => {
    const own = { claims: { sub: '{params.userId}' } };
    expect(passes(own, { params: { userId: 'ada' } })).toBe(true);
    expect(passes(own, { params: { userId: 'bob' } })).toBe(false);
    expect(passes(own, { params: { userId: '%61da' } })).toBe(false);
    expect(passes(own, { params: { userId: 'ADA' } })).toBe(false);
    expect(passes(own, { subject: 'a b', params: { userId: 'a b' } })).toBe(true);
  });

  test('equal no parameter that is not there, nor an empty one', () => {
    const inherited = { claims: { sub: '{params.constructor}' } };
    expect(passes(inherited, { subject: String(Object) })).toBe(false);
    expect(passes({ claims: { sub: '{params.id}' } })).toBe(false);
    const empty = { params: { '*': '' }, claims: { dir: '' } };
    expect(passes({ claims: { dir: '{params.*}' } }, empty)).toBe(false);
  });

  test("a claim called sub is the token's own, where it has one", () => {
    const caller = { subject: 'ada@example.com', claims: { sub: 'ada' } };
    expect(passes({ claims: { sub: 'ada' } }, caller)).toBe(true);
    expect(passes({ claims: { sub: 'ada@example.com' } }, caller)).toBe(false);
  });

  test.each([
    ['user-{params.id}', 'mixes braces and text'],
    ['{id}', 'mixes braces and text'],
    ['{params.a}{params.b}', 'mixes braces and text'],
    ['', 'is empty'],
  ])('the value %j is refused', (value, problem) => {
    expect(problemsOf(authorize, { claims: { sub: value } }).join()).toContain(problem);
  });
});

describe('an expression', () => {
  test.each([
    ['"editor" in identity.roles', true],
    ['identity.subject == params.id', true],
    ['identity.claims.level >= 3 && identity.method == "api-key"', true],
    ['identity.claims.groups.exists(g, g == "beta")', true],
    ['request.method == "GET" && request.path == "/"', true],
    ['request.headers["x-tenant"] == identity.claims.tenant', true],
    ['request["headers"]["x-tenant"] == "acme"', true],
    ['request.query.mode == "fast"', true],
    ['identity.plan == ""', true],
    ['identity.claims.level > 3', false],
    ['identity.claims.tenant == params.tenant', false],
    // What cannot be decided is denied, whichever way it is asked.
    ['identity.claims.nobody == "x"', false],
    ['identity.claims.nobody != "x"', false],
    ['!(identity.claims.tenant > 3)', false],
    ['request.headers["x-none"] != "x"', false],
    ['identity.claims.constructor.name == "Object"', false],
    // What is no boolean is not true.
    ['identity.claims.tenant', false],
  ])('%s lets Ada pass: %s', (when, expected) => {
    const caller = { params: { id: 'ada' }, headers: [['X-Tenant', 'acme']] as const, query: 'mode=fast' };
    expect(passes({ when }, caller)).toBe(expected);
  });

  test('reads header fields as the UTF-8 that they are', () => {
    const headers = [
      ['X-Note', Buffer.from('cafà').toString('latin1')],
      ['x-a', '1'],
      ['X-A', '2'],
    ] as const;
    expect(
      passes(
        { when: 'request.headers["x-note"] == "cafà" && request.headers["x-a"] == "1, 2"' },
        { headers },
      ),
    ).toBe(true);
  });

  test('denies where a loop has more to go through than anybody means well', () => {
    const query = (count: number) => Array.from({ length: count }, (_, i) => `p${i}=1`).join('&');
    const when = 'request.query.exists(k, k == "p1")';
    expect(passes({ when }, { query: query(100) })).toBe(true);
    expect(passes({ when }, { query: query(1000) })).toBe(false);
    expect(passes({ when: 'request.query.p1 == "1"' }, { query: query(1000) })).toBe(true);
  });

  test.each([
    'request.path.contains("/admin") && !request.path.contains(identity.subject)',
    'request.path.split("/").size() > 2',
    'identity.roles.exists(r, r.contains("ed"))',
  ])('%s is bounded', (when) => expect(problemsOf(authorize, { when })).toEqual([]));

  test('denies where a query parameter stands twice, since upstreams differ in which one they take', () => {
    expect(passes({ when: 'request.query.id == "1"' }, { query: 'id=1' })).toBe(true);
    for (const query of ['id=1&id=2', 'id=2&id=1', 'id=1&%69d=2'])
      expect(passes({ when: 'request.query.id != "3"' }, { query })).toBe(false);
  });

  test.each([
    ['identity.subject ==', 'is not a valid CEL expression: Unexpected token: EOF at character 20'],
    ['identity.sbject == "x"', 'No such key: sbject'],
    ['user == "x"', 'Unknown variable: user'],
    ['identity.subject == 3', 'no such overload'],
    ['identity.subject', 'gives string where true or false is due'],
    ['request.path.matches("(a+)+$")', 'uses matches()'],
    ['identity.roles.exists(a, identity.roles.exists(b, a == b))', 'has a loop within a loop'],
    ['request.path.contains(request.method)', 'look for what a request brings along'],
    ['request.path.indexOf("x" + params.id) > 0', 'look for what a request brings along'],
    ['request.headers.exists(k, request.path.contains(k))', 'look for what a request brings along'],
    ['identity.roles.exists(r, request.path.contains(r))', 'look for what a request brings along'],
    ['request.path.split("").exists(x, request.path.contains(x))', 'over the parts of a text'],
    [Array.from({ length: 300 }, () => 'true').join(' && '), 'is not a valid CEL expression'],
    ['', 'is empty'],
  ])('%s is refused when the configuration is loaded', (when, problem) => {
    expect(problemsOf(authorize, { when }).join()).toContain(problem);
  });
});

describe('the response', () => {
  test('to nobody is 401 with the challenge of the policy that found nobody', () => {
    for (const options of [{}, { roles: ['editor'] }, { when: 'true' }]) {
      const exchange = stubExchange();
      exchange.challenge = 'ApiKey realm="api"';
      expect(decide(options, exchange)).toMatchObject({
        code: 'GW_CREDENTIALS_MISSING',
        status: 401,
        headers: { 'www-authenticate': 'ApiKey realm="api"' },
      });
    }
  });

  test('to a token that is not enough names what would be (RFC 6750)', () => {
    const options = { permissions: ['orders:read', 'orders:delete'] };
    expect(judge(options, { method: 'jwt' })?.headers).toEqual({
      'www-authenticate': 'Bearer error="insufficient_scope", scope="orders:read orders:delete"',
    });
    expect(judge(options, { method: 'api-key' })?.headers).toBeUndefined();
    expect(judge({ roles: ['admin'] }, { method: 'introspect' })?.headers).toEqual({
      'www-authenticate': 'Bearer error="insufficient_scope"',
    });
    expect(judge({ permissions: ['say "hi"'] }, { method: 'jwt' })?.headers).toEqual({
      'www-authenticate': 'Bearer error="insufficient_scope"',
    });
  });

  test.each([
    [{ roles: ['x'] }, 'role'],
    [{ permissions: ['x'] }, 'permission'],
    [{ claims: { a: 'x' } }, 'claim'],
    [{ when: 'false' }, 'expression'],
  ])('keeps the reason for the log: %j, %s', (options, reason) => {
    const denied = judge(options);
    expect(denied?.reason).toBe(reason);
    expect(denied?.detail).toBeUndefined();
  });
});

test.each([
  [{ roles: [] }, 'is empty, so that no caller could pass'],
  [{ permissions: [] }, 'is empty'],
  [{ roles: 'admin' }, 'roles'],
  [{ role: ['admin'] }, 'role'],
])('%j is refused', (options, problem) => {
  expect(problemsOf(authorize, options).join()).toContain(problem);
});
