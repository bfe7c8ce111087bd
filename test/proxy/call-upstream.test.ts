import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { bodyFrom, readBody } from '../../src/core/body.ts';
import type { Exchange } from '../../src/core/exchange.ts';
import type { Reply } from '../../src/core/message.ts';
import { toResponse } from '../../src/core/reply.ts';
import type { AskOptions, UpstreamRequest, UpstreamSender } from '../../src/core/services.ts';
import { scripts } from '../gateway/fixtures/scripted-policy.ts';
import { released, startGateway, startRawTarget, startTarget, type TestConfig } from '../support/harness.ts';
import { LOOPBACK, reserveNobody } from '../support/loopback.ts';

afterEach(() => scripts.clear());

type Ask = (sender: UpstreamSender, exchange: Exchange) => Promise<Reply>;

const textOf = async (reply: Reply): Promise<string> =>
  (await readBody(toResponse(reply).body, 1 << 26)).toString();

/** A gateway whose policy answers with what `ask` gets of the upstream `other`, or with the code of the failure. */
async function startAsking(
  targets: readonly { url: string }[],
  ask: Ask,
  config: Partial<TestConfig> = {},
  policies: NonNullable<TestConfig['policies']> = [],
) {
  scripts.set('ask', ({ upstream }) => ({
    onRequest: (exchange) =>
      ask(upstream?.('other') as UpstreamSender, exchange).catch((error: unknown) => ({
        status: 599,
        body: (error as { code?: string }).code ?? String(error),
      })),
  }));
  return startGateway({
    customPolicies: {
      'test/scripted': fileURLToPath(new URL('../gateway/fixtures/scripted-policy.ts', import.meta.url)),
    },
    upstreams: { other: { targets: targets.map(({ url }) => url) } },
    routes: [
      {
        id: 'all',
        path: '/*',
        respond: { status: 200 },
        policies: [...policies, { 'test/scripted': { script: 'ask' } }],
      },
    ],
    ...config,
  });
}

const asking =
  (request: UpstreamRequest, options?: AskOptions): Ask =>
  (sender, exchange) =>
    sender.ask(exchange, request, options);

describe('what a policy asks an upstream', () => {
  it('tells whom it is for, and nothing of the client request but what is named', async () => {
    const target = await startTarget();
    const { url, port } = await startAsking(
      [target],
      asking({ method: 'POST', path: '/part?a=1', headers: { 'x-part': 'yes' }, body: 'question' }),
    );
    const headers = { authorization: 'Bearer secret', cookie: 'a=b', 'x-tenant': 'acme' };
    const response = await fetch(url, { headers });
    expect(response.status).toBe(200);
    const seen = (await response.json()) as { headers: Record<string, string> };
    expect(seen).toMatchObject({ method: 'POST', url: '/part?a=1', body: 'question' });
    expect(seen.headers).toEqual({
      host: target.url.slice('http://'.length),
      'x-part': 'yes',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': expect.stringMatching(/^https?$/),
      'x-forwarded-host': `${LOOPBACK}:${port}`,
      via: '1.1 sallyport',
      'content-length': '8',
      ...(seen.headers.connection && { connection: seen.headers.connection }),
    });
  });

  it.each([
    [true, 'ada'],
    [false, undefined],
  ])('says who is calling only where it is to: %s', async (identity, subject) => {
    scripts.set('ada', () => ({
      onRequest: (exchange) => {
        exchange.identity = { subject: 'ada', roles: [], permissions: [], method: 'test', claims: {} };
      },
    }));
    const { url } = await startAsking([await startTarget()], asking({ path: '/', identity }), {}, [
      { 'test/scripted': { script: 'ada' } },
    ]);
    const { headers } = (await (await fetch(url)).json()) as { headers: Record<string, string> };
    expect(headers['x-auth-subject']).toBe(subject);
  });

  it('goes to another target when one cannot be reached', async () => {
    const { url } = await startAsking([await reserveNobody(), await startTarget()], asking({ path: '/' }));
    for (let i = 0; i < 3; i++) expect((await fetch(url)).status).toBe(200);
  });

  it('fails with the code of the catalogue', async () => {
    const { url } = await startAsking([await reserveNobody()], asking({ path: '/' }));
    expect(await (await fetch(url)).text()).toBe('GW_UPSTREAM_UNREACHABLE');
  });

  it('fails when no head comes in its time', async () => {
    const hung = await startRawTarget((socket) => void socket.resume());
    const { url } = await startAsking([hung], asking({ path: '/', timeoutMs: 50 }));
    expect(await (await fetch(url)).text()).toBe('GW_UPSTREAM_TIMEOUT');
    await released(await hung.socket(0));
  });

  it.each([
    ['a path', { path: 'part' }],
    ['a path in two lines', { path: '/part\r\nx: y' }],
    ['a method', { method: 'GET /', path: '/' }],
    ['a host', { path: '/', host: 'a\r\nb' }],
    ['a header', { path: '/', headers: { 'x y': 'z' } }],
  ])('is refused where it is not HTTP: %s', async (_, request) => {
    const target = await startTarget();
    const { url } = await startAsking([target], asking(request));
    expect(await (await fetch(url)).text()).toMatch(/^TypeError/);
    expect(target.requests).toHaveLength(0);
  });

  it('streams a large answer whole', async () => {
    const body = 'x'.repeat(2_000_000);
    const target = await startTarget((_, response) => void response.end(body));
    const { url } = await startAsking([target], asking({ path: '/' }));
    expect(await (await fetch(url)).text()).toBe(body);
  });

  it('may be several things at once for one exchange', async () => {
    const { url } = await startAsking([await startTarget()], async (sender, exchange) => {
      const paths = ['/a', '/b', '/c'];
      const replies = await Promise.all(paths.map((path) => sender.ask(exchange, { path })));
      const bodies = await Promise.all(replies.map(textOf));
      return { status: 200, body: bodies.map((text) => JSON.parse(text).url).join() };
    });
    expect(await (await fetch(url)).text()).toBe('/a,/b,/c');
  });

  it('ends with the client, and by its signal', async () => {
    const target = await startRawTarget((socket) => void socket.resume());
    const leaving = new AbortController();
    const { url } = await startAsking([target], asking({ path: '/' }, { signal: leaving.signal }));
    const answer = fetch(url);
    const first = await target.socket(0);
    leaving.abort(new Error('enough'));
    expect(await (await answer).text()).toContain('enough');
    await released(first);
    const client = new AbortController();
    const other = await startAsking([target], asking({ path: '/' }));
    const left = fetch(other.url, { signal: client.signal }).catch(() => 'left');
    const second = await target.socket(1);
    client.abort();
    expect(await left).toBe('left');
    await released(second);
  });

  it('goes on without the client where it is detached', async () => {
    let release: () => void = () => {};
    const target = await startTarget((_, response) => {
      release = () => response.end('late');
    });
    let late: Promise<string> = Promise.resolve('');
    const { url } = await startAsking([target], async (sender, exchange) => {
      late = sender.ask(exchange, { path: '/', body: bodyFrom('x') }, { detached: true }).then(textOf);
      return { status: 200, body: 'at once' };
    });
    expect(await (await fetch(url)).text()).toBe('at once');
    await target.request(0);
    release();
    expect(await late).toBe('late');
  });
});
