import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { startValidating } from './echo.ts';

const document = (maximum: number) => ({
  openapi: '3.1.0',
  info: {},
  paths: {
    '/orders/{id}': {
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer', maximum } }],
      get: { operationId: 'get', responses: { 200: { content: { 'application/json': {} } } } },
    },
    '/orders/mine': { get: { operationId: 'mine', responses: { 200: {} } } },
    '/files/{name}.{ext}': {
      get: {
        parameters: [
          { name: 'name', in: 'path', required: true, schema: { pattern: '^[a-z]+$' } },
          { name: 'ext', in: 'path', required: true, schema: { enum: ['txt'] } },
        ],
        responses: {},
      },
    },
  },
});

test('requests go to the operation that is meant, are judged by it, and reach the service under its own path', async () => {
  const it = await startValidating(
    {},
    {
      files: { 'api.json': JSON.stringify(document(9)) },
      config: {
        routesFrom: [{ openapi: './api.json', upstream: 'service', prefix: '/v1', policies: ['request-id'] }],
      },
      watch: true,
    },
  );
  expect((await it.get('/v1/orders/7')).json.url).toBe('/orders/7');
  expect((await it.get('/v1/orders/10')).status).toBe(422);
  // What is written out goes before what is a parameter.
  expect((await it.get('/v1/orders/mine')).json.url).toBe('/orders/mine');
  expect((await it.get('/v1/files/a.txt')).json.url).toBe('/files/a.txt');
  expect((await it.get('/v1/files/A.txt')).status).toBe(422);
  expect((await it.send('HEAD', '/v1/orders/7')).status).toBe(200);
  expect((await it.send('POST', '/v1/orders/7', '{}')).status).toBe(405);
  expect((await it.get('/orders/7')).status).toBe(404);

  await writeFile(join(it.gateway.folder, 'api.json'), JSON.stringify(document(99)));
  await until(() => it.gateway.log.lines().some(({ msg }) => msg === 'configuration reloaded'));
  expect((await it.get('/v1/orders/10')).status).toBe(200);
});
