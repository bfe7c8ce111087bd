import type { ServerResponse } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { Snapshot } from '../../src/snapshot/snapshot.ts';
import {
  RawClient,
  startGateway,
  startTarget,
  type TestConfig,
  type TestGateway,
} from '../support/harness.ts';
import { until } from '../support/until.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** A target whose answers go on until the test ends them. */
async function startStreams() {
  const streams: ServerResponse[] = [];
  const target = await startTarget((request, response) => {
    const headers: Record<string, string> =
      request.url === '/download'
        ? { 'content-length': '100000000' }
        : { 'content-type': 'text/event-stream' };
    response.writeHead(200, headers).write('data: first\n\n');
    streams.push(response);
  });
  return { target, streams };
}

function configOf(url: string, policies: readonly unknown[] = []): TestConfig {
  return {
    accessLog: true,
    upstreams: { service: { targets: [url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service', policies } as never],
  };
}

async function open(gateway: TestGateway, path: string): Promise<RawClient> {
  const client = await RawClient.connect(gateway.port);
  client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await until(() => client.received.includes('data: first'));
  return client;
}

/** Starts a gateway, and reloads it once: what it was started with it keeps for itself. */
async function startReloaded(config: TestConfig): Promise<TestGateway> {
  const gateway = await startGateway(config);
  await reload(gateway, { ...config, forwarded: true });
  return gateway;
}

/** Watches the Snapshot that runs, and what is large of it. The returned function tells whether all of it is freed. */
function watchSnapshot({ gateway }: TestGateway): () => boolean {
  const { snapshot } = (gateway as unknown as { readonly current: { readonly snapshot: Snapshot } }).current;
  const parts = [snapshot, snapshot.config, snapshot.router, snapshot.routes];
  let kept = parts.length;
  const registry = new FinalizationRegistry(() => kept--);
  // A registry that nobody knows any more says nothing.
  onTestFinished(() => void registry.unregister(registry));
  for (const part of parts.splice(0)) registry.register(part, undefined);
  return () => {
    collectGarbage();
    return kept === 0;
  };
}

async function reload(gateway: TestGateway, config: TestConfig): Promise<void> {
  await gateway.rewrite(config);
  expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
}

const inUse = async ({ gateway }: TestGateway): Promise<number> =>
  Number(/^gateway_snapshots (\d+)$/m.exec((await gateway.metrics()).text)?.[1]);

describe('an answer that goes on for long', () => {
  it.each(['/events', '/download'])(
    'holds nothing of the configuration that it began with: %s',
    async (path) => {
      const { target, streams } = await startStreams();
      const gateway = await startReloaded(
        configOf(target.url, [{ headers: { response: { set: { 'x-a': 'b' } } } }]),
      );
      const client = await open(gateway, path);
      const isFreed = watchSnapshot(gateway);
      await reload(gateway, configOf(target.url));
      await until(async () => (await inUse(gateway)) === 1);
      await until(isFreed);
      streams[0]?.write('data: second\n\n');
      await until(() => client.received.includes('data: second'));
      expect(client.received).toContain('x-a: b');
      client.destroy();
      await until(() => {
        // What is sent tells that nobody is there.
        streams[0]?.write('data: more\n\n');
        return gateway.accessLog().length === 1;
      });
      expect(gateway.accessLog()[0]).toMatchObject({ route: 'all', status: 200 });
    },
  );

  it('keeps its configuration where a policy still waits for its end', async () => {
    const { target, streams } = await startStreams();
    const gateway = await startReloaded(configOf(target.url, [{ concurrency: { limit: 1 } }]));
    const client = await open(gateway, '/events');
    await reload(gateway, configOf(target.url));
    expect(await inUse(gateway)).toBe(2);
    streams[0]?.end();
    await until(() => client.received.endsWith('0\r\n\r\n'));
    await until(async () => (await inUse(gateway)) === 1);
  });

  it('may be a tunnel, which holds nothing either', async () => {
    const { target } = await startStreams();
    const sockets = new WebSocketServer({ server: target.server });
    onTestFinished(() => void sockets.close());
    const gateway = await startReloaded(configOf(target.url));
    const socket = new WebSocket(gateway.url.replace('http', 'ws'), { rejectUnauthorized: false });
    onTestFinished(() => socket.terminate());
    await new Promise((resolve) => socket.once('open', resolve));
    const isFreed = watchSnapshot(gateway);
    await reload(gateway, { ...configOf(target.url), accessLog: false });
    await until(async () => (await inUse(gateway)) === 1);
    await until(isFreed);
  });
});
