import { expect, it } from 'vitest';
import { builtInPolicies } from '../../src/policies/index.ts';
import { loadText } from './load-text.ts';

const HEAD = `upstreams:
  shop: { targets: ["http://127.0.0.1:1"] }
  blog: { targets: ["http://127.0.0.1:2"] }
  alias: { targets: [{ url: "http://127.0.0.1:1" }] }
authServices: { main: { secret: "an HMAC secret of 32 characters!", audience: orders } }
`;

function warningsOf(...routes: readonly string[]): Promise<string[]> {
  return warningsIn('', ...routes);
}

async function warningsIn(common: string, ...routes: readonly string[]): Promise<string[]> {
  const listeners = common.includes('listeners') ? '' : 'listeners: [{ port: 0 }]\n';
  const lines = routes.map(
    (route, i) => `  - { id: r${i}, ${route.includes('upstream') ? '' : 'upstream: shop, '}${route} }\n`,
  );
  const result = await loadText(`${HEAD}${listeners}${common}routes:\n${lines.join('')}`, {
    policies: builtInPolicies,
  });
  if (!result.ok) throw new Error('the configuration is not good');
  return result.warnings
    .filter(({ message }) => message.includes('spelling'))
    .map(({ path, message }) => `${path}: ${message}`);
}

it.each([
  ['a route for the rest', 'path: /admin', 'path: /*', '/ADMIN, /admin/, /admin. or /%2561dmin'],
  [
    'a tree of routes',
    'path: /api/orders/*',
    'path: /api/*',
    '/api/ORDERS/*, /api/orders. or /api/%256frders/*',
  ],
  [
    'a parameter',
    'path: /shops/main/till',
    'path: /shops/:id/*',
    '/shops/main/TILL, /shops/main/till/, /shops/main/till. or /shops/main/%2574ill',
  ],
  [
    'parameters on both sides',
    'path: /shops/:id/till',
    'path: /shops/:name/*',
    '/shops/:id/TILL, /shops/:id/till/, /shops/:id/till. or /shops/:id/%2574ill',
  ],
  ['capitals', 'path: /ADMIN', 'path: /*', '/admin, /ADMIN/, /ADMIN. or /%2541DMIN'],
  [
    'one method',
    'path: /admin, methods: [PUT]',
    'path: /*, methods: [GET, PUT]',
    '/ADMIN, /admin/, /admin. or /%2561dmin',
  ],
  [
    'another name of the same service',
    'path: /admin',
    'path: /*, upstream: alias',
    '/ADMIN, /admin/, /admin. or /%2561dmin',
  ],
  ['a route of one segment', 'path: /admin', 'path: /:page', '/ADMIN, /admin. or /%2561dmin'],
  ['a path without letters', 'path: /:id', 'path: /*', '/:id/'],
  ['a path that ends open', 'path: /admin/', 'path: /*', '/ADMIN/, /admin or /%2561dmin/'],
  [
    'a host below a wildcard',
    'path: /admin, hosts: [a.example.com]',
    'path: /*, hosts: ["*.example.com"]',
    '/ADMIN, /admin/, /admin. or /%2561dmin',
  ],
])(
  'another spelling of a protected path is named where it goes to the same service unasked: %s',
  async (_, closed, open, spellings) => {
    expect(await warningsOf(`${closed}, policies: [jwt]`, open)).toEqual([
      `routes[0].path: is protected in this spelling alone: another one, such as ${spellings}, goes to the same service by routes[1], which requires no credentials`,
    ]);
  },
);

const JWT = 'jwt';
const admin = 'authorize: { roles: [admin] }';

it.each([
  ['roles', [JWT, admin], [JWT], 'which has no authorize'],
  [
    'other roles',
    [JWT, admin],
    [JWT, 'authorize: { roles: [admin, user] }'],
    'whose authorize lets more through',
  ],
  [
    'permissions',
    [JWT, 'authorize: { permissions: [a, b] }'],
    [JWT, 'authorize: { permissions: [a] }'],
    'whose authorize lets more through',
  ],
  ['a limit', ['rate-limit: { limit: 5, window: 1m }'], [], 'which has no rate-limit'],
  [
    'a wider limit',
    ['rate-limit: { limit: 5, window: 1m }'],
    ['rate-limit: { limit: 50, window: 1m }'],
    'whose rate-limit lets more through',
  ],
  [
    'an observed limit',
    ['rate-limit: { limit: 5, window: 1m }'],
    ['rate-limit: { limit: 5, window: 1m, observe: true }'],
    'which has no rate-limit',
  ],
  ['addresses', ['ip-filter: { allow: [10.0.0.0/8] }'], [], 'which has no ip-filter'],
])('weaker policies are named as none are: %s', async (_, guarded, other, lack) => {
  expect(await warningsOf(withUses('/admin/*', guarded), withUses('/*', other))).toEqual([
    expect.stringContaining(`goes to the same service by routes[1], ${lack}`),
  ]);
});

it.each([
  ['fewer roles', [JWT, 'authorize: { roles: [admin, user] }'], [JWT, admin]],
  [
    'more permissions',
    [JWT, 'authorize: { permissions: [a] }'],
    [JWT, 'authorize: { permissions: [a, b], roles: [x] }'],
  ],
  ['a closer limit', ['rate-limit: { limit: 5, window: 1m }'], ['rate-limit: { limit: 4, window: 1m }']],
  ['policies that refuse nothing', ['headers: { request: { set: { a: b } } }'], []],
])('nothing is said where the other refuses as much: %s', async (_, guarded, other) => {
  expect(await warningsOf(withUses('/admin/*', guarded), withUses('/*', other))).toEqual([]);
});

it('a top-level policy guards both, but for a public route', async () => {
  const guarded = withUses('/admin/*', [admin]);
  const common = 'policies: [jwt]\n';
  expect(await warningsIn(common, guarded, withUses('/*', [admin]))).toEqual([]);
  expect(await warningsIn(common, guarded, 'path: /*')).toEqual([
    expect.stringContaining('has no authorize'),
  ]);
  expect(await warningsIn(common, guarded, 'path: /*, public: true')).toEqual([
    expect.stringContaining('which requires no credentials'),
  ]);
});

it('nothing is said of spellings that a route takes itself, or no listener lets through', async () => {
  const routes = ['path: /admin, policies: [jwt]', 'path: /*'];
  const common = 'paths: { caseSensitive: false, trailingSlash: same }\n';
  expect(await warningsIn(common, ...routes)).toEqual([
    expect.stringContaining('such as /admin. or /%2561dmin,'),
  ]);
  const listeners = 'listeners: [{ port: 0, allowEncoded: { doubleEncoded: false } }]\n';
  const HTML = 'path: /admin/:id, policies: [jwt]';
  expect(await warningsIn(common + listeners, HTML, 'path: /*')).toEqual([]);
  expect(await warningsIn('', 'path: /admin/:id, caseSensitive: false, policies: [jwt]', 'path: /*')).toEqual(
    [expect.stringContaining('such as /admin/:id/ or /%2561dmin/:id,')],
  );
});

it.each([
  ['mergeSlashes: false', '//admin'],
  ['allowEncoded: { semicolon: true }', '/admin;x=1/:id'],
  ['allowEncoded: { slash: true }', '/admin%2F:id'],
  ['allowEncoded: { backslash: true }', '/admin%5C:id'],
  ['allowEncoded: { nul: true }', '/admin%00/:id'],
])('a listener with %s lets %s through', async (rule, spelling) => {
  const common = `paths: { caseSensitive: false, trailingSlash: same }\nlisteners: [{ port: 0, ${rule} }]\n`;
  const [warning] = await warningsIn(common, 'path: /admin/:id, policies: [jwt]', 'path: /*');
  expect(warning).toContain(spelling);
});

it('what the router sends elsewhere is not a way past', async () => {
  const third = 'path: /*, policies: [jwt]';
  expect(
    await warningsOf('path: /admin, policies: [jwt]', third, 'path: /*, hosts: [a.example], upstream: blog'),
  ).toEqual([]);
  expect(await warningsOf('path: /admin, policies: [jwt]', 'path: /*, rewrite: /index.html')).toEqual([]);
  expect(await warningsOf('path: /admin, policies: [jwt]', third, 'path: /*, headers: { x: y }')).toEqual([
    expect.stringContaining('by routes[2]'),
  ]);
});

it.each([
  ['to another service', 'path: /admin, policies: [jwt]', 'path: /*, upstream: blog'],
  ['to a route that asks too', 'path: /admin, policies: [jwt]', 'path: /*, policies: [api-key]'],
  ['to nothing', 'path: /admin, policies: [jwt]', 'path: /open/*'],
  ['by other methods', 'path: /admin, methods: [POST], policies: [jwt]', 'path: /*, methods: [GET]'],
  ['by other hosts', 'path: /admin, hosts: [a.example], policies: [jwt]', 'path: /*, hosts: [b.example]'],
  ['to the route itself', 'path: "/:id/*", policies: [jwt]', 'path: /*'],
])('nothing is said where it goes %s', async (_, ...routes) => {
  expect(await warningsOf(...routes)).toEqual([]);
});

function withUses(path: string, uses: readonly string[]): string {
  return `path: "${path}", policies: [${uses.map((use) => (use.includes(':') ? `{ ${use} }` : use)).join(', ')}]`;
}
