import zlib from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { startValidating } from './echo.ts';

const document = {
  openapi: '3.1.0',
  info: {},
  paths: {
    '/orders': {
      get: {
        operationId: 'list',
        parameters: [{ name: 'say', in: 'query', schema: {} }],
        responses: {
          200: {
            headers: { 'X-Total': { required: true, schema: { type: 'integer' } } },
            content: {
              'application/json': {
                schema: {
                  type: 'object',
                  required: ['id'],
                  properties: { id: { type: 'integer' }, pin: { type: 'string', writeOnly: true } },
                },
              },
              'text/event-stream': {},
              'image/png': {},
            },
          },
          204: {},
          '4XX': { content: { 'application/problem+json': { schema: { required: ['title'] } } } },
        },
      },
    },
  },
};

interface Said {
  readonly status?: number;
  readonly type?: string;
  readonly body?: string;
  readonly total?: string;
  readonly gzip?: boolean;
}

let it: Awaited<ReturnType<typeof startValidating>>;
beforeAll(async () => {
  const of = (response: string, more: object = {}) => ({
    openapi: { file: 'api.json', operation: 'list' },
    response,
    ...more,
  });
  it = await startValidating(
    {
      '/enforce': of('enforce', { maxBody: '1KiB' }),
      '/observe': of('observe', { maxBody: '1KiB' }),
      '/off': of('off'),
    },
    {
      files: { 'api.json': JSON.stringify(document) },
      answer: (request, response) => {
        const said = JSON.parse(
          new URL(request.url ?? '', 'http://x').searchParams.get('say') ?? '{}',
        ) as Said;
        const {
          status = 200,
          type = 'application/json',
          body = '{"id":1}',
          total = '7',
          gzip = false,
        } = said;
        response.writeHead(status, {
          ...(type !== '' && { 'content-type': type }),
          'x-total': total,
          ...(gzip && { 'content-encoding': 'gzip' }),
        });
        response.end(status === 204 ? undefined : gzip ? zlib.gzipSync(body) : body);
      },
    },
  );
  return () => it.gateway.close().then(() => it.target.close());
});

const ask = (path: string, said: Said, method = 'GET') =>
  it.send(method, `${path}?say=${encodeURIComponent(JSON.stringify(said))}`);
const SECRET = 'hunter2';

const bad: Said[] = [
  { body: `{"id":"${SECRET}"}` },
  { body: `{"id":1,"pin":"${SECRET}"}` },
  { body: `${SECRET}` },
  { body: '{"id":1,"id":2}' },
  { body: '' },
  { total: 'x' },
  { type: 'text/html', body: SECRET },
  { type: '', body: '{"id":1}' },
  { status: 500, body: SECRET },
  { status: 404, body: '{}', type: 'application/problem+json' },
  { body: `{"id":1,"x":"${'x'.repeat(2000)}"}` },
  { body: `{"id":"${SECRET}"}`, gzip: true },
];
const good: Said[] = [
  {},
  { gzip: true },
  { body: '{ "id" : 12345678901234567890 }' },
  { status: 204 },
  { status: 404, body: '{"title":"x"}', type: 'application/problem+json' },
  { type: 'image/png', body: 'x'.repeat(3000) },
  { type: 'text/event-stream', body: 'data: x\n\n'.repeat(300) },
];

describe('responses that are enforced', () => {
  test.each(bad)('%j is answered 502, and nothing of it is sent', async (said) => {
    const { status, json, text, headers } = await ask('/enforce', said);
    expect([status, json.code]).toEqual([502, 'GW_RESPONSE_INVALID']);
    expect(text).not.toContain(SECRET);
    expect(headers.get('x-total')).toBeUndefined();
  });

  test.each(good)('%j passes as it came', async (said) => {
    const { status, body, headers } = await ask('/enforce', said);
    expect(status).toBe(said.status ?? 200);
    const due = said.status === 204 ? '' : (said.body ?? '{"id":1}');
    expect((said.gzip === true ? zlib.gunzipSync(body) : body).toString()).toBe(due);
    expect(headers.get('x-total')).toBe('7');
  });

  test('HEAD has no body to judge', async () => {
    expect((await ask('/enforce', {}, 'HEAD')).status).toBe(200);
  });

  test('requests are judged before', async () => {
    expect((await it.get('/enforce?x=1')).status).toBe(422);
  });
});

describe('responses that are observed', () => {
  const findings = () =>
    it.gateway.log.lines().filter(({ msg }) => msg === 'response is not as it is described');

  test('pass as they came, and what is wrong is logged without values', async () => {
    const before = findings().length;
    const { status, text } = await ask('/observe', { body: `{"id":"${SECRET}"}` });
    expect([status, text]).toEqual([200, `{"id":"${SECRET}"}`]);
    await until(() => findings().length > before);
    expect(findings().at(-1)).toMatchObject({
      route: 'r1',
      status: 200,
      fault: [{ pointer: '/id', keyword: 'type' }],
    });
    expect(JSON.stringify(findings())).not.toContain(SECRET);
  });

  test('a status that is not declared is logged', async () => {
    const before = findings().length;
    expect((await ask('/observe', { status: 500 })).status).toBe(500);
    await until(() => findings().length > before);
  });

  test('good ones, and those that are too large, are not', async () => {
    const before = findings().length;
    for (const said of [...good, bad.at(-2) as Said]) await ask('/observe', said);
    await ask('/observe', { body: '[]' });
    await until(() => findings().length > before);
    expect(findings()).toHaveLength(before + 1);
  });
});

test('nothing is judged where it is off', async () => {
  expect((await ask('/off', { status: 500, body: SECRET })).text).toBe(SECRET);
});
