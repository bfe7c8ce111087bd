import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createGateway } from '../../../src/index.ts';
import { startTarget, type TestTarget } from '../../support/harness.ts';
import { until } from '../../support/until.ts';

const lasting = { 'cache-control': 'max-age=60' };

async function start(config: object) {
  const gateway = await createGateway({
    config: { listeners: [{ port: 0 }], accessLog: false, ...config } as never,
  });
  onTestFinished(() => gateway.close());
  const get = async (url: string, method = 'GET') => {
    const { status, body, headers } = await gateway.inject({ url, method });
    return { status, text: body.toString(), verdict: headers.get('cache-status') ?? '', headers };
  };
  return { gateway, get };
}

/** A service whose responses are numbered. */
function startCounting(control: Record<string, string> = lasting): Promise<TestTarget> {
  let count = 0;
  return startTarget((request, response) => {
    response.writeHead(200, { ...control, 'content-type': 'application/json' });
    response.end(request.method === 'HEAD' ? undefined : JSON.stringify({ n: count++ }));
  });
}

describe('a cache in front of', () => {
  it('an app in the same process stores what that answers, for GET and HEAD', async () => {
    let asked = 0;
    const app = async (fastify: {
      get(
        path: string,
        handler: (request: unknown, reply: { header(n: string, v: string): unknown }) => unknown,
      ): void;
    }) =>
      fastify.get('/a', async (_, reply) => {
        asked++;
        reply.header('cache-control', 'max-age=60');
        return { asked };
      });
    const { get } = await start({
      upstreams: { app: { app } },
      routes: [{ id: 'all', path: '/*', upstream: 'app', policies: [{ cache: {} }] }],
    });
    const first = await get('/a');
    expect(await get('/a')).toMatchObject({ text: first.text, verdict: expect.stringContaining('hit') });
    const head = await get('/a', 'HEAD');
    expect([head.text, head.headers.get('content-length')]).toEqual(['', String(first.text.length)]);
    expect(asked).toBe(1);
  });

  it('hedged attempts stores the response that came first, once', async () => {
    const waiting: ServerResponse[] = [];
    const slow = await startTarget((_: IncomingMessage, response) => void waiting.push(response));
    const quick = await startCounting();
    const { get } = await start({
      upstreams: {
        both: {
          targets: [slow.url, quick.url],
          hedge: { after: '20ms', budget: '100%' },
          balance: 'round-robin',
        },
      },
      routes: [{ id: 'all', path: '/*', upstream: 'both', policies: [{ cache: {} }] }],
    });
    const texts = await Promise.all(['/a', '/a', '/a'].map(async (path) => (await get(path)).text));
    expect(new Set(texts).size).toBe(1);
    for (const response of waiting) response.writeHead(200, lasting).end('late');
    expect(await get('/a')).toMatchObject({ text: texts[0], verdict: expect.stringContaining('hit') });
  });

  it('an aggregate stores the whole of it where that is said, and asks no part again', async () => {
    const parts = await startCounting();
    const { get } = await start({
      upstreams: { parts: { targets: [parts.url] } },
      routes: [
        {
          id: 'all',
          path: '/home',
          policies: [{ cache: { maxAge: '60s', override: true } }],
          aggregate: {
            parts: { one: { upstream: 'parts', path: '/1' }, two: { upstream: 'parts', path: '/2' } },
            response: { one: '{parts.one.body.n}', two: '{parts.two.body.n}' },
          },
        },
      ],
    });
    const first = await get('/home');
    const again = await get('/home');
    expect(again.status).toBe(200);
    expect(again).toMatchObject({ text: first.text, verdict: expect.stringContaining('hit') });
    expect(parts.requests).toHaveLength(2);
  });

  it('a mirror has hits copied to nobody', async () => {
    const [real, copy] = [await startCounting(), await startCounting()];
    for (const policies of [
      [{ mirror: { upstream: 'copy' } }, { cache: {} }],
      [{ cache: {} }, { mirror: { upstream: 'copy' } }],
    ]) {
      const before = copy.requests.length;
      const { get } = await start({
        upstreams: { real: { targets: [real.url] }, copy: { targets: [copy.url] } },
        routes: [{ id: 'all', path: '/*', upstream: 'real', policies }],
      });
      await get('/a');
      for (let i = 0; i < 5; i++) expect((await get('/a')).verdict).toContain('hit');
      await until(() => copy.requests.length > before);
      expect(copy.requests.length).toBe(before + 1);
    }
  });

  it('a service that is refreshed behind a client comes to its end while the gateway drains', async () => {
    const waiting: ServerResponse[] = [];
    let count = 0;
    const target = await startTarget((_: IncomingMessage, response) => {
      response.setHeader('cache-control', 'max-age=0, stale-while-revalidate=60');
      if (count++ === 0) response.end('old');
      else waiting.push(response);
    });
    const { gateway, get } = await start({
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service', policies: [{ cache: {} }] }],
    });
    await get('/a');
    expect((await get('/a')).text).toBe('old');
    await until(() => waiting.length === 1);
    const closed = gateway.close();
    waiting[0]?.end('new');
    await closed;
    expect(count).toBe(2);
  });
});
