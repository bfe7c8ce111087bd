import { describe, expect, it } from 'vitest';
import type { PolicyInstance } from '../../src/core/policy.ts';
import { mirror } from '../../src/policies/mirror/mirror.ts';
import type { PolicyOptions } from '../../src/policies/policy-input.ts';
import { stubExchange, stubServices } from '../core/stub-exchange.ts';
import { startGateway, startRawTarget, startTarget, type TestConfig } from '../support/harness.ts';
import { metricsOf } from '../upstream/gateway-metrics.ts';
import { seededRandom } from '../upstream/stub-upstream.ts';

type MirrorInput = Omit<PolicyOptions['mirror'], 'upstream'>;

function startMirroring(
  real: { url: string },
  copy: { url: string },
  options: MirrorInput = {},
  route: Partial<NonNullable<TestConfig['routes']>[number]> = {},
) {
  return startGateway({
    upstreams: { real: { targets: [real.url] }, copy: { targets: [copy.url] } },
    routes: [
      {
        id: 'all',
        path: '/*',
        upstream: 'real',
        ...route,
        policies: [{ mirror: { upstream: 'copy', ...options } }, { 'ip-filter': { deny: ['203.0.113.9'] } }],
      },
    ],
    trustedProxies: ['127.0.0.1'],
  });
}

/** Records what it was asked, with the body, and answers with an error that nobody is to see. */
async function startCopy() {
  const bodies: string[] = [];
  const target = await startTarget(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    bodies.push(body);
    response.writeHead(500).end('wrong');
  });
  return { ...target, bodies };
}

describe('mirror', () => {
  it('sends a copy with path, query, header and body, and ignores the answer', async () => {
    const [real, copy] = [await startTarget(), await startCopy()];
    const { url } = await startMirroring(real, copy);
    const headers = { 'x-tenant': 'acme', 'content-type': 'text/plain' };
    const response = await fetch(`${url}/orders?page=2`, { method: 'POST', body: 'an order', headers });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ body: 'an order' });
    const { method, url: path, headers: sent } = await copy.request(0);
    expect({ method, path, tenant: sent['x-tenant'] }).toEqual({
      method: 'POST',
      path: '/orders?page=2',
      tenant: 'acme',
    });
    while (copy.bodies.length === 0) await new Promise(setImmediate);
    expect(copy.bodies).toEqual(['an order']);
    expect(sent.host).toBe(new URL(url).host);
    expect(sent['x-forwarded-for']).toBe('127.0.0.1');
  });

  it.each([
    ['rewrite', { path: '/api/:kind/:id', rewrite: '/v2/{params.kind}/{params.id}' }, '/v2/orders/7?page=2'],
    ['stripPrefix', { path: '/api/*', stripPrefix: '/api' }, '/orders/7?page=2'],
  ])('sends the path that the upstream sees after %s', async (_, route, expected) => {
    const [real, copy] = [await startTarget(), await startCopy()];
    const { url } = await startMirroring(real, copy, {}, route);
    expect(await (await fetch(`${url}/api/orders/7?page=2`)).json()).toMatchObject({ url: expected });
    expect((await copy.request(0)).url).toBe(expected);
  });

  it.each([
    ['preserve', (url: string) => new URL(url).host],
    ['target', (_: string, copy: { url: string }) => new URL(copy.url).host],
    ['orders.internal', () => 'orders.internal'],
  ])('tells the host that hostHeader: %s says', async (hostHeader, expected) => {
    const [real, copy] = [await startTarget(), await startCopy()];
    const { url } = await startMirroring(real, copy, {}, { hostHeader });
    await fetch(url);
    expect((await copy.request(0)).headers.host).toBe(expected(url, copy));
  });

  it('keeps credentials back but for those that are named', async () => {
    const [real, copy] = [await startTarget(), await startCopy()];
    const { url } = await startMirroring(real, copy, { credentials: ['Cookie'] });
    await fetch(url, { headers: { authorization: 'Bearer secret', cookie: 'a=b', 'x-api-key': 'secret' } });
    const { headers } = await copy.request(0);
    expect([headers.authorization, headers['x-api-key'], headers.cookie]).toEqual([
      undefined,
      undefined,
      'a=b',
    ]);
    expect(real.requests[0]?.headers.authorization).toBe('Bearer secret');
  });

  it('does not slow the real request when the copy hangs, and makes no more than it may', async () => {
    const [real, hung] = [await startTarget(), await startRawTarget(() => {})];
    const { url, adminPort } = await startMirroring(real, hung, { maxActive: 2 });
    for (let i = 0; i < 5; i++) expect((await fetch(url)).status).toBe(200);
    const metrics = await metricsOf(adminPort);
    expect(metrics).toContain('gateway_mirrored_requests_total{upstream="copy",result="sent"} 2');
    expect(metrics).toContain('gateway_mirrored_requests_total{upstream="copy",result="skipped"} 3');
  });

  it('copies nothing that did not reach its upstream, and no large bodies', async () => {
    const [real, copy] = [await startTarget(), await startCopy()];
    const { url, adminPort } = await startMirroring(real, copy, { maxBody: '10B' });
    expect((await fetch(url, { headers: { 'x-forwarded-for': '203.0.113.9' } })).status).toBe(403);
    await fetch(url, { method: 'PUT', body: 'more than ten bytes' });
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 5; i++) controller.enqueue(Buffer.from('five '));
        controller.close();
      },
    });
    await fetch(url, { method: 'PUT', body, duplex: 'half' } as RequestInit);
    const metrics = await metricsOf(adminPort);
    expect(metrics).toContain('gateway_mirrored_requests_total{upstream="copy",result="sent"} 0');
    expect(metrics).toContain('gateway_mirrored_requests_total{upstream="copy",result="skipped"} 2');
  });

  it('copies the share that it is told, at random', async () => {
    const random = seededRandom();
    let sent = 0;
    const ask = () => Promise.reject(new TypeError('asked'));
    const upstream = () => ({ send: () => void sent++, ask });
    const services = { ...stubServices().services, random, upstream };
    const options = mirror.options.parse({ upstream: 'copy', share: '10%', maxActive: 2000 });
    const instance = (await mirror.create(options, services)) as PolicyInstance;
    for (let i = 0; i < 2000; i++) {
      const exchange = Object.assign(stubExchange(), { upstreamPath: '/' });
      await instance.onRequest?.(exchange);
      instance.onFinish?.(exchange);
    }
    expect(Math.abs(sent - 200)).toBeLessThan(40);
  });

  it('copies none where the share is nothing', async () => {
    const [real, copy] = [await startTarget(), await startCopy()];
    const { url } = await startMirroring(real, copy, { share: '0%' });
    for (let i = 0; i < 5; i++) await fetch(url);
    expect(copy.requests).toHaveLength(0);
  });
});
