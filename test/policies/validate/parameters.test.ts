import { beforeAll, describe, expect, test } from 'vitest';
import { startValidating } from './echo.ts';

const schema = (type: string, more: object = {}) => ({ type, ...more });
const list = schema('array', { items: schema('integer') });
const object = schema('object', {
  properties: { r: schema('integer'), g: schema('integer') },
  additionalProperties: false,
});
const parameter = (place: string, name: string, own: object, more: object = {}) => ({
  name,
  in: place,
  required: true,
  schema: own,
  ...more,
});

/** One path for each way to write a parameter. */
const operations: Record<string, object[]> = {
  '/simple/{v}': [parameter('path', 'v', list)],
  '/simple-object/{v}': [parameter('path', 'v', object)],
  '/simple-exploded/{v}': [parameter('path', 'v', object, { explode: true })],
  '/label/{v}': [parameter('path', 'v', list, { style: 'label' })],
  '/label-exploded/{v}': [parameter('path', 'v', list, { style: 'label', explode: true })],
  '/matrix/{v}': [parameter('path', 'v', list, { style: 'matrix' })],
  '/matrix-exploded/{v}': [parameter('path', 'v', list, { style: 'matrix', explode: true })],
  '/matrix-object/{v}': [parameter('path', 'v', object, { style: 'matrix', explode: true })],
  '/files/{name}.{ext}': [
    parameter('path', 'name', schema('string')),
    parameter('path', 'ext', { enum: ['txt', 'md'] }),
  ],
  '/form': [parameter('query', 'v', list)],
  '/form-joined': [parameter('query', 'v', list, { explode: false })],
  '/form-object': [parameter('query', 'v', object)],
  '/form-object-joined': [parameter('query', 'v', object, { explode: false })],
  '/spaces': [parameter('query', 'v', list, { style: 'spaceDelimited', explode: false })],
  '/pipes': [parameter('query', 'v', list, { style: 'pipeDelimited', explode: false })],
  '/deep': [parameter('query', 'v', object, { style: 'deepObject', explode: true })],
  '/content': [
    { name: 'v', in: 'query', required: true, content: { 'application/json': { schema: object } } },
  ],
  '/header': [parameter('header', 'X-Ids', list), parameter('header', 'Authorization', schema('integer'))],
  '/header-object': [parameter('header', 'X-Color', object, { explode: true })],
  '/cookie': [parameter('cookie', 'v', schema('integer'))],
  '/scalars': [
    parameter('query', 'i', schema('integer', { maximum: 9 }), { required: false }),
    parameter('query', 'n', schema('number'), { required: false }),
    parameter('query', 'b', schema('boolean'), { required: false }),
    parameter('query', 's', schema('string', { minLength: 1 }), { required: false }),
    parameter('query', 'any', { anyOf: [{ type: 'integer' }, { enum: ['all'] }] }, { required: false }),
  ],
};

const document = {
  openapi: '3.1.0',
  info: { title: 'styles', version: '1' },
  paths: Object.fromEntries(
    Object.entries(operations).map(([path, parameters]) => [path, { get: { parameters, responses: {} } }]),
  ),
  components: { securitySchemes: { key: { type: 'apiKey', in: 'query', name: 'api_key' } } },
};

const routePath = (path: string) => path.replace('{name}.{ext}', ':name_ext').replace(/\{(\w+)\}/g, ':$1');

let it: Awaited<ReturnType<typeof startValidating>>;
beforeAll(async () => {
  const routes = Object.fromEntries(
    Object.keys(operations).map((path) => [
      routePath(path),
      { openapi: { file: 'api.json', operation: `GET ${path}` } },
    ]),
  );
  it = await startValidating(
    {
      ...routes,
      '/strip': { query: schema('object', { properties: { page: schema('integer') } }), unknown: 'strip' },
      '/closed': { query: schema('object', { properties: { tags: list }, additionalProperties: false }) },
      '/open': { query: schema('object', { additionalProperties: schema('integer') }) },
      '/own/:id': {
        params: { properties: { id: schema('integer', { minimum: 1 }) } },
        headers: {
          properties: { 'X-Tenant': { pattern: '^[a-z]+$' } },
          required: ['X-Tenant'],
          additionalProperties: false,
        },
        cookies: { properties: { theme: { enum: ['dark'] } } },
      },
    },
    {
      files: { 'api.json': JSON.stringify(document) },
      config: { listeners: [{ port: 0, allowEncoded: { semicolon: true } }] },
    },
  );
  return () => it.gateway.close().then(() => it.target.close());
});

describe('the styles of OpenAPI', () => {
  test.each([
    ['/simple/1,2,3', 200],
    ['/simple/1,x', 422],
    ['/simple-object/r,1,g,2', 200],
    ['/simple-object/r,1,g', 422],
    ['/simple-object/r,1,r,2', 422],
    ['/simple-object/r,1,x,2', 422],
    ['/simple-exploded/r=1,g=2', 200],
    ['/simple-exploded/r,1', 422],
    ['/label/.1,2', 200],
    ['/label/1,2', 422],
    ['/label-exploded/.1.2', 200],
    ['/matrix/;v=1,2', 200],
    ['/matrix/;w=1,2', 422],
    ['/matrix-exploded/;v=1;v=2', 200],
    ['/matrix-object/;r=1;g=2', 200],
    ['/files/a.b.txt', 200],
    ['/files/a.txt', 200],
    ['/files/a.exe', 422],
    ['/files/a', 422],
    ['/form?v=1&v=2', 200],
    ['/form?v=1', 200],
    ['/form?v=1,2', 422],
    ['/form', 422],
    ['/form-joined?v=1,2', 200],
    ['/form-joined?v=1%2C2', 422],
    ['/form-joined?v=1&v=2', 422],
    ['/form-object?r=1&g=2', 200],
    ['/form-object?r=1&r=2', 422],
    ['/form-object?r=1&x=2', 422],
    ['/form-object-joined?v=r,1,g,2', 200],
    ['/spaces?v=1%202', 200],
    ['/spaces?v=1+2', 200],
    ['/pipes?v=1|2', 200],
    ['/pipes?v=1%7C2', 200],
    ['/deep?v[r]=1&v[g]=2', 200],
    ['/deep?v%5Br%5D=1', 200],
    ['/deep?v[r]=1&v[r]=2', 422],
    ['/deep?v[x]=1', 422],
    ['/deep?v[r][s]=1', 422],
    ['/deep?v[]=1', 422],
    ['/deep?v[__proto__]=1', 422],
    ['/content?v=%7B%22r%22%3A1%7D', 200],
    ['/content?v=%7B%22r%22%3A1,%22r%22%3A2%7D', 422],
    ['/content?v=%7B', 422],
  ])('%s is answered %i', async (url, status) => {
    expect((await it.get(url)).status).toBe(status);
  });

  test.each([
    ['/header', { 'x-ids': '1, 2' }, 200],
    ['/header', { 'x-ids': '1, x' }, 422],
    ['/header', {}, 422],
    ['/header-object', { 'x-color': 'r=1,g=2' }, 200],
    ['/header-object', { 'x-color': 'r,1' }, 422],
    ['/cookie', { cookie: 'a=b; v=3' }, 200],
    ['/cookie', { cookie: 'v=x' }, 422],
    ['/cookie', { cookie: 'v=1; v=2' }, 422],
    ['/cookie', {}, 422],
  ])('%s with %j is answered %i', async (url, headers, status) => {
    expect((await it.get(url, headers)).status).toBe(status);
  });

  test('lists of a header may stand in several fields', async () => {
    const two = [
      ['x-ids', '1'],
      ['x-ids', '2'],
    ] as const;
    expect((await it.get('/header', two)).status).toBe(200);
  });
});

describe('what comes as text', () => {
  test.each([
    ['i=5', 200],
    ['i=10', 422],
    ['i=5.5', 422],
    ['i=1e1', 422],
    ['i=0x5', 422],
    ['i=+5', 422],
    ['i=05', 422],
    ['i=', 422],
    ['i=null', 422],
    ['n=1e3', 200],
    ['n=.5', 422],
    ['n=Infinity', 422],
    ['b=true', 200],
    ['b=1', 422],
    ['b=TRUE', 422],
    ['s=5', 200],
    ['s=true', 200],
    ['s=', 422],
    ['any=all', 200],
    ['any=7', 200],
    ['any=none', 422],
    ['i=1&i=2', 422],
    ['s=%zz', 422],
    ['s=%ff', 422],
    ['unknown=1', 422],
    ['api_key=x', 200],
    ['', 200],
    ['&&', 200],
  ])('?%s is answered %i', async (query, status) => {
    expect((await it.get(`/scalars?${query}`)).status).toBe(status);
  });

  test('errors name the parameter, and never its value', async () => {
    const { errors, text } = await it.get('/scalars?i=hunter2&more=hunter2');
    expect(errors).toEqual([
      { in: 'query', name: 'more', keyword: 'unknown', message: 'is not known here' },
      { in: 'query', name: 'i', keyword: 'type', message: 'is not an integer' },
    ]);
    expect(text).not.toContain('hunter2');
  });
});

describe("schemas of one's own", () => {
  test('parameters that are not named are taken out of the query, the others left as they are written', async () => {
    const { json } = await it.get('/strip?a=1&page=%31&b=2&__proto__=x');
    expect(json.url).toBe('/strip?page=%31');
    expect((await it.get('/strip?page=x&a=1')).status).toBe(422);
    expect((await it.get('/strip?page=1')).json.url).toBe('/strip?page=1');
  });

  test('a schema says itself what else there may be', async () => {
    expect((await it.get('/closed?tags=1&tags=2')).status).toBe(200);
    expect((await it.get('/closed?tags=1&x=2')).status).toBe(422);
    expect((await it.get('/open?x=2')).status).toBe(200);
    expect((await it.get('/open?x=y')).status).toBe(422);
    expect((await it.get('/open?x=1&x=2')).status).toBe(422);
  });

  test('judge path, headers and cookies; other headers and cookies are left alone', async () => {
    const headers = { 'x-tenant': 'acme', cookie: 'theme=dark; other=1', 'x-other': '1' };
    expect((await it.get('/own/1', headers)).status).toBe(200);
    const { errors } = await it.get('/own/0', { 'x-tenant': 'ACME', cookie: 'theme=light' });
    expect(errors?.map((error) => [error.in, error.name])).toEqual([
      ['path', 'id'],
      ['header', 'X-Tenant'],
      ['cookie', 'theme'],
    ]);
    expect((await it.get('/own/1')).errors?.[0]).toMatchObject({ name: 'X-Tenant', message: 'is missing' });
  });
});
