import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Attacked, openRange, request, type Seen, tokenOf } from './attack-range.ts';

let range: Awaited<ReturnType<typeof openRange>>;
let key = '';
let otherKey = '';
let boundKey = '';
let farKey = '';

beforeAll(async () => {
  range = await openRange();
  key = await range.issue({ owner: 'acme', roles: ['partner'] });
  otherKey = await range.issue({ owner: 'other' });
  boundKey = await range.issue({ owner: 'bound', routes: ['key'] });
  farKey = await range.issue({ owner: 'far', ips: ['203.0.113.0/24'] });
});

afterAll(() => range.close());

const BEARER = `Authorization: Bearer ${tokenOf()}`;

/** The fields by which a target learns who is calling, however they are spelt. */
function identityIn({ fields, trailers }: Seen): string[] {
  return [...fields, ...trailers].filter((line) => /^x[^a-z]?auth/i.test(line));
}

function expectDenied({ statuses, seen }: Attacked, status: number): void {
  expect({ statuses, seen }).toEqual({ statuses: [status], seen: [] });
}

const NOBODY = [
  ...['X-Auth-Subject: root', 'x_auth_subject: root', 'X-AUTH-ROLES: admin', 'X-Auth_Roles: admin'],
  ...['x-auth-permissions: all', 'X-Auth-Subject: ', 'x-auth-anything: root'],
  ...[
    'X.Auth.Subject: root',
    'x!auth!roles: admin',
    "x'auth~roles: admin",
    'x-auth.roles: admin',
    'x^auth|subject: root',
  ],
];

describe('forged identity', () => {
  const chunked = (field: string) => ['Transfer-Encoding: chunked', `Trailer: ${field.split(':')[0]}`];
  const withTrailer = (field: string) => `1\r\nx\r\n0\r\n${field}\r\n\r\n`;

  it.each(NOBODY)('in a header is not passed on by an open route: %s', async (field) => {
    const { statuses, seen } = await range.attack(request('GET /open/a', [field]));
    expect(statuses).toEqual([200]);
    expect(seen.map(identityIn)).toEqual([[]]);
  });

  it.each(NOBODY)('in a trailer is not passed on by an open route: %s', async (field) => {
    const { statuses, seen } = await range.attack(
      request('POST /open/a', [...chunked(field), 'TE: trailers'], withTrailer(field)),
    );
    expect(statuses).toEqual([200]);
    expect(seen.map(identityIn)).toEqual([[]]);
    expect(seen[0]?.body).toBe('x');
  });

  it.each([
    ['in a header', () => request('GET /jwt/a', [BEARER, ...NOBODY])],
    ['in headers before the token', () => request('GET /jwt/a', [...NOBODY, BEARER])],
    [
      'in trailers',
      () => request('POST /jwt/a', [BEARER, ...chunked('X-Auth-Roles')], withTrailer(NOBODY.join('\r\n'))),
    ],
    [
      'by having ours removed',
      () => request('GET /jwt/a', [BEARER, 'Connection: X-Auth-Subject, x-auth-roles']),
    ],
    [
      'by having ours called hop-by-hop twice',
      () => request('GET /jwt/a', [BEARER, 'Connection: x_auth_roles', 'Connection: X-AUTH-SUBJECT']),
    ],
    [
      'in another case of the token scheme',
      () => request('GET /jwt/a', [BEARER.replace('Bearer', 'bEARER'), ...NOBODY]),
    ],
    ['on a route that takes several ways in', () => request('GET /any/a', [BEARER, ...NOBODY])],
  ])('beside a good token changes nothing of who that is: %s', async (_, bytes) => {
    const { statuses, seen } = await range.attack(bytes());
    expect(statuses).toEqual([200]);
    expect(seen.map(identityIn)).toEqual([['x-auth-subject: ada', 'x-auth-roles: customer']]);
  });

  it('beside a good key changes nothing of whose that is', async () => {
    const { statuses, seen } = await range.attack(request('GET /any/a', [`X-Api-Key: ${key}`, ...NOBODY]));
    expect(statuses).toEqual([200]);
    expect(seen.map(identityIn)).toEqual([['x-auth-subject: acme', 'x-auth-roles: partner']]);
    expect(JSON.stringify(seen)).not.toContain(key);
  });

  it.each(NOBODY)('opens no route by itself: %s', async (field) => {
    for (const path of ['/jwt/a', '/key/a', '/any/a', '/admin/a', '/users/root'])
      expectDenied(await range.attack(request(`GET ${path}`, [field])), 401);
    expectDenied(await range.attackDefault(request('GET /a', [field])), 401);
  });

  it.each([
    'X-Forwarded-User: root',
    'Remote-User: root',
    'X-Remote-User: root',
    'X-Forwarded-Client-Cert: Subject="CN=root"',
    'X-SSL-Client-Verify: SUCCESS',
    'Client-Cert: :AAAA:',
    'X-User: root',
    'From: root@shop.example',
  ])('in fields that other proxies use opens nothing: %s', async (field) => {
    expectDenied(await range.attack(request('GET /admin/a', [field])), 401);
  });

  it('is not carried from one request of a connection to the next', async () => {
    const good = request('GET /jwt/a', [BEARER]).replace('Connection: close\r\n', '');
    const { statuses, seen } = await range.attack(good + request('GET /jwt/b'));
    expect(statuses).toEqual([200, 401]);
    expect(seen.map(({ url }) => url)).toEqual(['/jwt/a']);
  });
});

describe('credentials that are there twice, or elsewhere', () => {
  const good = tokenOf();
  const admin = tokenOf({ sub: 'root', roles: ['admin'] });

  it.each([
    ['two good tokens', [`Authorization: Bearer ${good}`, `Authorization: Bearer ${admin}`]],
    ['the same token twice', [BEARER, BEARER]],
    ['in two spellings of the name', [BEARER, BEARER.replace('Authorization', 'AUTHORIZATION')]],
    ['a good one, then a bad one', [BEARER, 'Authorization: Bearer a.b.c']],
    ['a bad one, then a good one', ['Authorization: Bearer a.b.c', BEARER]],
    ['an empty one, then a good one', ['Authorization: ', BEARER]],
    ['a good one, then an empty one', [BEARER, 'Authorization: ']],
    ['another scheme, then a token', ['Authorization: Basic YTpi', BEARER]],
    ['a token, then another scheme', [BEARER, 'Authorization: Basic YTpi']],
    ['two in one field', [`Authorization: Bearer ${good}, Bearer ${admin}`]],
    ['two in one field without the scheme', [`Authorization: Bearer ${good},${admin}`]],
    ['two spaces before the token', [`Authorization: Bearer  ${good}`]],
    ['a tab before the token', [`Authorization: Bearer\t${good}`]],
    ['no space before the token', [`Authorization: Bearer${good}`]],
    ['no scheme', [`Authorization: ${good}`]],
    ['a byte beyond ASCII behind it', [`Authorization: Bearer ${good}\x80`]],
    ['more words behind it', [`Authorization: Bearer ${good} admin`]],
    ['a parameter behind it', [`Authorization: Bearer ${good};sub=root`]],
    ['another scheme', [`Authorization: Token ${good}`]],
    ['quotes around it', [`Authorization: Bearer "${good}"`]],
    ['in another field', [`X-Authorization: Bearer ${good}`]],
    ['for a proxy', [`Proxy-Authorization: Bearer ${good}`]],
    ['in a cookie', [`Cookie: authorization=Bearer ${good}; access_token=${good}`]],
    ['as a WebSocket protocol', [`Sec-WebSocket-Protocol: bearer, ${good}`]],
    ['as an API key', [`X-Api-Key: ${good}`]],
    ['called hop-by-hop', [BEARER, 'Connection: Authorization']],
  ])('as a token: %s', async (_, fields) => {
    expectDenied(await range.attack(request('GET /jwt/a', fields)), 401);
    expectDenied(await range.attackDefault(request('GET /a', fields)), 401);
  });

  it.each([
    ['the query', `GET /jwt/a?access_token=${good}&token=${good}&jwt=${good}`, []],
    ['the query, as a field', `GET /jwt/a?Authorization=Bearer%20${good}&authorization=Bearer+${good}`, []],
    ['user information', `GET http://bearer:${good}@shop.example/jwt/a`, []],
    ['the path', `GET /jwt/${good}`, []],
    ['the fragment', `GET /jwt/a#access_token=${good}`, []],
  ] as const)('as a token in %s', async (_, line, fields) => {
    const { statuses, seen } = await range.attack(request(line, fields));
    expect([400, 401]).toContain(statuses[0]);
    expect(seen).toEqual([]);
  });

  it('as a token in a form', async () => {
    const body = `access_token=${good}`;
    const fields = ['Content-Type: application/x-www-form-urlencoded', `Content-Length: ${body.length}`];
    expectDenied(await range.attack(request('POST /jwt/a', fields, body)), 401);
  });

  it('as a token in a trailer', async () => {
    const body = `1\r\nx\r\n0\r\nAuthorization: Bearer ${good}\r\n\r\n`;
    expectDenied(
      await range.attack(
        request('POST /jwt/a', ['Transfer-Encoding: chunked', 'Trailer: Authorization'], body),
      ),
      401,
    );
  });

  it.each([
    ['two good keys', () => [`X-Api-Key: ${key}`, `X-Api-Key: ${otherKey}`]],
    ['the same key twice', () => [`X-Api-Key: ${key}`, `x-api-key: ${key}`]],
    ['two in one field', () => [`X-Api-Key: ${key}, ${otherKey}`]],
    ['a good one, then an empty one', () => [`X-Api-Key: ${key}`, 'X-Api-Key: ']],
    ['an empty one, then a good one', () => ['X-Api-Key: ', `X-Api-Key: ${key}`]],
    ['in capitals', () => [`X-Api-Key: ${key.toUpperCase()}`]],
    ['with a letter more', () => [`X-Api-Key: ${key}a`]],
    ['with a letter less', () => [`X-Api-Key: ${key.slice(0, -1)}`]],
    ['with an underscore in the name', () => [`X_Api_Key: ${key}`]],
    ['as a token', () => [`Authorization: Bearer ${key}`]],
    ['as a token of its own scheme', () => [`Authorization: ApiKey ${key}`]],
    ['in a cookie', () => [`Cookie: x-api-key=${key}`]],
    [
      'of another address that is only claimed',
      () => [
        `X-Api-Key: ${farKey}`,
        'X-Forwarded-For: 203.0.113.5',
        'X-Real-IP: 203.0.113.5',
        'Forwarded: for=203.0.113.5',
      ],
    ],
    ['called hop-by-hop', () => [`X-Api-Key: ${key}`, 'Connection: x-api-key']],
    ['as a percent-encoded value', () => [`X-Api-Key: ${key.replace('_', '%5f')}`]],
  ])('as a key: %s', async (what, fields) => {
    const status = what.startsWith('of another address') ? 403 : 401;
    expectDenied(await range.attack(request('GET /key/a', fields())), status);
  });

  it('as a key in the query', async () => {
    const line = `GET /key/a?api_key=${key}&apikey=${key}&x-api-key=${key}&key=${key}`;
    expectDenied(await range.attack(request(line)), 401);
  });

  it('a key that is for another route', async () => {
    expectDenied(await range.attack(request('GET /any/a', [`X-Api-Key: ${boundKey}`])), 403);
  });

  it('a bad token is not saved by a good key, nor a bad key by a good token in its place', async () => {
    expectDenied(
      await range.attack(request('GET /any/a', ['Authorization: Bearer a.b.c', `X-Api-Key: ${key}`])),
      401,
    );
    expectDenied(
      await range.attack(
        request('GET /any/a', [`Authorization: Bearer ${tokenOf({ exp: 1 })}`, `X-Api-Key: ${key}`]),
      ),
      401,
    );
    const { statuses, seen } = await range.attack(
      request('GET /any/a', [BEARER, `X-Api-Key: ${key}`, `x_api_key: ${key}`]),
    );
    expect(statuses).toEqual([200]);
    expect(seen.map(identityIn)).toEqual([['x-auth-subject: ada', 'x-auth-roles: customer']]);
    expect(JSON.stringify(seen)).not.toContain(key);
  });
});

describe('roles and subjects that only look right', () => {
  it.each([
    ['another case', ['Admin', 'ADMIN', 'aDmin']],
    ['spaces', [' admin', 'admin ', 'admin\t', 'ad min']],
    ['full-width letters', ['ａｄｍｉｎ']],
    ['Cyrillic letters', ['аdmin']],
    ['a dotless i', ['admın', 'admİn']],
    ['letters that have no width', ['adm\u200bin', '\ufeffadmin', 'admin\u00ad']],
    ['a NUL', ['admin\0', '\0admin']],
    ['a line feed', ['admin\n', 'x\nadmin']],
    ['a comma', ['customer,admin', 'admin,']],
    ['percent-encoding', ['%61dmin', 'admin%00']],
    ['an escape that JSON does not decode', ['\\u0061dmin']],
    ['more letters', ['administrator', 'admin2', 'superadmin']],
    ['patterns', ['*', 'admin*', '.*', 'adm?n']],
    ['names of every object', ['__proto__', 'constructor', 'toString']],
    ['lists within the list', [['admin']]],
    ['objects', [{ name: 'admin' }, { toString: 'admin' }]],
    ['true', [true]],
    ['nothing', []],
    ['a map in which no role is given', { admin: false, customer: null, owner: 0, root: {}, all: 'admin' }],
    ['a list that is text', '["admin"]'],
    ['text with commas', 'customer,admin'],
    ['a number', 1],
    ['null', null],
  ] as [string, unknown][])('a role with %s', async (_, roles) => {
    const list = Array.isArray(roles) ? roles : [roles];
    for (const each of Array.isArray(roles) ? list.map((role) => [role]) : [roles]) {
      const token = tokenOf({ sub: 'eve', roles: each });
      expectDenied(await range.attack(request('GET /admin/a', [`Authorization: Bearer ${token}`])), 403);
    }
  });

  it.each([
    { Roles: ['admin'] },
    { ROLES: ['admin'] },
    { role: 'admin' },
    { groups: ['admin'] },
    { 'roles ': ['admin'] },
  ])('a claim of another name: %j', async (claims) => {
    const token = tokenOf({ roles: undefined, ...claims });
    expectDenied(await range.attack(request('GET /admin/a', [`Authorization: Bearer ${token}`])), 403);
  });

  it.each([
    ['another user', '/users/eve', 403],
    ['another case', '/users/ADA', 403],
    ['another user by dots', '/users/ada/../eve', 403],
    ['another user by encoded dots', '/users/ada/%2e%2e/eve', 403],
    ['a slash that is encoded', '/users/ada%2f..%2feve', 400],
    ['a parameter of the segment', '/users/eve;ada', 400],
    ['a NUL behind it', '/users/ada%00', 400],
    ['a space behind it', '/users/ada%20', 403],
    ['a dot behind it', '/users/ada.', 403],
    ['a full-width letter', '/users/%EF%BD%81da', 403],
  ])('a path of %s', async (_, path, status) => {
    expectDenied(await range.attack(request(`GET ${path}`, [BEARER])), status);
  });

  it('the subject whose path it is passes, in each spelling of that path', async () => {
    for (const path of ['/users/ada', '/users/%61da', '/users/eve/../ada', '//users//ada', '/./users/ada']) {
      const { statuses, seen } = await range.attack(request(`GET ${path}`, [BEARER]));
      expect([statuses, seen.map(({ url }) => url)]).toEqual([[200], ['/users/ada']]);
    }
  });
});
