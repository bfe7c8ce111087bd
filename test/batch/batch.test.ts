import type { createServer } from 'node:http';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  readAll,
  startGateway,
  startTarget,
  type TestConfig,
  type TestGateway,
  type TestTarget,
} from '../support/harness.ts';
import { until } from '../support/until.ts';
import { ManualClock } from '../upstream/discovery/manual-clock.ts';

type Routes = NonNullable<TestConfig['routes']>;
type Batch = NonNullable<Routes[number]['batch']>;

const SECRET = 'a secret of at least 32 characters';
const HASH_KEY = { keys: { partner: { secret: SECRET } } };

function configFor({ url }: Pick<TestTarget, 'url'>, batch: Batch = {}): TestConfig {
  return {
    upstreams: { service: { targets: [url], retries: { max: 0 } } },
    authServices: { main: { secret: SECRET, algorithms: ['HS256'] } },
    routes: [
      { id: 'batch', path: '/batch', methods: ['POST'], batch },
      { id: 'other-batch', path: '/other-batch', methods: ['POST'], batch },
      { id: 'echo', path: '/echo/*', upstream: 'service' },
      {
        id: 'limited',
        path: '/limited',
        upstream: 'service',
        policies: [{ 'rate-limit': { limit: 2, window: '1h', key: 'ip' } }],
      },
      { id: 'mine', path: '/mine', upstream: 'service', policies: [{ jwt: { service: 'main' } }] },
      { id: 'signed', path: '/signed', upstream: 'service', policies: [{ signature: HASH_KEY }] },
      {
        id: 'open',
        path: '/open',
        upstream: 'service',
        policies: [{ cors: { origins: ['https://app.example'] } }],
      },
      { id: 'fixed', path: '/fixed', respond: { status: 200, body: { n: 1 } } },
    ],
  };
}

let target: TestTarget;
let gateway: TestGateway;
let answer: Parameters<typeof createServer>[1];

beforeAll(async () => {
  target = await startTarget((request, response) => answer?.(request, response as never));
  gateway = await startGateway(configFor(target, { max: 5 }));
  return async () => {
    await gateway.close();
    await target.close();
  };
});

beforeEach(() => {
  answer = async (request, response) => {
    const body = (await readAll(request)).toString();
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }),
    );
  };
});

interface Item {
  readonly id?: unknown;
  readonly status: number;
  readonly headers: Record<string, string>;
  /** What the service says that it got, or a problem. */
  readonly body?: { readonly headers: Record<string, string>; readonly code?: string };
  readonly encoding?: string;
}

const JSON_TYPE = { 'content-type': 'application/json' };

async function send(body: string, headers: Record<string, string> = {}, { url } = gateway, path = '/batch') {
  const response = await fetch(url + path, { method: 'POST', headers: { ...JSON_TYPE, ...headers }, body });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

/** Sends requests in a batch, and gives their responses. */
async function batch(
  requests: readonly object[],
  headers?: Record<string, string>,
  of = gateway,
): Promise<Item[]> {
  const { status, text } = await send(JSON.stringify({ requests }), headers, of);
  expect([status, text]).toEqual([200, expect.stringContaining('"responses"')]);
  return JSON.parse(text).responses;
}

const tokenOf = async (subject: string): Promise<string> => {
  const encode = (data: object) => Buffer.from(JSON.stringify(data)).toString('base64url');
  const { createHmac } = await import('node:crypto');
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub: subject, exp: 4e9 })}`;
  return `Bearer ${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
};

describe('a batch', () => {
  it('runs each request by its own route, and gives the responses in their order', async () => {
    const responses = await batch([
      { id: 'a', path: '/echo/a?x=1' },
      { id: 2, method: 'PUT', path: '/echo/b', headers: { 'X-Own': 'é' }, body: { n: 1 } },
      { path: '/fixed' },
      { id: 'none', path: '/nowhere' },
    ]);
    expect(responses).toMatchObject([
      { id: 'a', status: 200, body: { method: 'GET', url: '/echo/a?x=1', body: '' } },
      { id: 2, status: 200, body: { method: 'PUT', url: '/echo/b', body: '{"n":1}' } },
      { status: 200, body: { n: 1 }, headers: { 'content-type': 'application/json' } },
      { id: 'none', status: 404, body: { code: 'GW_NO_ROUTE' } },
    ]);
    const sent = responses[1]?.body?.headers ?? {};
    expect(sent['content-type']).toBe('application/json');
    expect(Buffer.from(sent['x-own'] ?? '', 'latin1').toString()).toBe('é');
    expect(responses[2]).not.toHaveProperty('id');
  });

  it('keeps numbers as they are written, both ways', async () => {
    answer = async (request, response) => {
      response.setHeader('content-type', 'application/json').end(await readAll(request));
    };
    const { text } = await send(
      '{"requests":[{"id":12345678901234567890,"method":"POST","path":"/echo/","body":{"a":1.0, "b":98765432109876543210}}]}',
    );
    expect(text).toContain('"id":12345678901234567890,');
    expect(text).toContain('"body":{"a":1.0, "b":98765432109876543210}');
  });

  it('carries texts and bytes', async () => {
    const bytes = Buffer.from([0, 255, 254, 10, 13]);
    const got: Buffer[] = [];
    answer = async (request, response) => {
      got.push(await readAll(request));
      response.setHeader('content-type', request.headers['content-type'] ?? 'application/x').end(got.at(-1));
    };
    const responses = await batch([
      { method: 'POST', path: '/echo/', body: '\ufeffa "text"\n', encoding: 'text' },
      { method: 'POST', path: '/echo/', body: bytes.toString('base64'), encoding: 'base64' },
      {
        method: 'POST',
        path: '/echo/',
        headers: { 'content-type': 'application/json' },
        body: '{',
        encoding: 'text',
      },
    ]);
    expect(responses[0]).toMatchObject({ body: '\ufeffa "text"\n', encoding: 'text' });
    expect(responses[1]).toMatchObject({ body: bytes.toString('base64'), encoding: 'base64' });
    expect(responses[2]).toMatchObject({ body: '{', encoding: 'text' });
    expect(got.some((one) => one.equals(bytes))).toBe(true);
  });

  it('counts each request at limits, and has a line and a metric for each', async () => {
    const lines = gateway.accessLog().length;
    const responses = await batch(Array.from({ length: 3 }, () => ({ path: '/limited' })));
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 200, 429]);
    expect(responses.find(({ status }) => status === 429)?.headers).toHaveProperty('retry-after');
    await until(() => gateway.accessLog().length === lines + 4);
    expect(
      gateway
        .accessLog()
        .slice(lines)
        .map(({ route }) => route)
        .sort(),
    ).toEqual(['batch', 'limited', 'limited', 'limited']);
    const metrics = await (
      await fetch(`${gateway.url.replace(/\d+$/, String(gateway.adminPort))}/metrics`)
    ).text();
    expect(metrics).toMatch(
      /http_server_request_duration_seconds_count\{route="limited",method="GET",status="429"\} 1/,
    );
    expect(metrics).toMatch(/gateway_batch_requests_total\{route="batch",outcome="done"\} \d+/);
  });

  it('takes the credentials of the batch, or of a request with its own, for each route by itself', async () => {
    const [ada, bob] = [await tokenOf('ada'), await tokenOf('bob')];
    const mine = { path: '/mine' };
    const own = { path: '/mine', headers: { Authorization: bob } };
    const subjects = (responses: Item[]) =>
      responses.map(({ status, body }) => [status, body?.headers?.['x-auth-subject']]);
    expect(subjects(await batch([mine, own], { authorization: ada }))).toEqual([
      [200, 'ada'],
      [200, 'bob'],
    ]);
    expect(subjects(await batch([mine, own]))).toEqual([
      [401, undefined],
      [200, 'bob'],
    ]);
  });

  it('does not take a signature of the batch for one of what is in it', async () => {
    const signature = { signature: 'sig=:AAAA:', 'signature-input': 'sig=("@method");keyid="partner"' };
    expect((await batch([{ path: '/signed' }], signature))[0]).toMatchObject({ status: 401 });
  });

  it('passes on what is about the caller, and nothing that is about the batch as a message', async () => {
    const [item] = await batch([{ path: '/echo/' }], {
      'accept-language': 'de',
      cookie: 'a=1',
      'idempotency-key': '"1"',
      'if-none-match': '"1"',
      'accept-encoding': 'gzip',
      prefer: 'respond-async',
      range: 'bytes=0-1',
    });
    expect(item?.body?.headers).toMatchObject({
      'accept-language': 'de',
      cookie: 'a=1',
      host: expect.stringContaining(':'),
    });
    for (const name of [
      'idempotency-key',
      'if-none-match',
      'accept-encoding',
      'prefer',
      'range',
      'content-type',
      'content-length',
    ])
      expect(item?.body?.headers).not.toHaveProperty(name);
  });

  it.each([
    ...['Host', 'Content-Length', 'Transfer-Encoding', 'Connection', 'Upgrade', 'TE', 'Expect', 'Keep-Alive'],
    ...[
      'X-Forwarded-For',
      'X-Forwarded-Host',
      'Forwarded',
      'X-Real-IP',
      'Client-Cert',
      'X-Auth-Subject',
      'Via',
    ],
    ...['X-HTTP-Method-Override', 'X-Original-URL', 'X-Request-Id', 'x_forwarded_for'],
    ...[
      'Cookie',
      'Origin',
      'Sec-Fetch-Site',
      'Referer',
      'Proxy-Authorization',
      'Accept-Encoding',
      'Max-Forwards',
    ],
  ])('is rejected where a request has the header %s', async (name) => {
    const { status, text } = await send(
      JSON.stringify({ requests: [{ path: '/fixed' }, { path: '/echo/', headers: { [name]: '1' } }] }),
    );
    expect([status, JSON.parse(text).code, JSON.parse(text).detail]).toEqual([
      400,
      'GW_BATCH_INVALID',
      expect.stringContaining(`requests[1]: it has the header '${name.toLowerCase()}'`),
    ]);
  });

  it.each<[string, string]>([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['without requests', '{}'],
    ['of nothing', '{"requests":[]}'],
    ['too long', JSON.stringify({ requests: Array(6).fill({ path: '/fixed' }) })],
    ['with a key of something else', '{"requests":[{"path":"/echo/"}],"atomic":true}'],
    ['with requests twice', '{"requests":[{"path":"/echo/"}],"requests":[{"path":"/echo/"}]}'],
    ['of something else', '{"requests":[7]}'],
    ['with an unknown key', '{"requests":[{"path":"/echo/","url":"/x"}]}'],
    ['with a path twice', '{"requests":[{"path":"/echo/","p\\u0061th":"/mine"}]}'],
    ['with a header twice', '{"requests":[{"path":"/echo/","headers":{"X-A":"1","x-a":"2"}}]}'],
    ['with a header of two lines', '{"requests":[{"path":"/echo/","headers":{"x-a":"1\\r\\nhost: b"}}]}'],
    ['with a header of a number', '{"requests":[{"path":"/echo/","headers":{"x-a":1}}]}'],
    [
      'with a header of a name of two lines',
      '{"requests":[{"path":"/echo/","headers":{"x-a: 1\\r\\nx-b":"1"}}]}',
    ],
    ['with a relative path', '{"requests":[{"path":"echo/"}]}'],
    ['with a URL', '{"requests":[{"path":"http://127.0.0.1:1/"}]}'],
    ['with a path of two lines', '{"requests":[{"path":"/echo/ HTTP/1.1\\r\\nhost: b\\r\\n"}]}'],
    ['with a path that is not encoded', '{"requests":[{"path":"/echo/ü"}]}'],
    ['with a method that is none', '{"requests":[{"path":"/echo/","method":"GET /"}]}'],
    ['with a tunnel', '{"requests":[{"path":"/echo/","method":"CONNECT"}]}'],
    ['with a trace', '{"requests":[{"path":"/echo/","method":"TRACE"}]}'],
    ['with a method in lower case', '{"requests":[{"path":"/echo/","method":"get"}]}'],
    [
      'with what is not base64',
      '{"requests":[{"path":"/echo/","method":"POST","body":"a=b","encoding":"base64"}]}',
    ],
    [
      'with an unknown encoding',
      '{"requests":[{"path":"/echo/","method":"POST","body":"a","encoding":"gzip"}]}',
    ],
    [
      'with a text that is a number',
      '{"requests":[{"path":"/echo/","method":"POST","body":1,"encoding":"text"}]}',
    ],
    [
      'with half a surrogate',
      '{"requests":[{"path":"/echo/","method":"POST","body":"\\ud800","encoding":"text"}]}',
    ],
    ['with an id that is a map', '{"requests":[{"path":"/echo/","id":{}}]}'],
    ['nested too deep', `{"requests":[{"path":"/echo/","body":${'['.repeat(70)}${']'.repeat(70)}}]}`],
  ])('that is %s is rejected, before anything in it was done', async (_, text) => {
    const before = target.requests.length;
    const { status, text: problem } = await send(text);
    expect([status, JSON.parse(problem).code]).toEqual([
      400,
      expect.stringMatching(/^GW_(BATCH_INVALID|BODY_NOT_JSON)$/),
    ]);
    expect(target.requests).toHaveLength(before);
  });

  it('is JSON, not encoded, and no larger than told', async () => {
    const text = JSON.stringify({ requests: [{ path: '/fixed' }] });
    for (const headers of [{ 'content-type': 'text/plain' }, { 'content-encoding': 'gzip' }])
      expect((await send(text, headers as Record<string, string>)).status).toBe(415);
    expect(
      (await send(JSON.stringify({ requests: [{ path: '/fixed', body: 'x'.repeat(1_100_000) }] }))).status,
    ).toBe(413);
  });

  it('has no batch in it', async () => {
    const inner = { method: 'POST', body: { requests: [{ path: '/fixed' }] } };
    expect(
      await batch([
        { ...inner, path: '/batch' },
        { ...inner, path: '/other-batch' },
        { ...inner, path: '/%62atch' },
      ]),
    ).toMatchObject(Array(3).fill({ status: 400, body: { code: 'GW_BATCH_NESTED' } }));
  });

  it('judges each path as a listener does', async () => {
    expect(
      await batch([
        { path: '/echo/../mine' },
        { path: '/echo/%2e%2e/mine' },
        { path: `/${'x'.repeat(9000)}` },
      ]),
    ).toMatchObject([{ status: 401 }, { status: expect.any(Number) }, { status: 414 }]);
  });

  it('sets cookies itself, so that no page reads them', async () => {
    answer = (request, response) => {
      request.resume();
      response.setHeader('set-cookie', ['a=1; HttpOnly', 'b=2; HttpOnly']).end();
    };
    const { headers, text } = await send(
      JSON.stringify({ requests: [{ path: '/echo/' }, { path: '/echo/' }] }),
    );
    expect(headers.getSetCookie()).toEqual([
      'a=1; HttpOnly',
      'b=2; HttpOnly',
      'a=1; HttpOnly',
      'b=2; HttpOnly',
    ]);
    expect(text).not.toContain('HttpOnly');
  });

  it('of a page of another origin reaches only routes whose cors lets that in', async () => {
    const before = target.requests.length;
    const requests = [{ path: '/echo/' }, { path: '/open' }, { path: '/fixed' }];
    const statuses = async (origin: string) =>
      (await batch(requests, { origin, 'sec-fetch-site': 'cross-site' })).map(({ status }) => status);
    expect(await statuses('https://app.example')).toEqual([403, 200, 403]);
    expect(await statuses('https://evil.example')).toEqual([403, 403, 403]);
    expect(target.requests).toHaveLength(before + 1);
  });

  it('answers HEAD and 204 without a body, and a broken response with 502', async () => {
    answer = (request, response) => {
      request.resume();
      if (request.url === '/echo/204') response.writeHead(204).end();
      else {
        response.writeHead(200, { 'content-length': '9' });
        if (request.method === 'HEAD') response.end();
        else response.write('x', () => response.destroy());
      }
    };
    const responses = await batch([
      { method: 'HEAD', path: '/echo/' },
      { path: '/echo/204' },
      { path: '/echo/cut' },
    ]);
    expect(responses.map(({ status }) => status)).toEqual([200, 204, 502]);
    expect(responses[0]).not.toHaveProperty('body');
    expect(responses[2]?.body?.code).toBe('GW_UPSTREAM_BROKEN');
  });
});

describe('the bounds of a batch', () => {
  it('as many run at once as told', async () => {
    const waiting: (() => void)[] = [];
    let [open, most] = [0, 0];
    const slow = await startTarget((request, response) => {
      request.resume();
      most = Math.max(most, ++open);
      waiting.push(() => {
        open--;
        response.end('1');
      });
      if (waiting.length === 2) for (const done of waiting.splice(0)) done();
    });
    const own = await startGateway(configFor(slow, { concurrency: 2 }));
    await batch(
      Array.from({ length: 6 }, () => ({ path: '/echo/' })),
      {},
      own,
    );
    expect(most).toBe(2);
  });

  it('responses are together no larger than told', async () => {
    const large = await startTarget((_, response) => response.end('x'.repeat(600)));
    const own = await startGateway(configFor(large, { maxResponse: '1KiB', concurrency: 1 }));
    const responses = await batch([{ path: '/echo/1' }, { path: '/echo/2' }], {}, own);
    expect(responses).toMatchObject([{ status: 200 }, { status: 502, body: { code: 'GW_BATCH_TOO_LARGE' } }]);
  });

  it('what is not done in time is left, and what has not begun never does', async () => {
    const clock = new ManualClock();
    let left = 0;
    const hanging = await startTarget((request, response) => {
      request.resume();
      response.once('close', () => response.writableEnded || left++);
      if (request.url === '/echo/done') response.end('1');
    });
    const own = await startGateway(configFor(hanging, { timeout: '5s', concurrency: 2 }), { clock });
    const responding = batch(
      [{ path: '/echo/done' }, { path: '/echo/1' }, { path: '/echo/2' }, { path: '/echo/3' }],
      {},
      own,
    );
    await hanging.request(2);
    clock.advance(5000);
    expect(await responding).toMatchObject([
      { status: 200, body: '1' },
      ...Array(3).fill({ status: 504, body: { code: 'GW_BATCH_TIMEOUT' } }),
    ]);
    await until(() => left === 2);
    expect(hanging.requests).toHaveLength(3);
  });

  it('all that is under way ends with the client', async () => {
    let left = 0;
    const hanging = await startTarget((request, response) => {
      request.resume();
      response.once('close', () => left++);
    });
    const own = await startGateway(configFor(hanging));
    const controller = new AbortController();
    const body = JSON.stringify({ requests: [{ path: '/echo/1' }, { path: '/echo/2' }] });
    const sending = fetch(`${own.url}/batch`, {
      method: 'POST',
      headers: JSON_TYPE,
      body,
      signal: controller.signal,
    });
    await hanging.request(1);
    controller.abort();
    await expect(sending).rejects.toThrow();
    await until(() => left === 2 && own.accessLog().length === 3);
    expect(own.accessLog().map(({ code }) => code)).toEqual(Array(3).fill('GW_CLIENT_CLOSED'));
  });
});
