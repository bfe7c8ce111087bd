import { beforeAll, describe, expect, test } from 'vitest';
import { startValidating } from './echo.ts';

const order = {
  type: 'object',
  required: ['id', 'item', 'secret'],
  properties: {
    id: { type: 'integer', readOnly: true },
    secret: { type: 'string', writeOnly: true },
    item: { $ref: '#/components/schemas/Item' },
    note: { type: 'string', nullable: true },
    parent: { allOf: [{ $ref: '#/components/schemas/Item' }], nullable: true },
    size: { enum: ['s', 'm'], type: 'string', nullable: true },
    price: { type: 'number', minimum: 0, exclusiveMinimum: true, maximum: 10, exclusiveMaximum: false },
    children: { type: 'array', items: { $ref: '#/components/schemas/Order' } },
  },
};
const paths = (body: object) => ({
  '/orders': {
    parameters: [{ name: 'dry', in: 'query', schema: { type: 'boolean' } }],
    post: {
      operationId: 'create',
      requestBody: {
        required: true,
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Order' } } },
      },
      responses: {},
    },
    get: { operationId: 'list', responses: {} },
  },
  '/any': { post: { operationId: 'any', requestBody: { content: body }, responses: {} } },
});
const components = {
  schemas: {
    Order: order,
    Item: { type: 'object', required: ['sku'], properties: { sku: { type: 'string', minLength: 1 } } },
  },
};
const fields = {
  type: 'object',
  required: ['name'],
  properties: {
    name: { type: 'string' },
    age: { type: 'integer' },
    tags: { type: 'array', items: { type: 'string' } },
    address: { type: 'object', properties: { zip: { type: 'integer' } } },
  },
};
const content = {
  'application/x-www-form-urlencoded': { schema: fields },
  'multipart/form-data': {
    schema: {
      ...fields,
      properties: { ...fields.properties, photo: { type: 'string', format: 'binary', maxLength: 8 } },
    },
    encoding: { photo: { contentType: 'image/png, image/gif' } },
  },
  'text/plain': { schema: { type: 'string', maxLength: 5 } },
  'text/*': { schema: { type: 'string', maxLength: 3 } },
  'application/vnd.v1+json': { schema: { type: 'integer' } },
  'application/json; version=2': { schema: { type: 'boolean' } },
  'image/png': {},
};

let it: Awaited<ReturnType<typeof startValidating>>;
beforeAll(async () => {
  const files = {
    'v30.json': JSON.stringify({ openapi: '3.0.3', info: {}, paths: paths(content), components }),
    'v31.json': JSON.stringify({
      openapi: '3.1.0',
      info: {},
      paths: paths({
        '*/*': {
          schema: { type: 'object', properties: { a: { type: ['integer', 'null'], exclusiveMinimum: 1 } } },
        },
      }),
      components: { schemas: { Order: true } },
    }),
  };
  const of = (file: string, operation: string, more: object = {}) => ({
    openapi: { file, operation },
    ...more,
  });
  it = await startValidating(
    {
      '/orders': of('v30.json', 'create'),
      '/strip': of('v30.json', 'create', { unknown: 'strip' }),
      '/list': of('v30.json', 'list'),
      '/any': of('v30.json', 'any'),
      '/any-strip': of('v30.json', 'any', { unknown: 'strip' }),
      '/any-refuse': of('v30.json', 'any', { unknown: 'refuse' }),
      '/star': of('v31.json', 'any'),
    },
    { files },
  );
  return () => it.gateway.close().then(() => it.target.close());
});

const good = { secret: 'x', item: { sku: 'a' } };

describe('schemas of OpenAPI 3.0', () => {
  test.each([
    [{}, 200],
    [{ id: 1 }, 422],
    [{ note: null }, 200],
    [{ parent: null }, 200],
    [{ parent: {} }, 422],
    [{ size: null }, 422],
    [{ size: 's' }, 200],
    [{ price: 0 }, 422],
    [{ price: 10 }, 200],
    [{ price: 11 }, 422],
    [{ secret: null }, 422],
    [{ item: { sku: '' } }, 422],
    [{ children: [good] }, 200],
    [{ children: [{ ...good, id: 1 }] }, 422],
  ])('%j is answered %i', async (more, status) => {
    expect((await it.send('POST', '/orders', JSON.stringify({ ...good, ...more }))).status).toBe(status);
  });

  test('what is read-only is taken out of a request where unknown members are', async () => {
    const { status, json } = await it.send(
      'POST',
      '/strip?dry=true&x=1',
      JSON.stringify({ id: 1, ...good, more: 1 }),
    );
    expect([status, json.body, json.url]).toEqual([200, JSON.stringify(good), '/strip?dry=true']);
  });

  test('parameters of the path item belong to each operation', async () => {
    expect((await it.get('/list?dry=true')).status).toBe(200);
    expect((await it.get('/list?dry=1')).status).toBe(422);
    expect((await it.get('/list?other=1')).status).toBe(422);
  });

  test('an operation without a body takes none', async () => {
    expect((await it.send('POST', '/list', '{}')).status).toBe(415);
    expect((await it.send('POST', '/list')).status).toBe(200);
  });
});

describe('media types', () => {
  const send = (type: string, body: string | Buffer, path = '/any') =>
    it.send('POST', path, body, { 'content-type': type });

  test.each([
    ['text/plain', '12345', 200],
    ['text/plain', '123456', 422],
    ['text/csv', '123', 200],
    ['text/csv', '1234', 422],
    ['application/vnd.v1+json', '1', 200],
    ['application/vnd.v1+json', 'true', 422],
    ['application/json; version=2', 'true', 200],
    ['application/json; version=2', '1', 422],
    ['application/json; version=3', 'true', 415],
    ['application/json', 'true', 415],
    ['image/png', '\x89PNG', 200],
    ['image/gif', 'GIF', 415],
    ['application/x-www-form-urlencoded', 'name=a&age=1&tags=x&tags=y', 200],
    ['application/x-www-form-urlencoded', 'name=a&age=x', 422],
    ['application/x-www-form-urlencoded', 'age=1', 422],
    ['application/x-www-form-urlencoded', 'name=a&name=b', 422],
    ['application/x-www-form-urlencoded', 'name=%zz', 400],
    ['application/x-www-form-urlencoded', 'name=a&address=%7B%22zip%22%3A1%7D', 200],
    ['application/x-www-form-urlencoded', 'name=a&address=%7B%22zip%22%3A%22x%22%7D', 422],
    ['application/x-www-form-urlencoded; charset=iso-8859-1', 'name=a', 415],
  ])('%s %s is answered %i', async (type, body, status) => {
    expect((await send(type, body)).status).toBe(status);
  });

  test('fields of a form that no schema names are taken out, or refused', async () => {
    const type = 'application/x-www-form-urlencoded';
    expect((await send(type, 'x=1&name=%41&y', '/any-strip')).json.body).toBe('name=%41');
    expect((await send(type, 'name=a&x=1', '/any-refuse')).errors?.[0]).toMatchObject({
      in: 'body',
      name: 'x',
    });
  });

  test('where any type is taken, the one that comes decides how it is read', async () => {
    expect((await send('application/json', '{"a":2}', '/star')).status).toBe(200);
    expect((await send('application/json', '{"a":1}', '/star')).status).toBe(422);
    expect((await send('application/x-www-form-urlencoded', 'a=2', '/star')).status).toBe(200);
    expect((await send('application/x-www-form-urlencoded', 'a=1', '/star')).status).toBe(422);
    expect((await send('text/plain', '{"a":2}', '/star')).status).toBe(422);
    expect((await send('application/octet-stream', '{"a":2}', '/star')).status).toBe(415);
  });
});

describe('multipart forms', () => {
  const part = (head: string, content: string) => `--b\r\n${head}\r\n\r\n${content}\r\n`;
  const field = (name: string, content: string, more = '') =>
    part(`Content-Disposition: form-data; name="${name}"${more}`, content);
  const send = (body: string, type = 'multipart/form-data; boundary=b', path = '/any') =>
    it.send('POST', path, Buffer.from(body, 'latin1'), { 'content-type': type });
  const photo = (content: string, type = 'image/png') =>
    part(`Content-Disposition: form-data; name="photo"; filename="a.png"\r\nContent-Type: ${type}`, content);

  test.each([
    [`${field('name', 'a')}--b--\r\n`, 200],
    [`${field('name', 'a')}--b--`, 200],
    [
      `${field('name', 'a')}${field('age', '1')}${field('tags', 'x')}${field('tags', 'y')}${photo('12345678')}--b--\r\n`,
      200,
    ],
    [`${field('name', '')}--b--\r\n`, 200],
    [`${field('age', '1')}--b--\r\n`, 422],
    [`${field('name', 'a')}${field('age', 'x')}--b--\r\n`, 422],
    [`${field('name', 'a')}${field('name', 'b')}--b--\r\n`, 422],
    [`${field('name', 'a')}${photo('123456789')}--b--\r\n`, 422],
    [`${field('name', 'a')}${photo('1', 'text/html')}--b--\r\n`, 422],
    [
      `${field('name', 'a')}${part('Content-Disposition: form-data; name="address"\r\nContent-Type: application/json', '{"zip":1}')}--b--`,
      200,
    ],
    [
      `${field('name', 'a')}${part('Content-Disposition: form-data; name="address"\r\nContent-Type: application/json', '{"zip":1,"zip":"x"}')}--b--`,
      422,
    ],
    // What readers take for different things.
    ['--b--\r\n', 422],
    [`before\r\n${field('name', 'a')}--b--\r\n`, 400],
    [`${field('name', 'a')}--b--\r\nbehind`, 400],
    [`${field('name', 'a')}--b--\r\n${field('name', 'b')}--b--\r\n`, 400],
    [field('name', 'a'), 400],
    [`${field('name', 'a')}${part('X-Other: 1', 'x')}--b--\r\n`, 400],
    [`${field('name', 'a')}${part('Content-Disposition: attachment; name="x"', 'x')}--b--\r\n`, 400],
    [`${field('name', 'a', '; name="b"')}--b--\r\n`, 400],
    [
      `${part('Content-Disposition: form-data; name="name"\r\nContent-Disposition: form-data; name="b"', 'a')}--b--\r\n`,
      400,
    ],
    [
      `${part('Content-Disposition: form-data; name="name"\r\nContent-Transfer-Encoding: base64', 'YQ==')}--b--\r\n`,
      400,
    ],
    [
      `${part('Content-Disposition: form-data; name="name"\r\nContent-Type: text/plain; charset=utf-16', 'a')}--b--\r\n`,
      400,
    ],
    [`${field('name', 'a').replaceAll('\r\n', '\n')}--b--`, 400],
    ['', 200],
  ])('%j is answered %i', async (body, status) => {
    expect((await send(body)).status).toBe(status);
  });

  test('boundaries are one, and named', async () => {
    const body = `${field('name', 'a')}--b--\r\n`;
    expect((await send(body, 'multipart/form-data')).status).toBe(400);
    expect((await send(body, 'multipart/form-data; boundary=x')).status).toBe(400);
    expect((await send(body, 'multipart/form-data; boundary=b; boundary=x')).status).toBe(415);
    expect((await send(body, 'multipart/mixed; boundary=b')).status).toBe(415);
  });

  test('what came is forwarded byte for byte', async () => {
    const body = `${field('name', 'caf\u00c3\u00a9')}${photo('\x00\xff\r\n--c')}--b--\r\n`;
    expect((await send(body)).json.body).toBe(body);
  });

  test('parts that no schema names are refused where they are to be', async () => {
    const body = `${field('name', 'a')}${field('x', '1')}--b--\r\n`;
    expect((await send(body)).status).toBe(200);
    expect((await send(body, undefined, '/any-refuse')).errors?.[0]).toMatchObject({
      pointer: '/x',
      keyword: 'unknown',
    });
    expect((await send(body, undefined, '/any-strip')).status).toBe(422);
  });
});
