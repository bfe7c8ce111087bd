import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readAll, startGateway, startTarget, type TestGateway } from '../support/harness.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { metricsOf } from '../upstream/gateway-metrics.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');

/** Starts a gateway that delivers to a receiver, which answers each delivery in turn with one of `statuses`, the last ones with 204. */
async function start(statuses: readonly number[], more: object = {}) {
  const redis = await RedisServer.start({ config: ['appendonly yes'] });
  onTestFinished(() => redis.close());
  const deliveries: { readonly headers: IncomingMessage['headers']; readonly body: string }[] = [];
  const receiver = await startTarget(async (request, response) => {
    const index =
      deliveries.push({ headers: request.headers, body: (await readAll(request)).toString() }) - 1;
    response.writeHead(statuses[index] ?? 204).end();
  });
  const gateway = await startGateway({
    redis: { url: redis.url, commandTimeout: '5s' },
    dataDir: './data',
    respondAsync: {
      webhooks: [receiver.url],
      webhookSecret: `whsec_${KEY}`,
      privateWebhooks: true,
      ...more,
    },
    routes: [{ id: 'a', path: '/*', respond: { status: 201, body: 'done' }, policies: ['respond-async'] }],
  });
  return { gateway, receiver, deliveries };
}

async function accept(gateway: TestGateway, callback: string) {
  const headers = { prefer: `respond-async, callback; url="${callback}"` };
  const response = await fetch(`${gateway.url}/report`, { method: 'POST', headers, body: 'x' });
  return { response, text: await response.text() };
}

describe('a result with a callback', () => {
  test('is delivered signed, again where the receiver fails, and can be fetched as well', async () => {
    const { gateway, receiver, deliveries } = await start([500]);
    const { response } = await accept(gateway, `${receiver.url}/hook?a=1`);
    expect([response.status, response.headers.get('preference-applied')]).toEqual([
      202,
      'respond-async, callback',
    ]);
    const location = response.headers.get('location') as string;
    const id = location.split('/').at(-1) as string;
    await until(() => deliveries.length === 2);
    for (const { headers, body } of deliveries) {
      const signed = `${id}.${headers['webhook-timestamp']}.${body}`;
      const signature = createHmac('sha256', Buffer.from(KEY, 'base64')).update(signed).digest('base64');
      expect(headers).toMatchObject({ 'webhook-id': id, 'webhook-signature': `v1,${signature}` });
      const { type, data } = JSON.parse(body);
      expect([type, data.id, data.status, Buffer.from(data.body, 'base64').toString()]).toEqual([
        'job.done',
        id,
        201,
        'done',
      ]);
    }
    expect(await (await fetch(gateway.url + location)).text()).toBe('done');
    await until(async () =>
      /gateway_async_webhooks_total\{outcome="delivered"\} 1/.test(await metricsOf(gateway.adminPort)),
    );
  });

  test('is delivered no more to a receiver that is gone (410)', async () => {
    const { gateway, receiver, deliveries } = await start([410]);
    await accept(gateway, receiver.url);
    await until(async () =>
      /gateway_async_webhooks_total\{outcome="failed"\} 1/.test(await metricsOf(gateway.adminPort)),
    );
    expect(deliveries).toHaveLength(1);
  });

  test('to another origin is rejected, and nothing is accepted', async () => {
    const { gateway, receiver } = await start([]);
    for (const callback of [
      'https://evil.example.com/',
      `${receiver.url.replace('http:', 'https:')}/`,
      `${receiver.url}1/`,
      receiver.url.replace('http://', 'http://user@'),
      receiver.url.replace('http://', 'http://evil.example.com#'),
      'no url',
      'file:///etc/passwd',
    ]) {
      const { response, text } = await accept(gateway, callback);
      expect([response.status, text.includes('GW_WEBHOOK_REJECTED')]).toEqual([400, true]);
    }
  });

  test('to a private address is not delivered unless that is allowed, with a secret that is made once', async () => {
    const { gateway, receiver, deliveries } = await start([], {
      privateWebhooks: false,
      webhookSecret: undefined,
    });
    const { response } = await accept(gateway, receiver.url);
    await until(async () => (await fetch(gateway.url + response.headers.get('location'))).status === 201);
    expect(deliveries).toHaveLength(0);
    const kept = readFileSync(path.join(gateway.folder, 'data/webhook-secret'), 'utf8');
    expect(kept).toMatch(/^whsec_[A-Za-z0-9+/]{43}=\n$/);
  });

  test('where none are delivered, is fetched', async () => {
    const { gateway, receiver } = await start([], { webhooks: [] });
    const { response } = await accept(gateway, receiver.url);
    expect([response.status, response.headers.get('preference-applied')]).toEqual([202, 'respond-async']);
  });
});
