import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { readBody } from '../../src/core/body.ts';
import type { Exchange, ProceedOptions } from '../../src/core/exchange.ts';
import type { Reply } from '../../src/core/message.ts';
import type { PolicyInstance } from '../../src/core/policy.ts';
import { toResponse } from '../../src/core/reply.ts';
import {
  RawClient,
  released,
  startGateway,
  startRawTarget,
  startTarget,
  type TestConfig,
} from '../support/harness.ts';
import { LOOPBACK, reserveNobody } from '../support/loopback.ts';
import { until } from '../support/until.ts';
import { metricsOf } from '../upstream/gateway-metrics.ts';
import { scripts } from './fixtures/scripted-policy.ts';

const customPolicies = {
  'test/scripted': fileURLToPath(new URL('./fixtures/scripted-policy.ts', import.meta.url)),
};

afterEach(() => scripts.clear());

/** Uses of scripted policies, in this order on the route. */
type Scripts = Readonly<Record<string, PolicyInstance>>;

function use(instances: Scripts): { 'test/scripted': { script: string } }[] {
  for (const [name, instance] of Object.entries(instances)) scripts.set(name, () => instance);
  return Object.keys(instances).map((script) => ({ 'test/scripted': { script } }));
}

function startWith(target: { url: string }, instances: Scripts, more: Partial<TestConfig> = {}) {
  return startGateway({
    customPolicies,
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service', policies: use(instances) }],
    ...more,
  });
}

/** A policy that answers with what the rest gives. */
const proceeding = (options?: ProceedOptions): PolicyInstance => ({
  onRequest: (exchange) => exchange.proceed(options),
});

/** A policy that writes down its moments. */
const tracing = (name: string, trace: string[]): PolicyInstance => ({
  onRequest: () => void trace.push(`${name} request`),
  onResponse: (_, head) => {
    trace.push(`${name} response`);
    head.headers.append(`x-${name}`, String(trace.length));
  },
  onFinish: () => void trace.push(`${name} finish`),
});

const textOf = async (reply: Reply): Promise<string> =>
  (await readBody(toResponse(reply).body, 1 << 26)).toString();

describe('the reply of proceed', () => {
  it('is the answer of the upstream, past the policies behind once, and the policies before once', async () => {
    const trace: string[] = [];
    const target = await startTarget();
    const gateway = await startWith(target, {
      before: tracing('before', trace),
      caller: { ...tracing('caller', trace), ...proceeding() },
      behind: tracing('behind', trace),
    });
    const response = await fetch(`${gateway.url}/a?b=1`, { headers: { 'x-tenant': 'acme' } });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      url: '/a?b=1',
      headers: { 'x-tenant': 'acme', 'x-forwarded-for': '127.0.0.1', via: '1.1 sallyport' },
    });
    await until(() => trace.includes('before finish'));
    expect(trace).toEqual([
      'before request',
      'behind request',
      'behind response',
      'behind finish',
      'caller response',
      'before response',
      'before finish',
      'caller finish',
    ]);
    expect(response.headers.get('via')).toBe('1.1 sallyport');
    expect(gateway.accessLog()).toMatchObject([{ status: 200, upstream: 'service', path: '/a' }]);
    expect(gateway.accessLog()[0]).not.toHaveProperty('detached');
    const metrics = await metricsOf(gateway.adminPort);
    expect(metrics).toMatch(/http_server_request_duration_seconds_count\{.*route="all".*\} 1\n/);
    expect(metrics).toMatch(/http_client_request_duration_seconds_count\{.*\} 1\n/);
  });

  it.each([
    ['a fixed answer', { respond: { status: 203, body: 'fixed' } }, 203, 'fixed'],
    ['a redirect', { path: '/here', redirect: { path: '/there', status: 307 } }, 307, ''],
  ])('is that of the route, whatever it does: %s', async (_, action, status, body) => {
    const { url } = await startWith(await startTarget(), {}, {
      routes: [{ id: 'all', path: '/*', ...action, policies: use({ caller: proceeding() }) }],
    } as Partial<TestConfig>);
    const response = await fetch(`${url}/here`, { redirect: 'manual' });
    expect(response.status).toBe(status);
    expect(await response.text()).toBe(body);
  });

  it('is what a policy behind answers, and the target is not asked', async () => {
    const target = await startTarget();
    const { url } = await startWith(target, {
      caller: proceeding(),
      refusing: { onRequest: () => ({ status: 402, body: 'pay' }) },
    });
    const response = await fetch(url);
    expect([response.status, await response.text()]).toEqual([402, 'pay']);
    expect(target.requests).toHaveLength(0);
  });

  it('is the problem where the upstream fails, told in the log as ever', async () => {
    const gateway = await startWith(await reserveNobody(), { caller: proceeding() });
    const response = await fetch(gateway.url);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: 'GW_UPSTREAM_UNREACHABLE' });
    expect(gateway.accessLog()).toMatchObject([{ status: 503, code: 'GW_UPSTREAM_UNREACHABLE' }]);
  });

  it('is 500 where a policy behind throws', async () => {
    const target = await startTarget();
    const { url } = await startWith(target, {
      caller: proceeding(),
      broken: {
        onRequest() {
          throw new Error('broken');
        },
      },
    });
    const response = await fetch(url);
    expect(await response.json()).toMatchObject({ status: 500, code: 'GW_POLICY_FAILED' });
    expect(target.requests).toHaveLength(0);
  });

  it.each(['HEAD', 'GET'])('has the length that the target states, for %s', async (method) => {
    const target = await startTarget((_, response) => response.setHeader('content-length', 4).end('body'));
    const { url } = await startWith(target, { caller: proceeding() });
    const response = await fetch(url, { method });
    expect(response.headers.get('content-length')).toBe('4');
    expect(await response.text()).toBe(method === 'HEAD' ? '' : 'body');
  });

  it('streams a large body whole, with its trailers', async () => {
    const body = Buffer.alloc(3_000_000, 'abcdefghij');
    const target = await startTarget((_, response) => {
      response.writeHead(200, { trailer: 'x-sum' });
      response.write(body);
      response.addTrailers({ 'x-sum': '10' });
      response.end();
    });
    const { port } = await startWith(target, { caller: proceeding() });
    const request = httpRequest({ host: LOOPBACK, port, headers: { te: 'trailers' } }).end();
    const [response] = await once(request, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(body)).toBe(true);
    expect(response.trailers).toEqual({ 'x-sum': '10' });
  });

  it('breaks off where the answer does', async () => {
    const target = await startRawTarget((socket) => {
      socket.on('data', () =>
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', () => socket.destroy()),
      );
    });
    const gateway = await startWith(target, { caller: proceeding() });
    const response = await fetch(gateway.url).catch(() => undefined);
    await expect(response?.text() ?? Promise.reject(new Error('broken'))).rejects.toThrow();
    await until(() => gateway.accessLog().length === 1);
    expect(gateway.accessLog()[0]).toMatchObject({ code: 'GW_UPSTREAM_BROKEN' });
  });

  it('can be another than what is sent, and is then let go', async () => {
    const target = await startRawTarget((socket) => {
      socket.on('data', () => socket.write('HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n'));
    });
    const { url } = await startWith(target, {
      stale: {
        async onRequest(exchange) {
          const { status } = await exchange.proceed();
          return { status: 200, body: `stale instead of ${status}` };
        },
      },
    });
    expect(await (await fetch(url)).text()).toBe('stale instead of 500');
    await released(await target.socket(0));
  });

  it('comes from further back where a policy behind proceeds too', async () => {
    const trace: string[] = [];
    const target = await startTarget();
    const { url } = await startWith(target, {
      outer: proceeding(),
      middle: tracing('middle', trace),
      inner: proceeding(),
      last: tracing('last', trace),
    });
    expect((await fetch(url)).status).toBe(200);
    expect(trace.filter((moment) => moment.endsWith('request'))).toEqual(['middle request', 'last request']);
    expect(target.requests).toHaveLength(1);
  });

  it('is plain where the client asked for another protocol', async () => {
    const target = await startTarget((request, response) => response.end(String(request.headers.upgrade)));
    const { port } = await startWith(target, { caller: proceeding() });
    const client = await RawClient.connect(port);
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n');
    expect(await client.until((received) => received.includes('undefined'))).toMatch(/^HTTP\/1.1 200 /);
  });

  it('leaves header fields of the exchange as they are', async () => {
    const seen: (string | undefined)[] = [];
    const { url } = await startWith(await startTarget(), {
      caller: {
        async onRequest(exchange) {
          const reply = await exchange.proceed();
          seen.push(exchange.headers.get('x-added'), exchange.headers.get('x-forwarded-for'));
          return reply;
        },
      },
      adding: { onRequest: ({ headers }) => headers.append('x-added', 'yes') },
    });
    expect(await (await fetch(url)).json()).toMatchObject({ headers: { 'x-added': 'yes' } });
    expect(seen).toEqual([undefined, undefined]);
  });
});

describe('the body of a request that proceeds', () => {
  const twice: PolicyInstance = {
    async onRequest(exchange) {
      const replies = await Promise.all([exchange.proceed(), exchange.proceed()]);
      return { status: 200, body: (await Promise.all(replies.map(textOf))).join('|') };
    },
  };
  const echoing = () => startTarget((request, response) => void request.pipe(response));
  const post = (url: string, body: string) => fetch(url, { method: 'POST', body });

  it('streams to the target', async () => {
    const { url } = await startWith(await echoing(), { caller: proceeding() });
    const body = 'x'.repeat(300_000);
    expect(await (await post(url, body)).text()).toBe(body);
  });

  it('goes out twice at once where it was read whole', async () => {
    const target = await echoing();
    const { url } = await startWith(target, { caller: { ...twice, requestBody: { maxBytes: 1000 } } });
    expect(await (await post(url, 'order')).text()).toBe('order|order');
    expect(target.requests).toHaveLength(2);
  });

  it('is read whole behind the one that proceeds, where a policy there needs it', async () => {
    const seen: unknown[] = [];
    const { url } = await startWith(await echoing(), {
      caller: proceeding(),
      reader: {
        requestBody: { maxBytes: 1000 },
        onRequest: ({ bodyBytes }) => void seen.push(bodyBytes?.toString()),
      },
    });
    expect(await (await post(url, 'order')).text()).toBe('order');
    expect(seen).toEqual(['order']);
  });

  it.each<[string, PolicyInstance]>([
    ['a second time while it streams', twice],
    ['without the client while it streams', proceeding({ detached: true })],
    [
      'to a branch and with the chain as well',
      {
        async onRequest(exchange) {
          await textOf(await exchange.proceed());
        },
      },
    ],
  ])('cannot go %s', async (_, caller) => {
    const { url } = await startWith(await echoing(), { caller });
    const { status } = await post(url, 'order');
    expect([500, 502]).toContain(status);
  });
});

describe('proceed', () => {
  it('fails clearly outside of onRequest', async () => {
    const errors: unknown[] = [];
    const { url } = await startWith(await startTarget(), {
      caller: {
        async onResponse(exchange) {
          errors.push(await exchange.proceed().catch((error: unknown) => error));
        },
      },
    });
    expect((await fetch(url)).status).toBe(200);
    expect(errors).toEqual([new TypeError('proceed is called in onRequest, before it has settled')]);
  });

  it('ends with the client, and frees the target', async () => {
    const target = await startRawTarget((socket) => void socket.resume());
    let outcome: Promise<unknown> = Promise.resolve();
    const { gateway, url, accessLog } = await startWith(target, {
      caller: {
        onRequest(exchange) {
          outcome = exchange.proceed();
          return outcome as Promise<Reply>;
        },
      },
    });
    const leaving = new AbortController();
    const answer = fetch(url, { signal: leaving.signal }).catch(() => 'left');
    const socket = await target.socket(0);
    leaving.abort();
    expect(await answer).toBe('left');
    await expect(outcome).rejects.toMatchObject({ code: 'GW_CLIENT_CLOSED' });
    await released(socket);
    expect((await gateway.describe()).upstreams[0]?.targets[0]?.activeRequests).toBe(0);
    expect(accessLog()).toMatchObject([{ code: 'GW_CLIENT_CLOSED' }]);
  });

  it('ends by its signal, whose reason it rejects with, while the client gets what the policy says', async () => {
    const target = await startRawTarget((socket) => void socket.resume());
    const leaving = new AbortController();
    const { url } = await startWith(target, {
      caller: {
        async onRequest(exchange) {
          const outcome = await exchange.proceed({ signal: leaving.signal }).catch((error: unknown) => error);
          return { status: 418, body: String(outcome) };
        },
      },
    });
    const answer = fetch(url);
    const socket = await target.socket(0);
    leaving.abort('enough');
    expect(await (await answer).text()).toBe('enough');
    await released(socket);
  });

  it('is repeated by the upstream as ever', async () => {
    const [gone, there] = [await reserveNobody(), await startTarget()];
    const { url } = await startWith(
      there,
      { caller: proceeding() },
      { upstreams: { service: { targets: [gone.url, there.url] } } },
    );
    for (let i = 0; i < 3; i++) expect((await fetch(url)).status).toBe(200);
  });

  it('serves many who wait for one', async () => {
    let flight: Promise<string> | undefined;
    let arrived = 0;
    const target = await startTarget(async (_, response) => {
      await until(() => arrived === 20);
      response.end('shared');
    });
    const { url } = await startWith(target, {
      shared: {
        async onRequest(exchange: Exchange) {
          arrived++;
          flight ??= exchange.proceed({ detached: true }).then(textOf);
          return { status: 200, body: await flight };
        },
      },
    });
    const answers = Array.from({ length: 20 }, async () => (await fetch(url)).text());
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['shared']));
    expect(target.requests).toHaveLength(1);
  });
});

describe('what runs on detached', () => {
  /** Answers at once, and lets the rest run on. */
  function detaching() {
    const outcomes: Promise<string>[] = [];
    const instance: PolicyInstance = {
      requestBody: { maxBytes: 1000 },
      onRequest(exchange) {
        const outcome = exchange.proceed({ detached: true }).then(textOf);
        outcome.catch(() => {});
        outcomes.push(outcome);
        return { status: 200, body: 'at once' };
      },
    };
    return { instance, outcomes };
  }

  it('outlives the answer to the client, with the body of the request, and has a line of its own', async () => {
    let release: () => void = () => {};
    const target = await startTarget((request, response) => {
      release = () => void request.pipe(response);
    });
    const { instance, outcomes } = detaching();
    const gateway = await startWith(target, { caller: instance });
    const response = await fetch(gateway.url, { method: 'POST', body: 'order' });
    expect(await response.text()).toBe('at once');
    await target.request(0);
    expect(await metricsOf(gateway.adminPort)).toContain('gateway_detached_requests 1\n');
    release();
    expect(await outcomes[0]).toBe('order');
    await until(() => gateway.accessLog().length === 2);
    expect(gateway.accessLog()).toMatchObject([
      { status: 200, bytes: 7 },
      { status: 200, bytes: 5, upstream: 'service', detached: true },
    ]);
    const metrics = await metricsOf(gateway.adminPort);
    expect(metrics).toContain('gateway_detached_requests 0\n');
    expect(metrics).toMatch(/http_server_request_duration_seconds_count\{.*route="all".*\} 1\n/);
  });

  it('goes on when the client leaves while the policy waits for it', async () => {
    const target = await startTarget(async (_, response) => {
      await until(() => hasLeft);
      response.end('late');
    });
    let hasLeft = false;
    let outcome: Promise<string> = Promise.resolve('');
    const { url } = await startWith(target, {
      caller: {
        async onRequest(exchange) {
          exchange.signal.addEventListener('abort', () => (hasLeft = true));
          outcome = exchange.proceed({ detached: true }).then(textOf);
          return { status: 200, body: await outcome };
        },
      },
    });
    const leaving = new AbortController();
    const answer = fetch(url, { signal: leaving.signal }).catch(() => 'left');
    await target.request(0);
    leaving.abort();
    expect(await answer).toBe('left');
    expect(await outcome).toBe('late');
  });

  it('keeps its configuration open over a reload, and finishes the policies behind once', async () => {
    const trace: string[] = [];
    let release: () => void = () => {};
    const target = await startTarget((_, response) => {
      release = () => response.end('late');
    });
    const { instance, outcomes } = detaching();
    const gateway = await startWith(target, {
      caller: instance,
      behind: { ...tracing('behind', trace), close: () => void trace.push('behind close') },
    });
    await (await fetch(gateway.url)).text();
    await target.request(0);
    await gateway.rewrite({ routes: [{ id: 'all', path: '/*', respond: { status: 204 } }] });
    await gateway.gateway.reload();
    expect((await fetch(gateway.url)).status).toBe(204);
    expect(trace).toEqual(['behind request']);
    release();
    expect(await outcomes[0]).toBe('late');
    await until(() => trace.includes('behind close'));
    expect(trace).toEqual(['behind request', 'behind response', 'behind finish', 'behind close']);
  });

  it('ends with the gateway', async () => {
    const target = await startRawTarget((socket) => void socket.resume());
    const { instance, outcomes } = detaching();
    const gateway = await startWith(target, { caller: instance });
    await (await fetch(gateway.url)).text();
    await target.socket(0);
    await gateway.close();
    await expect(outcomes[0]).rejects.toMatchObject({ code: 'GW_SHUTTING_DOWN' });
    expect(gateway.accessLog().at(-1)).toMatchObject({ detached: true, code: 'GW_SHUTTING_DOWN' });
  });

  it('does not end the process when nobody awaits its failure', async () => {
    const target = await startRawTarget((socket) => void socket.resume());
    const gateway = await startWith(target, {
      caller: {
        onRequest(exchange) {
          void exchange.proceed({ detached: true });
          return { status: 200 };
        },
      },
    });
    await (await fetch(gateway.url)).text();
    await target.socket(0);
    await gateway.close();
  });
});
