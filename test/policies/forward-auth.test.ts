import { once } from 'node:events';
import type { IncomingMessage, RequestListener } from 'node:http';
import { describe, expect, test } from 'vitest';
import { forwardAuth } from '../../src/policies/forward-auth/forward-auth.ts';
import { problemsOf } from '../core/stub-exchange.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { startGateway, startRawTarget, startTarget } from '../support/harness.ts';
import { until } from '../support/until.ts';

interface SetUp {
  readonly options?: object;
  readonly policies?: (forwardAuth: object) => unknown[];
  readonly config?: object;
  readonly clock?: StubClock;
}

/** A gateway that asks a service with `answer` about every request. */
async function setUp(answer: RequestListener, { options = {}, policies, config = {}, clock }: SetUp = {}) {
  const service = await startTarget(answer);
  const target = await startTarget();
  const written = {
    'forward-auth': { url: `${service.url}/verify?from=gw`, requestHeaders: ['authorization'], ...options },
  };
  const whole = {
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    policies: policies?.(written) ?? [written],
    ...config,
  };
  const gateway = await startGateway(whole as object, clock === undefined ? {} : { clock });
  const ask = (url = '/orders/1', headers: readonly (readonly [string, string])[] = [], method = 'GET') =>
    gateway.gateway.inject({ url, headers, method });
  return { service, target, gateway, ask };
}

const acceptResponse: RequestListener = (_, response) =>
  void response
    .writeHead(204, { 'remote-user': 'ada', 'remote-groups': 'editor, support', 'x-tenant': 'acme' })
    .end();
const refuse =
  (status: number, headers: Record<string, string> = {}, body = ''): RequestListener =>
  (_, response) =>
    void response.writeHead(status, headers).end(body);

describe('what the service is asked', () => {
  test('tells method, URI, host and client, and no header field but those that are named', async () => {
    const { service, ask } = await setUp(acceptResponse);
    const headers = [
      ['authorization', 'Bearer x'],
      ['cookie', 'a=b'],
      ['x-forwarded-method', 'GET'],
      ['x-forwarded-uri', '/public'],
      ['host', 'api.example.com'],
    ] as const;
    await ask('/orders/%61/../1?x=1', headers, 'DELETE');
    const asked = service.requests[0] as IncomingMessage;
    expect(asked.method).toBe('GET');
    expect(asked.url).toBe('/verify?from=gw');
    expect(asked.headers).toEqual({
      host: new URL(service.url).host,
      authorization: 'Bearer x',
      'x-forwarded-method': 'DELETE',
      'x-forwarded-uri': '/orders/1?x=1',
      'x-forwarded-host': 'api.example.com',
      'x-forwarded-proto': 'http',
      'x-forwarded-for': '127.0.0.1',
      'x-request-id': expect.any(String),
    });
  });

  test('goes to a named upstream too', async () => {
    const service = await startTarget(acceptResponse);
    const { ask, target } = await setUp(acceptResponse, {
      options: { url: undefined, upstream: 'judge', path: '/v' },
      config: {
        upstreams: { judge: { targets: [service.url] }, service: { targets: [service.url] } },
      },
    });
    expect((await ask()).status).toBe(204);
    expect(service.requests.map(({ url }) => url)).toEqual(['/v', '/orders/1']);
    expect(target.requests).toHaveLength(0);
  });
});

describe('names beyond ASCII', () => {
  const answerWith = (user: string, groups: string): RequestListener => {
    return (_, response) =>
      void response.writeHead(204, ['remote-user', user, 'remote-groups', groups]).end();
  };
  const asBytes = (text: string): string => Buffer.from(text).toString('latin1');
  const identity = { subject: 'remote-user', roles: 'remote-groups' };

  test('are read as UTF-8 where they are that', async () => {
    const answer = answerWith(asBytes('Jürgen'), asBytes('Käufer , voilà'));
    const { ask, target } = await setUp(answer, {
      options: { identity },
      policies: (entry) => [entry, { authorize: { roles: ['voilà'], claims: { sub: 'Jürgen' } } }],
    });
    expect((await ask()).status).toBe(200);
    expect(target.requests[0]?.headers['x-auth-subject']).toBe('J%C3%BCrgen');
    expect(target.requests[0]?.headers['x-auth-roles']).toBe('K%C3%A4ufer,voil%C3%A0');
  });

  test('stay what they are where they are not UTF-8', async () => {
    const { ask, target } = await setUp(answerWith('J\xfcrgen', 'a'), { options: { identity } });
    expect((await ask()).status).toBe(200);
    expect(target.requests[0]?.headers['x-auth-subject']).toBe('J%C3%BCrgen');
  });

  test('are none where there are two', async () => {
    const answer: RequestListener = (_, response) =>
      void response.writeHead(204, ['remote-user', 'ada', 'Remote-User', 'root']).end();
    const { ask, target } = await setUp(answer, { options: { identity } });
    expect((await ask()).status).toBe(503);
    expect(target.requests).toHaveLength(0);
  });
});

describe('what the client is told of an answer that lets pass', () => {
  const prolong: RequestListener = (_, response) =>
    void response.writeHead(204, { 'set-cookie': ['sid=2; Path=/', 'csrf=3'], 'x-secret': '1' }).end();

  test('is nothing by default', async () => {
    const { ask, target } = await setUp(prolong);
    expect((await ask()).headers.get('set-cookie')).toBeUndefined();
    expect(target.requests[0]?.headers['set-cookie']).toBeUndefined();
  });

  test('is what clientHeaders names, beside what the upstream says', async () => {
    const { ask, gateway } = await setUp(prolong, { options: { clientHeaders: ['Set-Cookie'] } });
    const answer = await ask();
    expect(answer.status).toBe(200);
    expect(answer.headers.getAll('set-cookie')).toEqual(['sid=2; Path=/', 'csrf=3']);
    expect(answer.headers.get('x-secret')).toBeUndefined();
    const { headers } = await fetch(gateway.url);
    expect(headers.getSetCookie()).toEqual(['sid=2; Path=/', 'csrf=3']);
  });

  test('is also with what the gateway itself answers, and within any', async () => {
    const { ask } = await setUp(prolong, {
      options: { clientHeaders: ['set-cookie'] },
      policies: (entry) => [{ any: ['api-key', entry] }, { authorize: {} }],
    });
    const answer = await ask();
    expect(answer.status).toBe(401);
    expect(answer.headers.getAll('set-cookie')).toHaveLength(2);
  });

  test('is told to nobody else: such an answer is not kept', async () => {
    const { ask, service } = await setUp(prolong, {
      options: { clientHeaders: ['set-cookie'], cache: { maxAge: '1h', key: 'headers' } },
    });
    await ask();
    await ask();
    expect(service.requests).toHaveLength(2);
  });
});

describe('what lets pass', () => {
  test('gives the upstream what is named of the answer, and nothing that a client sent under these names', async () => {
    const { target, ask } = await setUp(acceptResponse, {
      options: { responseHeaders: ['Remote-User', 'x-role'] },
    });
    const forged = [
      ['remote-user', 'root'],
      ['Remote_User', 'root'],
      ['X_Role', 'root'],
      ['X.Role', 'root'],
      ['x-role', 'root'],
      ['x-tenant', 'mine'],
    ] as const;
    expect((await ask('/', forged)).status).toBe(200);
    const { headers } = target.requests[0] as IncomingMessage;
    expect(headers['remote-user']).toBe('ada');
    expect(headers['x-tenant']).toBe('mine');
    for (const name of ['remote_user', 'x_role', 'x.role', 'x-role', 'remote-groups'])
      expect(headers[name]).toBeUndefined();
  });

  test('lets no client send what names the caller, also where the upstream is not told that', async () => {
    const { target, ask } = await setUp(acceptResponse, {
      options: { identity: { subject: 'remote-user' } },
    });
    expect((await ask('/', [['Remote-User', 'root']])).status).toBe(200);
    const { headers } = target.requests[0] as IncomingMessage;
    expect(headers['remote-user']).toBeUndefined();
    expect(headers['x-auth-subject']).toBe('ada');
  });

  test('names the caller where it is said which fields do', async () => {
    const identity = { subject: 'remote-user', roles: 'remote-groups' };
    const { ask } = await setUp(acceptResponse, {
      options: { identity },
      policies: (entry) => [entry, { authorize: { roles: ['support'], claims: { sub: 'ada' } } }],
    });
    expect((await ask()).status).toBe(200);
  });

  test('names nobody where it is not, so that authorize denies', async () => {
    const { ask, target } = await setUp(acceptResponse, { policies: (entry) => [entry, 'authorize'] });
    expect((await ask()).status).toBe(401);
    expect(target.requests).toHaveLength(0);
  });

  test('without the name that is due does not', async () => {
    const { ask, target } = await setUp(refuse(200), { options: { identity: { subject: 'remote-user' } } });
    expect((await ask()).status).toBe(503);
    expect(target.requests).toHaveLength(0);
  });
});

describe('what refuses', () => {
  test.each([
    [401, { 'www-authenticate': 'Basic realm="sso"' }],
    [403, {}],
    [302, { location: 'https://sso.example.com/login', 'set-cookie': 'state=1' }],
    [307, { location: '/login' }],
  ])('with %s is the answer, with the header fields that are named', async (status, headers) => {
    const { target, ask } = await setUp(
      refuse(status, { ...headers, 'content-type': 'text/plain', 'x-secret': 'inside' }, 'no'),
    );
    const answer = await ask();
    expect(answer.status).toBe(status);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      ...headers,
      'content-type': 'text/plain',
      'cache-control': 'no-store',
    });
    expect(answer.headers.has('x-secret')).toBe(false);
    expect(answer.body.toString()).toBe('no');
    expect(target.requests).toHaveLength(0);
  });

  test.each([
    ['400', 'answered 400', refuse(400)],
    ['404', 'answered 404', refuse(404)],
    ['429', 'answered 429', refuse(429)],
    ['500', 'answered 500', refuse(500)],
    ['304', 'answered 304', refuse(304)],
    ['100 and no more', '.', (request) => void request.socket.destroy()],
    [
      '200 with a body without end',
      'larger than 65536 bytes',
      (_, response) => void response.writeHead(200).write(Buffer.alloc(70_000)),
    ],
    [
      '200 and half a body',
      '.',
      (_, response) =>
        void response.writeHead(200, { 'content-length': 9 }).write('half', () => response.destroy()),
    ],
    ['nothing in time', 'within 300 ms', () => {}, 'hangs'],
    [
      'a head and nothing in time',
      'within 300 ms',
      (_, response) => void response.writeHead(200).flushHeaders(),
      'hangs',
    ],
  ] satisfies [string, string, RequestListener, 'hangs'?][])(
    'with %s answers 503, and the log says why',
    async (_, why, answer, hangs?) => {
      const clock = new StubClock();
      const setting = { options: { timeout: '300ms' }, clock };
      const { service, target, gateway, ask } = await setUp(answer, hangs === undefined ? {} : setting);
      const answered = ask();
      await service.request(0);
      clock.advance(300);
      const { status, headers, body } = await answered;
      expect(status).toBe(503);
      expect(headers.get('retry-after')).toBe('1');
      expect(JSON.parse(body.toString()).code).toBe('GW_AUTH_UNAVAILABLE');
      expect(target.requests).toHaveLength(0);
      const { text } = await gateway.gateway.metrics();
      expect(text).toContain(
        'gateway_authentication_failures_total{policy="forward-auth",reason="unavailable"} 1',
      );
      await until(() => gateway.accessLog().length > 0);
      expect(gateway.accessLog()[0]).toMatchObject({ cause: { message: expect.stringMatching(why) } });
    },
  );

  test('answers 503 where nobody listens', async () => {
    const gone = await startRawTarget(() => {});
    await gone.close();
    const { target, ask } = await setUp(acceptResponse, { options: { url: gone.url } });
    expect((await ask()).status).toBe(503);
    expect(target.requests).toHaveLength(0);
  });
});

test('leaves the service when the client leaves', async () => {
  const { service, gateway } = await setUp(() => {}, { options: { timeout: '1m' } });
  const leaving = new AbortController();
  const asking = gateway.gateway.inject({ url: '/', signal: leaving.signal });
  const asked = await service.request(0);
  const closed = once(asked.socket, 'close');
  leaving.abort(new Error('left'));
  await expect(asking).rejects.toThrow('left');
  await closed;
});

describe('answers that are kept', () => {
  const counting = (): RequestListener & { count: number } =>
    Object.assign(
      function answer(this: void, ...[request, response]: Parameters<RequestListener>) {
        listener.count++;
        if (request.headers.authorization === undefined) return void response.writeHead(401).end();
        response.writeHead(200, { 'remote-user': String(request.headers.authorization) }).end();
      } as RequestListener,
      { count: 0 },
    );
  let listener = counting();

  const asks = async (
    cache: object,
    ...requests: (readonly [url: string, token: string, method?: string])[]
  ) => {
    listener = counting();
    const { ask, target } = await setUp(listener, { options: { cache, responseHeaders: ['remote-user'] } });
    for (const [url, token, method] of requests) await ask(url, [['authorization', token]], method);
    const users = target.requests.map(({ headers }) => headers['remote-user']);
    expect(users).toEqual(requests.map(([, token]) => token));
    return listener.count;
  };

  test('count for the same request by the same caller only', async () => {
    const cache = { maxAge: '1m' };
    expect(await asks(cache, ['/a', 'x'], ['/a', 'x'], ['/a', 'x'])).toBe(1);
    expect(await asks(cache, ['/a', 'x'], ['/b', 'x'], ['/a?q', 'x'], ['/a', 'y'], ['/a', 'x', 'PUT'])).toBe(
      5,
    );
  });

  test('count for all requests of one caller where that is said', async () => {
    const cache = { maxAge: '1m', key: 'headers' };
    expect(await asks(cache, ['/a', 'x'], ['/b', 'x'], ['/a', 'x', 'PUT'])).toBe(1);
    expect(await asks(cache, ['/a', 'x'], ['/a', 'y'])).toBe(2);
  });

  test('are never rejections', async () => {
    listener = counting();
    const { ask } = await setUp(listener, { options: { cache: { maxAge: '1m' } } });
    for (let i = 0; i < 3; i++) expect((await ask()).status).toBe(401);
    expect(listener.count).toBe(3);
  });
});

describe('within any', () => {
  test('is asked last, and strips its names also where it is not asked', async () => {
    const users = { ada: { password: `$scrypt$ln=10,r=1,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}` } };
    const { target, ask, service } = await setUp(acceptResponse, {
      options: { responseHeaders: ['remote-user'] },
      policies: (entry) => [{ any: [{ basic: { users } }, entry] }],
    });
    expect((await ask('/', [['authorization', 'Basic x']])).status).toBe(401);
    expect(service.requests).toHaveLength(0);
    expect((await ask('/', [['remote-user', 'root']])).status).toBe(200);
    expect(target.requests[0]?.headers['remote-user']).toBe('ada');
  });
});

test.each([
  [{ requestHeaders: [] }, 'url: is missing'],
  [{ url: 'http://a', upstream: 'b', requestHeaders: [] }, 'upstream: stands beside url'],
  [{ url: 'http://a', path: '/b', requestHeaders: [] }, 'path: has no effect beside url'],
  [{ url: 'ftp://a', requestHeaders: [] }, 'is not the URL of a service'],
  [{ url: 'http://u:p@a', requestHeaders: [] }, 'is not the URL of a service'],
  [{ url: 'a', requestHeaders: [] }, 'is not the URL of a service'],
  [{ url: 'http://a' }, 'requestHeaders'],
  [{ url: 'http://a', requestHeaders: ['transfer-encoding'] }, 'frames the message'],
  [
    { url: 'http://a', requestHeaders: [], responseHeaders: ['x-forwarded-for'] },
    'tells where a request came from',
  ],
  [
    { url: 'http://a', requestHeaders: [], responseHeaders: ['X_Auth_Subject'] },
    'is what the gateway itself sends',
  ],
  [{ url: 'http://a', requestHeaders: [], responseHeaders: ['Set-Cookie'] }, 'name it in clientHeaders'],
  [
    { url: 'http://a', requestHeaders: [], responseHeaders: ['Content-Type'] },
    'is about the response of the service',
  ],
  [{ url: 'http://a', requestHeaders: [], clientHeaders: ['Cookie'] }, 'is a field of requests'],
  [{ url: 'http://a', requestHeaders: [], clientHeaders: ['Connection'] }, 'frames the message'],
  [{ url: 'http://a', requestHeaders: [], cache: { maxAge: '0s' } }, 'keeps nothing'],
  [{ url: 'http://a', requestHeaders: [], cache: { maxAge: '1s', key: 'headers' } }, 'would let everyone in'],
])('%j is refused', (options, problem) => {
  expect(problemsOf(forwardAuth, options).join()).toContain(problem);
});
