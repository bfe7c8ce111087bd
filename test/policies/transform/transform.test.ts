import { request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  readAll,
  startGateway,
  startTarget,
  type TestConfig,
  type TestGateway,
  type TestTarget,
} from '../../support/harness.ts';
import { LOOPBACK } from '../../support/loopback.ts';

type Entry = NonNullable<TestConfig['policies']>[number];

/** What each route does, by the first segment of its path. */
const TRANSFORMS: Readonly<Record<string, object>> = {
  request: {
    request: {
      when: "query.skip != '1'",
      headers: { 'x-user': '{body.user.id}', 'x-old': null, 'x-new': '{headers.x-old}' },
      body: {
        '...': '{body}',
        '...without': ['secret', 'user'],
        customer: '{body.user}',
        route: '{params.id}',
        kind: 'fixed',
      },
    },
  },
  'request-pass': { request: { body: { data: '{body}' } }, unsupported: 'pass', maxBody: '1KiB' },
  'request-when': { request: { when: "body.kind == 'a'", body: { wrapped: '{body}' } } },
  wrap: {
    response: {
      when: 'response.status < 500',
      status: 203,
      headers: { 'x-sum': '{response.body.total}', 'x-upstream': '{response.status}', 'x-gone': null },
      body: { data: '{response.body}', etag: '{response.headers.etag}' },
    },
    maxBody: '1KiB',
    maxDepth: 4,
  },
  'wrap-pass': { response: { body: { data: '{response.body}' } }, unsupported: 'pass' },
  list: {
    response: {
      body: {
        '...': '{response.body}',
        items: {
          '...each': '{response.body.items}',
          as: 'item',
          give: { '...': '{item}', '...without': ['password'], of: '{params.id}' },
        },
      },
    },
  },
  when: { response: { when: 'response.body.kind == "a"', body: { wrapped: '{response.body}' } } },
  head: {
    response: {
      when: 'response.status == 200',
      status: 299,
      headers: { 'x-type': '{response.headers.content-type}', server: null, 'x-lang': '{headers.x-lang}' },
    },
  },
  both: {
    request: { body: { query: '{body.q}' } },
    response: { body: { asked: '{body.q}', answered: '{response.body}' } },
  },
  empty: { response: { status: 200, body: { ok: true, body: '{response.body}' } } },
  drop: { response: { status: 204, headers: { 'x-id': '{response.body.id}' } } },
  personal: { response: { body: { for: '{headers.x-lang}', who: '{requestId}' } } },
};

let answer: RequestListener;
let target: TestTarget;
let gateway: TestGateway;

beforeAll(async () => {
  target = await startTarget((request, response) => answer(request, response));
  gateway = await startGateway({
    upstreams: { service: { targets: [target.url], retries: { max: 0 } } },
    routes: [
      ...Object.entries(TRANSFORMS).map(([id, options]) => ({
        id,
        path: `/${id}/:id`,
        upstream: 'service',
        policies: [{ transform: options } as Entry],
      })),
      {
        id: 'refused',
        path: '/refused/:id',
        upstream: 'service',
        policies: [{ transform: { response: { body: { data: '{response.body}' } } } }, { 'api-key': {} }],
      },
    ],
  });
  return async () => {
    await gateway.close();
    await target.close();
  };
});

let received: { headers: IncomingMessage['headers']; body: string } | undefined;

beforeEach(() => {
  received = undefined;
  answering('{}');
});

/** Has the service answer with this, once it has read the request. */
function answering(
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): void {
  answer = async (request, response) => {
    received = { headers: request.headers, body: (await readAll(request)).toString() };
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body);
  };
}

interface Asked {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

/** Asks as plainly as can be: no field but those that are written. */
function ask(
  path: string,
  { method = 'GET', headers = {}, body }: { method?: string; headers?: object; body?: string | Buffer } = {},
): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`${gateway.url}${path}`, { method, headers: { ...headers } }, (response) => {
      readAll(response).then(
        (read) =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text: read.toString() }),
        reject,
      );
    });
    sent.once('error', reject).end(body);
  });
}

const JSON_TYPE = { 'content-type': 'application/json' };
const post = (path: string, body: string | Buffer, headers: object = JSON_TYPE) =>
  ask(path, { method: 'POST', headers, body });
const codeOf = ({ status, text }: Asked) => [status, JSON.parse(text).code];

describe('the body of a request', () => {
  it('is renamed in, taken out of, added to and passed on as it was written', async () => {
    await post(
      '/request/7',
      '{"user":{"id":12345678901234567890},"secret":1,"price":1.0, "list":[1e2,  2.50]}',
      { ...JSON_TYPE, 'x-old': 'v', 'content-digest': 'sha-256=:AAAA:', 'content-md5': 'x' },
    );
    expect(received?.body).toBe(
      '{"price":1.0,"list":[1e2,  2.50],"customer":{"id":12345678901234567890},"route":"7","kind":"fixed"}',
    );
    expect(received?.headers).toMatchObject({
      'x-user': '12345678901234567890',
      'x-new': 'v',
      'content-type': 'application/json',
      'content-length': String(received?.body.length),
    });
    for (const name of ['x-old', 'content-digest', 'content-md5'])
      expect(received?.headers).not.toHaveProperty(name);
  });

  it('keeps the type that it had, and is read with each that is JSON', async () => {
    for (const type of ['application/merge-patch+json', 'Application/JSON;charset="UTF-8"']) {
      await post('/request/7', '{"a":1}', { 'content-type': type });
      expect(received?.headers['content-type']).toBe(type);
      expect(JSON.parse(received?.body ?? '')).toEqual({ a: 1, route: '7', kind: 'fixed' });
    }
  });

  it('stays away where there is none', async () => {
    await ask('/request/7');
    expect([received?.body, received?.headers['content-length']]).toEqual(['', undefined]);
  });

  it('is not looked at where the condition does not hold', async () => {
    await post('/request/7?skip=1', 'text', { 'content-type': 'text/plain' });
    expect(received?.body).toBe('text');
    await post('/request-when/7', '{"kind":"b"}');
    expect(received?.body).toBe('{"kind":"b"}');
    await post('/request-when/7', '{"kind":"a"}');
    expect(received?.body).toBe('{"wrapped":{"kind":"a"}}');
  });

  it.each<[string, object, string | Buffer]>([
    ['text', { 'content-type': 'text/plain' }, '{}'],
    ['without a type', {}, '{}'],
    ['JSON in another charset', { 'content-type': 'application/json; charset=utf-16' }, '{}'],
    ['of two types', { 'content-type': 'application/json, text/plain' }, '{}'],
    ['a list of lines', { 'content-type': 'application/jsonlines' }, '{}'],
    ['gRPC', { 'content-type': 'application/grpc+json' }, '{}'],
    ['encoded', { ...JSON_TYPE, 'content-encoding': 'gzip' }, Buffer.from([31, 139, 8])],
    ['not to be transformed', { ...JSON_TYPE, 'cache-control': 'max-age=1, No-Transform' }, '{}'],
  ])(
    'that is %s is rejected with 415, or passed on untouched where that is told',
    async (_, headers, body) => {
      const { status, text, headers: got } = await post('/request/7', body, headers);
      expect([status, JSON.parse(text).code, got.accept]).toEqual([
        415,
        'GW_MEDIA_TYPE_UNSUPPORTED',
        'application/json',
      ]);
      expect(received).toBeUndefined();
      await post('/request-when/7', body, headers).then((asked) => expect(asked.status).toBe(415));
      await post('/request-pass/7', body, headers);
      expect(received?.body).toBe(body.toString());
    },
  );

  it.each([
    ['no JSON', '{"a":'],
    ['two values', '{} {}'],
    ['no UTF-8', Buffer.from([34, 0xff, 34])],
    ['too deep', '['.repeat(65) + ']'.repeat(65)],
    ['deep beyond any stack', '['.repeat(500) + ']'.repeat(500)],
  ])('that is %s is answered 400, whatever is told of other types', async (_, body) => {
    for (const path of ['/request/7', '/request-pass/7'])
      expect(codeOf(await post(path, body))).toEqual([400, 'GW_BODY_NOT_JSON']);
    expect(received).toBeUndefined();
  });

  it('that is too large is answered 413, with a length and without', async () => {
    const body = `"${'x'.repeat(2000)}"`;
    for (const more of [{}, { 'transfer-encoding': 'chunked' }])
      expect(codeOf(await post('/request-pass/7', body, { ...JSON_TYPE, ...more }))).toEqual([
        413,
        'GW_BODY_TOO_LARGE',
      ]);
    expect(received).toBeUndefined();
  });

  it('may name members like those of prototypes, and one name twice', async () => {
    await post('/request-pass/7', '{"__proto__":{"admin":true},"a":1,"a":2}');
    expect(received?.body).toBe('{"data":{"__proto__":{"admin":true},"a":1,"a":2}}');
    await post('/request/7', '{"__proto__":{"route":"9"},"constructor":1,"a":1,"a":2}');
    expect(received?.body).toBe(
      '{"__proto__":{"route":"9"},"constructor":1,"a":2,"route":"7","kind":"fixed"}',
    );
  });

  it('is read past a byte order mark (RFC 8259 §8.1)', async () => {
    await post('/request-pass/7', '\ufeff{"a":1.0}');
    expect(received?.body).toBe('{"data":{"a":1.0}}');
  });

  it('that does not fit a header is answered 400, and ends no line', async () => {
    for (const id of ['"a\\r\\nx-admin: 1"', '{"a":1}', '"\\u0000"'])
      expect(codeOf(await post('/request/7', `{"user":{"id":${id}}}`))).toEqual([400, 'GW_INPUT_MISSING']);
    expect(received).toBeUndefined();
  });

  it('that is no map where one is due is answered 400', async () => {
    expect(codeOf(await post('/request/7', '7'))).toEqual([400, 'GW_INPUT_MISSING']);
  });

  it('takes a header of the client away where its reference is missing', async () => {
    await post('/request/7', '{"a":1}', { ...JSON_TYPE, 'x-user': 'admin' });
    expect(received?.headers).not.toHaveProperty('x-user');
  });
});

describe('the body of a response', () => {
  it('is wrapped with status and headers, and what named the former one is gone', async () => {
    answering('{"total":12345678901234567890, "price":1.0}', {
      etag: '"v1"',
      'last-modified': 'Tue, 01 Dec 2026 00:00:00 GMT',
      'repr-digest': 'sha-256=:AAAA:',
      'accept-ranges': 'bytes',
      'x-gone': '1',
    });
    const { status, headers, text } = await ask('/wrap/7');
    expect(text).toBe('{"data":{"total":12345678901234567890, "price":1.0},"etag":"\\"v1\\""}');
    expect(status).toBe(203);
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'content-length': String(text.length),
      'x-sum': '12345678901234567890',
      'x-upstream': '200',
    });
    for (const name of ['etag', 'last-modified', 'repr-digest', 'accept-ranges', 'x-gone'])
      expect(headers).not.toHaveProperty(name);
  });

  it('is asked for whole, without conditions and plain, and those of writes stay', async () => {
    const conditions = {
      range: 'bytes=0-1',
      'if-none-match': '"v1"',
      'if-modified-since': 'Tue, 01 Dec 2026 00:00:00 GMT',
      'accept-encoding': 'gzip',
      'if-match': '"v1"',
    };
    expect((await ask('/wrap/7', { headers: conditions })).status).toBe(203);
    for (const name of Object.keys(conditions))
      expect([name, name in (received?.headers ?? {})]).toEqual([name, name === 'if-match']);
  });

  it('is changed element by element', async () => {
    answering('{"page":1.0,"items":[{"id":1,"password":"x"},{"password":"y"},{"id":3}]}');
    expect((await ask('/list/7')).text).toBe(
      '{"page":1.0,"items":[{"id":1,"of":"7"},{"of":"7"},{"id":3,"of":"7"}]}',
    );
    answering('{"page":1}');
    expect((await ask('/list/7')).text).toBe('{"page":1}');
    answering('{"items":{}}');
    expect(codeOf(await ask('/list/7'))).toEqual([502, 'GW_TRANSFORM_FAILED']);
  });

  it('is passed on byte for byte where a condition on it does not hold', async () => {
    answering('{"kind":"b",  "n":1.0}', { etag: '"v"' });
    const { text, headers } = await ask('/when/7');
    expect([text, headers.etag]).toEqual(['{"kind":"b",  "n":1.0}', '"v"']);
    answering('{"kind":"a"}');
    expect((await ask('/when/7')).text).toBe('{"wrapped":{"kind":"a"}}');
    answering('not { JSON', { 'content-type': 'text/html' }, 500);
    expect((await ask('/wrap/7')).status).toBe(502);
  });

  it.each<[string, Readonly<Record<string, string>>, string | Buffer, number?]>([
    ['text', { 'content-type': 'text/html' }, '<html>'],
    ['encoded though nobody asked for it', { 'content-encoding': 'gzip' }, Buffer.from([31, 139, 8])],
    ['a part', { 'content-range': 'bytes 0-1/9' }, '{}', 206],
    ['not to be transformed', { 'cache-control': 'no-transform' }, '{}'],
    ['gRPC', { 'content-type': 'application/grpc' }, '{}'],
    ['a stream of events', { 'content-type': 'text/event-stream' }, 'data: {}\n\n'],
  ])(
    'that is %s is answered 502, or passed on untouched where that is told',
    async (_, headers, body, status) => {
      answering(body, { ...headers, etag: '"v"' }, status);
      const refused = await ask('/wrap/7');
      expect(codeOf(refused)).toEqual([502, 'GW_TRANSFORM_FAILED']);
      const passed = await ask('/wrap-pass/7');
      expect([passed.status, passed.text, passed.headers.etag]).toEqual([
        status ?? 200,
        body.toString(),
        '"v"',
      ]);
    },
  );

  it.each([
    ['no JSON', '{"a":'],
    ['too deep', '[[[[[1]]]]]'],
    ['too large', `"${'x'.repeat(2000)}"`],
    ['no UTF-8', Buffer.from([34, 0xff, 34])],
    ['a text that ends the line of a header', '{"total":"a\\r\\nset-cookie: a=1"}'],
  ])('that is %s is answered 502, and nothing of it gets out', async (_, body) => {
    answering(body);
    const { status, headers, text } = await ask('/wrap/7');
    expect([status, JSON.parse(text).code]).toEqual([502, 'GW_TRANSFORM_FAILED']);
    expect(headers).not.toHaveProperty('set-cookie');
    expect(JSON.stringify(gateway.accessLog().at(-1))).toContain('cannot be transformed');
  });

  it('that breaks off is not taken for whole', async () => {
    answer = (request, response) => {
      request.resume();
      response.writeHead(200, { ...JSON_TYPE, 'content-length': '100' });
      response.write('{"a":1}', () => response.destroy());
    };
    expect((await ask('/wrap/7')).status).toBe(502);
  });

  it('that lies about its length is read to the end of what it says', async () => {
    answer = (request, response) => {
      request.resume();
      response.socket?.end(
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n{"a":1}',
      );
    };
    expect(codeOf(await ask('/wrap/7'))).toEqual([502, 'GW_TRANSFORM_FAILED']);
  });

  it('is what the gateway itself says where it answers', async () => {
    expect(codeOf(await ask('/refused/7'))).toEqual([401, 'GW_CREDENTIALS_MISSING']);
  });

  it('knows what was asked, as the client has written it', async () => {
    answer = async (request, response) => {
      response.setHeader('content-type', 'application/json').end(await readAll(request));
    };
    const { text } = await post('/both/7', '{"q":1.0}');
    expect(text).toBe('{"asked":1.0,"answered":{"query":1.0}}');
    expect((await post('/both/7', 'q', { 'content-type': 'text/plain' })).status).toBe(415);
  });

  it('is made where there was none', async () => {
    answering('');
    expect((await ask('/empty/7')).text).toBe('{"ok":true}');
    answer = (request, response) => void request.resume().once('end', () => response.writeHead(204).end());
    const { status, text, headers } = await ask('/empty/7');
    expect([status, text, headers['content-type']]).toEqual([200, '{"ok":true}', 'application/json']);
    expect((await ask('/wrap-pass/7')).status).toBe(204);
  });

  it('is dropped with what speaks of it where the status allows none', async () => {
    answering('{"id":7}', { etag: '"v"', 'content-language': 'en' });
    const { status, headers, text } = await ask('/drop/7');
    expect([status, headers['x-id'], text]).toEqual([204, '7', '']);
    for (const name of ['etag', 'content-type', 'content-language', 'content-length'])
      expect(headers).not.toHaveProperty(name);
  });

  it('is not there for HEAD, whose header promises nothing that GET would not have', async () => {
    answering('{"total":1}', { etag: '"v"' });
    const { status, headers, text } = await ask('/wrap/7', { method: 'HEAD' });
    expect([status, headers['x-upstream'], headers['content-length'], headers.etag, text]).toEqual([
      203,
      '200',
      undefined,
      undefined,
      '',
    ]);
  });

  it('that depends on who asks, or how, says so to caches', async () => {
    answering('{}', {
      'cache-control': 'public, max-age=60, s-maxage=9',
      vary: 'accept',
      'cdn-cache-control': 'max-age=9',
    });
    const { headers, text } = await ask('/personal/7', { headers: { 'x-lang': 'de' } });
    expect(headers).toMatchObject({ 'cache-control': 'private, max-age=60', vary: 'accept, x-lang' });
    expect(headers).not.toHaveProperty('cdn-cache-control');
    expect(JSON.parse(text)).toMatchObject({ for: 'de', who: expect.stringMatching(/-/) });
  });

  it('leaves nothing behind of what it held', async () => {
    const metrics = async () =>
      (await (await fetch(`http://${LOOPBACK}:${gateway.adminPort}/metrics`)).text())
        .split('\n')
        .filter((line) => line.startsWith('gateway_buffered_bytes'));
    expect((await metrics()).join()).toMatch(/ 0$|^$/);
  });
});

describe('the head of a response', () => {
  it('is changed while the body streams past, whatever that is', async () => {
    let finish = (): void => {};
    answer = (request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'text/plain', server: 'x', etag: '"v"' });
      response.write('first');
      finish = () => response.end(' second');
    };
    const response = await fetch(`${gateway.url}/head/7`, { headers: { 'x-lang': 'é' } }).catch(
      () => undefined,
    );
    const got = response ?? (await fetch(`${gateway.url}/head/7`, { headers: { 'x-lang': 'de' } }));
    expect([
      got.status,
      got.headers.get('x-type'),
      got.headers.get('server'),
      got.headers.get('etag'),
    ]).toEqual([299, 'text/plain', null, '"v"']);
    expect(got.headers.get('vary')).toBe('x-lang');
    finish();
    expect(await got.text()).toBe('first second');
  });

  it('stays as it is where the condition does not hold, and of gRPC', async () => {
    answering('no', { server: 'x' }, 404);
    expect(await ask('/head/7')).toMatchObject({ status: 404, headers: { server: 'x' } });
    answering('no', { server: 'x', 'content-type': 'application/grpc+proto' });
    expect(await ask('/head/7')).toMatchObject({ status: 200, headers: { server: 'x' } });
  });
});
