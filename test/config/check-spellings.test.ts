import { expect, it } from 'vitest';
import { builtInPolicies } from '../../src/policies/index.ts';
import { loadText } from './load-text.ts';

const HEAD = `listeners: [{ port: 0 }]
upstreams:
  shop: { targets: ["http://127.0.0.1:1"] }
  blog: { targets: ["http://127.0.0.1:2"] }
authServices: { main: { secret: "an HMAC secret of 32 characters!", audience: orders } }
`;

async function warningsOf(...routes: readonly string[]): Promise<string[]> {
  const lines = routes.map(
    (route, i) => `  - { id: r${i}, ${route.includes('upstream') ? '' : 'upstream: shop, '}${route} }\n`,
  );
  const result = await loadText(`${HEAD}routes:\n${lines.join('')}`, { policies: builtInPolicies });
  if (!result.ok) throw new Error('the configuration is not good');
  return result.warnings
    .filter(({ message }) => message.includes('spelling'))
    .map(({ path, message }) => `${path}: ${message}`);
}

it.each([
  ['a route for the rest', 'path: /admin', 'path: /*', '/ADMIN'],
  ['a tree of routes', 'path: /api/orders/*', 'path: /api/*', '/api/ORDERS/*'],
  ['a parameter', 'path: /shops/main/till', 'path: /shops/:id/*', '/shops/main/TILL'],
  ['parameters on both sides', 'path: /shops/:id/till', 'path: /shops/:name/*', '/shops/:id/TILL'],
  ['capitals', 'path: /ADMIN', 'path: /*', '/admin'],
  ['one method', 'path: /admin, methods: [PUT]', 'path: /*, methods: [GET, PUT]', '/ADMIN'],
])(
  'another spelling of a protected path is named where it goes to the same service unasked: %s',
  async (_, closed, open, spelling) => {
    expect(await warningsOf(`${closed}, policies: [jwt]`, open)).toEqual([
      `routes[0].path: is protected in this spelling alone: another one, such as ${spelling}, goes to the same service by routes[1], which asks nobody`,
    ]);
  },
);

it.each([
  ['to another service', 'path: /admin, policies: [jwt]', 'path: /*, upstream: blog'],
  ['to a route that asks too', 'path: /admin, policies: [jwt]', 'path: /*, policies: [api-key]'],
  ['to nothing', 'path: /admin, policies: [jwt]', 'path: /open/*'],
  ['to a route of one path', 'path: /admin, policies: [jwt]', 'path: /:page'],
  ['by other methods', 'path: /admin, methods: [POST], policies: [jwt]', 'path: /*, methods: [GET]'],
  ['by other hosts', 'path: /admin, hosts: [a.example], policies: [jwt]', 'path: /*, hosts: [b.example]'],
  ['where there are no letters', 'path: /:id, policies: [jwt]', 'path: /*'],
])('nothing is said where it goes %s', async (_, ...routes) => {
  expect(await warningsOf(...routes)).toEqual([]);
});
