import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { builtInPolicies } from '../../src/policies/index.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-routes-from-'));
});
afterAll(() => rm(folder, { recursive: true }));

const api = (...paths: string[]) => `openapi: 3.1.0
info: { title: t, version: "1" }
servers: [{ url: "https://api.example.com/{version}/", variables: { version: { default: v2 } } }]
paths:
${paths.map((path) => `  ${path}`).join('\n')}
`;
const ORDERS = [
  '/orders: { get: { operationId: listOrders, responses: {} }, post: { responses: {} } }',
  '/orders/{order-id}: { get: { operationId: getOrder, responses: {} } }',
  '/orders/mine: { get: { operationId: myOrders, responses: {} } }',
  '/files/{name}.{ext}: { get: { responses: {} } }',
];

async function load(entry: string, document: string, more = '') {
  await writeFile(join(folder, 'api.yaml'), document);
  const file = join(folder, 'sallyport.yaml');
  await writeFile(
    file,
    `listeners: [{ port: 8080 }]
upstreams: { orders: { targets: ["http://127.0.0.1:1"] } }
routesFrom:
  - { openapi: ./api.yaml, upstream: orders${entry} }
${more}`,
  );
  const result = await loadConfig(file, { policies: builtInPolicies, env: {} });
  const found = result.ok ? result.warnings : result.problems;
  const lines = found.map(formatProblem).map((line) => line.replaceAll(`${folder}/`, ''));
  return {
    lines,
    routes: result.ok ? result.config.routes : [],
    documents: result.documents.map(({ path }) => path),
  };
}

describe('routes of an OpenAPI document', () => {
  test('are one for each operation, under the path of its server', async () => {
    const { routes, lines, documents } = await load('', api(...ORDERS));
    expect(lines).toEqual([]);
    expect(
      routes.map(({ id, methods, path, stripPrefix, rewrite }) => [id, methods, path, stripPrefix, rewrite]),
    ).toEqual([
      ['listOrders', ['GET'], '/v2/orders', undefined, undefined],
      ['post-orders', ['POST'], '/v2/orders', undefined, undefined],
      ['getOrder', ['GET'], '/v2/orders/:order-id', undefined, undefined],
      ['myOrders', ['GET'], '/v2/orders/mine', undefined, undefined],
      ['get-files-name.ext', ['GET'], '/v2/files/:name_ext', undefined, undefined],
    ]);
    expect(documents).toEqual([join(folder, 'api.yaml')]);
  });

  test('have another prefix for clients, of which the service sees nothing', async () => {
    const { routes } = await load(', prefix: /shop/v1', api(...ORDERS));
    expect(routes[2]).toMatchObject({
      path: '/shop/v1/orders/:order-id',
      rewrite: '/v2/orders/{params.order-id}',
    });
    const plain = await load(', prefix: /shop/v1', api(...ORDERS).replace(/servers.*\n/, ''));
    expect(plain.routes[2]).toMatchObject({ path: '/shop/v1/orders/:order-id', stripPrefix: '/shop/v1' });
    expect(plain.routes[2]?.rewrite).toBeUndefined();
  });

  test('have the policies of their entry, then validate', async () => {
    const { routes } = await load(', policies: [body-limit], validate: both', api(...ORDERS));
    expect(routes[0]?.policies.map(({ name }) => name)).toEqual(['body-limit', 'validate']);
    expect(routes[0]?.policies[1]?.options).toMatchObject({
      openapi: { operation: 'GET /orders' },
      response: 'enforce',
    });
    const off = await load(', validate: off', api(...ORDERS));
    expect(off.routes[0]?.policies).toEqual([]);
  });

  test('give way to routes that are written for the same path and method', async () => {
    const own = 'routes: [{ id: mine, path: "/v2/orders/:id", methods: [GET], respond: { status: 200 } }]';
    const { routes, lines } = await load('', api(...ORDERS), own);
    expect(lines).toEqual([]);
    expect(routes.map(({ id }) => id)).toEqual([
      'mine',
      'listOrders',
      'post-orders',
      'myOrders',
      'get-files-name.ext',
    ]);
  });

  test('are not made of what no request can ask for, which is said', async () => {
    const { routes, lines } = await load(
      '',
      api(
        '/a#b: { get: { responses: {} } }',
        '/a: { trace: { responses: {} }, get: { responses: {} } }',
      ).replace('/a#b', '"/a#b"'),
    );
    expect(routes.map(({ id }) => id)).toEqual(['get-a']);
    expect(lines).toEqual([
      expect.stringMatching(/^api\.yaml:5:\d+ routesFrom\[0\]: has a path that no request has/),
      expect.stringMatching(/^api\.yaml:6:\d+ routesFrom\[0\]: has a method that is not forwarded: TRACE/),
    ]);
  });

  test('have ids of their own', async () => {
    const own = 'routes: [{ id: getOrder, path: /other, respond: { status: 200 } }]';
    expect((await load('', api(...ORDERS), own)).routes.map(({ id }) => id)).toContain('orders.getOrder');
  });
});

describe('what is wrong', () => {
  test('with a document is said with its line there', async () => {
    const { lines } = await load(
      '',
      api(
        '/a: { get: { parameters: [{ $ref: "#/components/parameters/x" }] } }',
        '/b: { get: { responses: {} } }',
      ),
    );
    expect(lines).toEqual([
      expect.stringMatching(/^api\.yaml:5:\d+ routesFrom\[0\]\.openapi: refers to what is not there/),
    ]);
  });

  test('with its paths as well: two that no request tells apart', async () => {
    const { lines } = await load(
      '',
      api(
        '/a/{x}: { get: { operationId: a, responses: {} } }',
        '/a/{y}: { get: { operationId: b, responses: {} } }',
      ),
    );
    expect(lines).toEqual([expect.stringMatching(/^api\.yaml:6:\d+ routesFrom\[0\]: can never match/)]);
  });

  test('with an entry is said once, however many routes it makes', async () => {
    const { lines } = await load(', policies: [{ body-limit: { max: 5 } }]', api(...ORDERS));
    expect(lines).toEqual([
      expect.stringMatching(/^sallyport\.yaml:4:\d+ routesFrom\[0\]\.policies\[0\]\.body-limit\.max: /),
    ]);
    const gone = await load('', api(...ORDERS).replace('openapi: 3.1.0', 'openapi: 2.0'));
    expect(gone.lines).toHaveLength(1);
  });

  test('with the upstream is said at the upstream', async () => {
    await writeFile(join(folder, 'api.yaml'), api(...ORDERS));
    const file = join(folder, 'other.yaml');
    await writeFile(
      file,
      'listeners: [{ port: 8080 }]\nroutesFrom: [{ openapi: ./api.yaml, upstream: gone }]\n',
    );
    const result = await loadConfig(file, { policies: builtInPolicies, env: {} });
    const lines = result.ok ? [] : result.problems.map(formatProblem);
    expect(lines).toEqual([expect.stringMatching(/other\.yaml:2:\d+ routesFrom\[0\]\.upstream: /)]);
  });

  test.each([
    [', prefix: v1', "does not begin with '/'"],
    [', prefix: /v1/:id', 'has parameters'],
    [', validate: responses', 'is not known here'],
  ])('%s', async (entry, problem) => {
    expect((await load(entry, api(...ORDERS))).lines.join('\n')).toContain(problem);
  });
});
