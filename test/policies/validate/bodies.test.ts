import zlib from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { LOOPBACK } from '../../support/loopback.ts';
import { startValidating } from './echo.ts';

const order = {
  type: 'object',
  required: ['id'],
  properties: {
    id: { type: 'integer' },
    note: { type: 'string', maxLength: 5 },
    lines: { items: { $ref: '#/$defs/line' } },
  },
  $defs: { line: { properties: { sku: { type: 'string' }, count: { type: 'integer' } } } },
};

let it: Awaited<ReturnType<typeof startValidating>>;
beforeAll(async () => {
  it = await startValidating({
    '/orders': { body: order },
    '/strip': { body: order, unknown: 'strip' },
    '/refuse': { body: order, unknown: 'refuse' },
    '/coerce': { body: order, coerce: true },
    '/flat': { body: true, maxDepth: 2, maxBody: '100B' },
    '/observed': { policies: [{ validate: { body: order, unknown: 'strip', observe: true } }] },
    '/proto': { body: { properties: JSON.parse('{"__proto__":{"type":"integer"}}') } },
  });
  return () => it.gateway.close().then(() => it.target.close());
});

test('a body that fits is forwarded byte for byte', async () => {
  const body = '{ "id" : 12345678901234567890,\n "x": 1.0 }';
  const { status, json } = await it.send('POST', '/orders', body);
  expect([status, json.body]).toEqual([200, body]);
});

test('one that does not is answered 422 with all that is wrong, and no value of it', async () => {
  const { status, headers, json, errors, text } = await it.send(
    'POST',
    '/orders',
    '{"id":"hunter2","note":"hunter2","lines":[{"count":1.5}]}',
  );
  expect(status).toBe(422);
  expect(headers.get('content-type')).toBe('application/problem+json');
  expect(json.code).toBe('GW_VALIDATION_FAILED');
  expect(errors?.map((error) => [error.in, error.pointer, error.keyword])).toEqual([
    ['body', '/id', 'type'],
    ['body', '/note', 'maxLength'],
    ['body', '/lines/0/count', 'type'],
  ]);
  expect(text).not.toContain('hunter2');
});

test('errors are as many as a client can use', async () => {
  const lines = Array.from({ length: 500 }, () => ({ count: 'x' }));
  const { errors } = await it.send('POST', '/orders', JSON.stringify({ id: 1, lines }));
  expect(errors).toHaveLength(20);
});

test('a body is due where a method has one', async () => {
  expect((await it.send('POST', '/orders')).errors).toEqual([
    { in: 'body', pointer: '', keyword: 'required', message: 'is missing' },
  ]);
  expect((await it.get('/orders')).status).toBe(200);
  expect((await it.send('GET', '/orders', '{}')).status).toBe(422);
});

describe('bodies that readers could take for different things', () => {
  test.each([
    ['{"id":1,"id":2}', 'duplicate-key'],
    ['{"id":1,"__proto__":{}}', 'prototype-key'],
    ['{"id":1,"constructor":{"prototype":{}}}', 'prototype-key'],
    [`{"id":1,"x":${'['.repeat(40)}${']'.repeat(40)}}`, 'depth'],
    ['{"id":1', 'syntax'],
    ['\ufeff{"id":1}', 'syntax'],
    ['{"id":1e999}', 'number'],
  ])('%s', async (body) => {
    const { status, json } = await it.send('POST', '/orders', body);
    expect([status, json.code]).toEqual([400, 'GW_BODY_UNREADABLE']);
  });

  test('a name like that of a prototype passes where the schema names it', async () => {
    expect((await it.send('POST', '/proto', '{"__proto__":1}')).status).toBe(200);
    expect((await it.send('POST', '/proto', '{"__proto__":"x"}')).status).toBe(422);
    expect((await it.send('POST', '/proto', '{}')).status).toBe(200);
  });

  test('depth and size have their limits', async () => {
    expect((await it.send('POST', '/flat', '[[1]]')).status).toBe(200);
    expect((await it.send('POST', '/flat', '[[[1]]]')).status).toBe(400);
    expect((await it.send('POST', '/flat', `"${'x'.repeat(100)}"`)).status).toBe(413);
  });
});

describe('content types', () => {
  test.each([
    ['application/json', 200],
    ['Application/JSON; charset=utf-8', 200],
    ['application/json;charset="UTF-8"', 200],
    ['application/vnd.acme.order+json', 200],
    ['text/plain', 415],
    ['application/x-www-form-urlencoded', 415],
    ['application/json; charset=utf-16', 415],
    ['application/json; charset=utf-8; charset=utf-7', 415],
    ['application/json; profile=x', 415],
    ['application/json, text/plain', 415],
    ['application/json;', 415],
    ['application/json; x', 415],
    ['application/ json', 415],
    ['json', 415],
    ['', 415],
    ['application/jsonx', 415],
    ['application/xml+json+xml', 415],
  ])('%s is answered %i', async (type, status) => {
    expect((await it.send('POST', '/orders', '{"id":1}', { 'content-type': type })).status).toBe(status);
  });

  test('two fields are refused, and so is none', async () => {
    const two = [
      ['content-type', 'application/json'],
      ['content-type', 'text/plain'],
    ] as const;
    expect((await it.send('POST', '/orders', '{"id":1}', two)).status).toBe(415);
    const none = await it.gateway.gateway.inject({ method: 'POST', url: '/orders', body: '{"id":1}' });
    expect([none.status, none.headers.get('accept')]).toEqual([415, 'application/json, application/*+json']);
  });
});

describe('content codings', () => {
  const good = Buffer.from('{"id":1}');
  const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]);
  const encode: Record<string, (bytes: Buffer) => Buffer> = {
    gzip: zlib.gzipSync,
    deflate: zlib.deflateSync,
    br: zlib.brotliCompressSync,
    zstd: (zlib as unknown as { zstdCompressSync(bytes: Buffer): Buffer }).zstdCompressSync,
  };

  test.each(Object.keys(encode))('%s is undone to be judged, and forwarded as it came', async (coding) => {
    const encoded = (encode[coding] as (bytes: Buffer) => Buffer)(good);
    const { status, json } = await it.send('POST', '/orders', encoded, {
      'content-type': 'application/json',
      'content-encoding': coding,
    });
    expect([status, json.body]).toEqual([200, encoded.toString('latin1')]);
    const bad = (encode[coding] as (bytes: Buffer) => Buffer)(Buffer.from('{"id":"x"}'));
    expect(
      (
        await it.send('POST', '/orders', bad, {
          'content-type': 'application/json',
          'content-encoding': coding,
        })
      ).status,
    ).toBe(422);
  });

  test.each(Object.keys(encode))('%s with more behind its end, or cut, is refused', async (coding) => {
    const one = (encode[coding] as (bytes: Buffer) => Buffer)(good);
    const headers = { 'content-type': 'application/json', 'content-encoding': coding };
    for (const bytes of [
      Buffer.concat([one, Buffer.from('{"id":"x"}')]),
      one.subarray(0, -2),
      Buffer.concat([skipped, one]),
    ])
      expect((await it.send('POST', '/orders', bytes, headers)).status).toBe(415);
    if (coding === 'gzip') return;
    expect((await it.send('POST', '/orders', Buffer.concat([one, one]), headers)).status).toBe(415);
  });

  test('members of gzip are read as the one body that they are', async () => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const bytes = Buffer.concat([zlib.gzipSync(good), zlib.gzipSync(' ')]);
    expect((await it.send('POST', '/orders', bytes, headers)).status).toBe(200);
    const evil = Buffer.concat([zlib.gzipSync(good), zlib.gzipSync('{"id":2}')]);
    expect((await it.send('POST', '/orders', evil, headers)).status).toBe(400);
  });

  test.each(['compress', 'gzip, br', 'identity, gzip', 'gzip;q=1', ''])('%s is not read', async (coding) => {
    const { status, headers } = await it.send('POST', '/orders', good, {
      'content-type': 'application/json',
      'content-encoding': coding,
    });
    expect([status, headers.get('accept-encoding')]).toEqual([415, 'gzip, deflate, br, zstd, identity']);
  });

  test('a small body that is large when it is undone is answered 413', async () => {
    const bomb = zlib.gzipSync(Buffer.alloc(10_000_000, ' '));
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    expect((await it.send('POST', '/orders', bomb, headers)).status).toBe(413);
  });
});

describe('members that no schema names', () => {
  test('pass where nothing is said', async () => {
    expect((await it.send('POST', '/orders', '{"id":1,"more":1}')).status).toBe(200);
  });

  test('are taken out, all else as it was written', async () => {
    const body =
      '{ "admin":true, "id" : 12345678901234567890, "lines":[ {"sku":"a", "price": 1}, {} ], "note":"\\u0041" }';
    const { status, json } = await it.send('POST', '/strip', body, {
      'content-type': 'application/json',
      'content-digest': 'sha-256=:x:',
    });
    expect(status).toBe(200);
    expect(json.body).toBe('{"id" : 12345678901234567890,"lines":[{"sku":"a"},{}],"note":"\\u0041"}');
    expect((json.headers as Record<string, string>)['content-digest']).toBeUndefined();
    expect((json.headers as Record<string, string>)['content-length']).toBe(String(String(json.body).length));
  });

  test('are taken out of a coded body, which is then forwarded plain', async () => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    const { json } = await it.send('POST', '/strip', zlib.gzipSync('{"id":1,"x":2}'), headers);
    expect(json.body).toBe('{"id":1}');
    expect((json.headers as Record<string, string>)['content-encoding']).toBeUndefined();
  });

  test('are refused by their place', async () => {
    const { status, errors } = await it.send(
      'POST',
      '/refuse',
      '{"id":1,"admin":true,"lines":[{"price":1}]}',
    );
    expect(status).toBe(422);
    expect(errors?.map(({ pointer, keyword }) => [pointer, keyword])).toEqual([
      ['/admin', 'unknown'],
      ['/lines/0/price', 'unknown'],
    ]);
  });

  test('stay where the policy only observes, which is logged', async () => {
    expect((await it.send('POST', '/observed', '{"id":1,"admin":true}')).json.body).toBe(
      '{"id":1,"admin":true}',
    );
    expect((await it.send('POST', '/observed', '{"id":"x"}')).status).toBe(200);
  });
});

describe('coercion', () => {
  test('is off unless it is asked for', async () => {
    expect((await it.send('POST', '/orders', '{"id":"1"}')).status).toBe(422);
    expect((await it.send('POST', '/orders', '{"id":null}')).status).toBe(422);
  });

  test('puts numbers in the place of texts, and leaves null, empty texts and words', async () => {
    const { json } = await it.send(
      'POST',
      '/coerce',
      '{"id":"12345678901234567890","note":"1","lines":[{"count":"2"}]}',
    );
    expect(json.body).toBe('{"id":12345678901234567890,"note":"1","lines":[{"count":2}]}');
    for (const id of ['""', 'null', '"x"', '"0x1"', '" 1"', 'true', '[]'])
      expect((await it.send('POST', '/coerce', `{"id":${id}}`)).status).toBe(422);
  });
});

test('what is refused is counted by place', async () => {
  await it.send('POST', '/orders', '{}');
  const response = await fetch(`http://${LOOPBACK}:${it.gateway.adminPort}/metrics`);
  expect(await response.text()).toMatch(/gateway_validation_failures_total\{route="r0",where="body"\} [1-9]/);
});
