import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import { builtInPolicies } from '../../../src/policies/index.ts';
import { until } from '../../support/until.ts';
import { startValidating } from './echo.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sallyport-validate-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** What is wrong with a configuration whose one route has this `validate`, beside these files. */
async function check(options: string, files: Record<string, string> = {}) {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const config = `listeners: [{ port: 8080 }]
upstreams: { a: { targets: ["http://127.0.0.1:1"] } }
routes:
  - id: a
    path: /a
    upstream: a
    policies:
      - validate:
${options.replace(/^/gm, '          ')}
`;
  const file = join(folder, 'sallyport.yaml');
  await writeFile(file, config);
  const result = await loadConfig(file, { policies: builtInPolicies, env: {} });
  const lines = (result.ok ? result.warnings : result.problems).map(formatProblem);
  return { ok: result.ok, lines: lines.map((line) => line.replaceAll(`${folder}/`, '')) };
}

const api = (paths: string, more = '') => `openapi: 3.1.0
info: { title: t, version: "1" }
paths:
${paths.replace(/^/gm, '  ')}
${more}`;

describe('a schema in the configuration', () => {
  test.each([
    ['body:\n  properties:\n    a: { type: strin }', 'sallyport.yaml:11:26'],
    ['body:\n  $ref: "#/$defs/a"', 'sallyport.yaml:10:19'],
    ['query:\n  properties:\n    q: { pattern: "(a+)+$$" }', 'sallyport.yaml:11:29'],
    ['headers: { $ref: "https://example.com/schema.json" }', 'sallyport.yaml:9:28'],
  ])('%s is refused with its place', async (options, place) => {
    const { ok, lines } = await check(options);
    expect(ok).toBe(false);
    expect(lines[0]).toContain(`${place} routes[0].policies[0].validate.`);
  });

  test('one that says nothing, or too much, is refused', async () => {
    expect((await check('unknown: strip')).lines[0]).toContain('says nothing of what requests must be');
    expect((await check('body: 1')).lines[0]).toContain('is not a schema');
    expect((await check('openapi: { file: a.yaml, operation: a }\nbody: true')).lines.join()).toContain(
      'stands beside openapi',
    );
  });
});

describe('a schema in a file', () => {
  test('is refused with the line of that file', async () => {
    const { lines } = await check('body: { file: ./order.json }', {
      'order.json': '{\n  "properties": {\n    "id": { "type": "strin" }\n  }\n}',
    });
    expect(lines).toEqual([
      expect.stringMatching(
        /^order\.json:3:21 routes\[0\]\.policies\[0\]\.validate\.body\.file: is not what/,
      ),
    ]);
  });

  test('is refused where it is not there, or not data', async () => {
    expect((await check('body: { file: ./gone.json }')).lines[0]).toContain('cannot be read (ENOENT)');
    expect((await check('body: { file: ./bad.json }', { 'bad.json': '{' })).lines[0]).toMatch(
      /^bad\.json:1:2 .* is not valid JSON/,
    );
  });
});

describe('an OpenAPI document', () => {
  const one = 'openapi: { file: ./api.yaml, operation: one }';

  test.each([
    ['swagger: "2.0"', /^api\.yaml:1:\d+ .*Swagger 2\.0/],
    ['openapi: 4.0.0', /^api\.yaml:1:\d+ .*version of OpenAPI/],
    ['title: x', /is not an OpenAPI document/],
    [
      api('/a:\n  get: { operationId: two, responses: {} }'),
      /^sallyport\.yaml:\d+:\d+ .*operation: is not an operation of .* write one of two/,
    ],
    [
      api('/a:\n  get:\n    operationId: one\n    parameters: [{ $ref: "#/components/parameters/x" }]'),
      /^api\.yaml:7:\d+ .*is not there/,
    ],
    [
      api(
        '/a:\n  post:\n    operationId: one\n    requestBody:\n      content:\n        application/json:\n          schema: { $ref: "#/components/schemas/x" }',
      ),
      /^api\.yaml:10:\d+ .*is not there/,
    ],
    [
      api(
        '/a:\n  post:\n    operationId: one\n    requestBody:\n      content:\n        application/json:\n          schema: { $ref: "https://example.com/x.json" }',
      ),
      /^api\.yaml:10:\d+ .*nothing is fetched/,
    ],
    [
      api(
        '/a:\n  post:\n    operationId: one\n    requestBody:\n      content:\n        application/json:\n          schema: { $ref: "#/components/schemas/x" }',
        'components:\n  schemas:\n    x:\n      properties:\n        y: { pattern: "(a|a)*$" }',
      ),
      /^api\.yaml:15:\d+ .*could run for hours/,
    ],
  ])('%s is refused', async (text, problem) => {
    const { ok, lines } = await check(one, { 'api.yaml': text });
    expect(ok).toBe(false);
    expect(lines[0]).toMatch(problem);
  });

  test('has no parameters of the path that the route does not have', async () => {
    const text = api(
      '/a/{id}:\n  get:\n    operationId: one\n    parameters: [{ name: id, in: path, required: true, schema: {} }]',
    );
    const { lines } = await check(one, { 'api.yaml': text });
    expect(lines).toEqual([
      expect.stringMatching(
        /operation: has a parameter of the path that the route does not have — write it as :id/,
      ),
    ]);
  });

  test('may lie in several files, whose places are named', async () => {
    const files = {
      'api.yaml': api(
        '/a:\n  post:\n    operationId: one\n    requestBody: { $ref: "./parts.yaml#/bodies/one" }',
      ),
      'parts.yaml':
        'bodies:\n  one:\n    content:\n      application/json:\n        schema: { $ref: "schemas.json#/one" }\n',
      'schemas.json': '{\n  "one": { "type": "integr" }\n}',
    };
    expect((await check(one, files)).lines[0]).toMatch(/^schemas\.json:2:\d+ /);
    expect(await check(one, { ...files, 'schemas.json': '{ "one": { "type": "integer" } }' })).toEqual({
      ok: true,
      lines: [],
    });
  });

  test('a pattern that takes long is named', async () => {
    const { ok, lines } = await check('query: { properties: { q: { pattern: "[a-z]+$" } } }');
    expect([ok, lines[0]]).toEqual([true, expect.stringContaining('1024 characters')]);
  });
});

test('what changes in a file that is named is taken up', async () => {
  const schema = (type: string) => JSON.stringify({ properties: { id: { type } } });
  const it = await startValidating(
    { '/a': { body: { file: './order.json' } } },
    { files: { 'order.json': schema('integer') }, watch: true },
  );
  expect((await it.send('POST', '/a', '{"id":"x"}')).status).toBe(422);
  await writeFile(join(it.gateway.folder, 'order.json'), schema('string'));
  await until(() => it.gateway.log.lines().some(({ msg }) => msg === 'configuration reloaded'));
  expect((await it.send('POST', '/a', '{"id":"x"}')).status).toBe(200);
  await writeFile(join(it.gateway.folder, 'order.json'), '{ "type": 1 }');
  await until(() => it.gateway.log.lines().some(({ msg }) => String(msg).includes('was not reloaded')));
  expect((await it.send('POST', '/a', '{"id":"x"}')).status).toBe(200);
});
