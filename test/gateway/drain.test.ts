import { describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createGateway } from '../../src/gateway/create-gateway.ts';
import { GatewayProcess } from '../support/gateway-process.ts';
import { RawClient, rawRequest, startGateway, startTarget, type TestConfig } from '../support/harness.ts';
import { LOOPBACK, reservePort } from '../support/loopback.ts';
import { until } from '../support/until.ts';

const GET = 'GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n';

/** A target that begins its answer and ends it when told to. */
async function startSlow(): Promise<{ url: string; release(): void }> {
  let release: () => void = () => {};
  const target = await startTarget((_, response) => {
    response.write('begun ');
    release = () => response.end('ended');
  });
  return { url: target.url, release: () => release() };
}

function forwardingTo(url: string, drain: TestConfig['drain'], more: Partial<TestConfig> = {}): TestConfig {
  return {
    upstreams: { service: { targets: [url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    drain,
    ...more,
  };
}

describe('SIGTERM', () => {
  it('says not ready, finishes what is under way, logs it, and exits with 0', async () => {
    const target = await startSlow();
    const adminPort = await reservePort();
    const gateway = await GatewayProcess.start(
      forwardingTo(target.url, { delay: '3s', timeout: '10s' }, { admin: { port: adminPort } }),
    );
    const answer = await fetch(`http://${LOOPBACK}:${gateway.port}/slow`);
    gateway.signal('SIGTERM');
    await gateway.line('draining');
    const ready = await fetch(`http://${LOOPBACK}:${adminPort}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ state: 'draining' });
    // New connections are still taken: a load balancer may not have heard yet.
    target.release();
    expect(await answer.text()).toBe('begun ended');
    expect(await gateway.exit()).toBe(0);
    expect(gateway.lines).toContainEqual(
      expect.objectContaining({ msg: 'request', path: '/slow', status: 200 }),
    );
    expect(gateway.lines.at(-1)).toMatchObject({ msg: 'gateway stopped' });
  });

  it('exits at once when a second signal follows', async () => {
    const target = await startSlow();
    const gateway = await GatewayProcess.start(forwardingTo(target.url, { delay: '60s', timeout: '60s' }));
    await fetch(`http://${LOOPBACK}:${gateway.port}/`);
    gateway.signal('SIGTERM');
    await gateway.line('draining');
    gateway.signal('SIGINT');
    expect(await gateway.exit()).toBe(1);
  });

  it('loses no line of the access log', async () => {
    const gateway = await GatewayProcess.start({
      routes: [{ id: 'all', path: '/*', respond: { status: 204 } }],
      drain: { delay: '0s', timeout: '1s' },
    });
    const client = await RawClient.connect(gateway.port);
    client.write(GET.repeat(500));
    await client.until((received) => received.split('HTTP/1.1 204').length > 500);
    gateway.signal('SIGTERM');
    expect(await gateway.exit()).toBe(0);
    expect(gateway.lines.filter(({ msg }) => msg === 'request')).toHaveLength(500);
  });
});

describe('SIGHUP', () => {
  it('reloads', async () => {
    const config = (text: string): TestConfig => ({
      routes: [{ id: 'all', path: '/*', respond: { status: 200, body: text } }],
      drain: { delay: '0s' },
    });
    const gateway = await GatewayProcess.start(config('one'));
    await gateway.rewrite(config('two'));
    gateway.signal('SIGHUP');
    await gateway.line('configuration reloaded');
    expect(await (await fetch(`http://${LOOPBACK}:${gateway.port}/`)).text()).toBe('two');
  });
});

describe('a gateway that drains', () => {
  it('closes connections after the answer under way, and idle ones at once where none is to be spared', async () => {
    const target = await startSlow();
    const { gateway, port } = await startGateway(forwardingTo(target.url, { timeout: '10s' }));
    const [idle, busy] = [await RawClient.connect(port), await RawClient.connect(port)];
    busy.write(GET);
    await busy.until((received) => received.includes('begun'));
    const closing = gateway.close({ gracePeriodMs: 0 });
    expect(await idle.ended()).toBe('');
    await expect(rawRequest(port, GET)).rejects.toThrow();
    target.release();
    expect(await busy.ended()).toMatch(/ended\r\n0\r\n\r\n$/);
    await closing;
  });

  it('asks clients to close with the last answer that begins while it drains', async () => {
    let respond: () => void = () => {};
    const target = await startTarget((_, response) => {
      respond = () => response.end('late');
    });
    const { gateway, port } = await startGateway(forwardingTo(target.url, { timeout: '10s' }));
    const [idle, client] = [await RawClient.connect(port), await RawClient.connect(port)];
    client.write(GET);
    await target.request(0);
    const closing = gateway.close({ gracePeriodMs: 0 });
    await idle.ended();
    respond();
    expect(await client.ended()).toMatch(/\r\nconnection: close\r\n.*late$/is);
    await closing;
  });

  it('answers once more on idle connections where it is to spare them', async () => {
    const target = await startTarget((_, response) => response.end('answer'));
    const { gateway, port } = await startGateway(forwardingTo(target.url, { timeout: '10s' }));
    const [client, busy] = [await RawClient.connect(port), await RawClient.connect(port)];
    client.write(GET);
    await client.until((received) => received.includes('answer'));
    const closing = gateway.close({ gracePeriodMs: 60_000 });
    const isRejected = () =>
      RawClient.connect(port).then(
        (another) => another.destroy(),
        () => true,
      );
    await until(async () => (await isRejected()) === true);
    client.write(GET);
    const [first, second] = (await client.ended()).split('answer');
    expect(first).not.toMatch(/connection: close/i);
    expect(second).toMatch(/connection: close/i);
    busy.write(GET);
    expect(await busy.ended()).toMatch(/connection: close/i);
    await closing;
  });

  it('answers every request of clients that are busy, and tells each that the answer is the last', async () => {
    const routes = [{ id: 'all', path: '/*', respond: { status: 200, body: 'whole' } }];
    const { gateway, port } = await startGateway({ routes, drain: { timeout: '60s' } });
    const clients = await Promise.all(Array.from({ length: 30 }, () => RawClient.connect(port)));
    let answers = 0;
    const askUntilTold = async (client: RawClient): Promise<void> => {
      for (;;) {
        client.write(GET);
        const head = await client.take('whole');
        answers++;
        if (/\r\nconnection: close\r\n/i.test(head)) return client.destroy();
      }
    };
    const all = Promise.all(clients.map(askUntilTold));
    await until(() => answers > 300);
    await gateway.close();
    await all;
  });

  it('closes spared connections when their time is over', async () => {
    const { gateway, port } = await startGateway({ routes: [], drain: { timeout: '60s' } });
    const idle = await RawClient.connect(port);
    const closing = gateway.close({ gracePeriodMs: 50 });
    expect(await idle.ended()).toBe('');
    await closing;
  });

  it('cuts what is not finished in time', async () => {
    const target = await startSlow();
    const { gateway, url, accessLog } = await startGateway(forwardingTo(target.url, { timeout: '100ms' }));
    const answer = await fetch(url);
    await gateway.close();
    await expect(answer.text()).rejects.toThrow();
    expect(accessLog()).toMatchObject([{ code: 'GW_SHUTTING_DOWN' }]);
  });

  it('cuts WebSockets when the time is over', async () => {
    const target = await startTarget();
    new WebSocketServer({ server: target.server });
    const { gateway, port, accessLog } = await startGateway(forwardingTo(target.url, { timeout: '100ms' }));
    const socket = new WebSocket(`ws://${LOOPBACK}:${port}/`);
    await new Promise((resolve) => socket.once('open', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    await gateway.close();
    await closed;
    expect(accessLog()).toMatchObject([{ code: 'GW_SHUTTING_DOWN' }]);
  });

  it('is closed once, however often it is asked to', async () => {
    const { gateway } = await startGateway({ routes: [] });
    await Promise.all([gateway.close(), gateway.close()]);
    expect(gateway.state).toBe('closed');
    expect(await gateway.reload()).toEqual({ ok: false, problems: ['the gateway is closed'] });
  });

  it('opens nothing for a reload that was under way', async () => {
    const { gateway, rewrite } = await startGateway({ routes: [] });
    const port = await reservePort();
    const listeners = [
      { host: LOOPBACK, port: 0 },
      { host: LOOPBACK, port },
    ];
    await rewrite({ routes: [], listeners });
    const reloading = gateway.reload();
    await gateway.close();
    expect(await reloading).toMatchObject({ ok: false });
    await expect(rawRequest(port, GET)).rejects.toThrow();
  });

  it('does not become ready again when it is closed while it starts', async () => {
    const { configFile, close } = await startGateway({ routes: [] });
    const gateway = await createGateway({ configFile, env: {}, watch: false, logLevel: 'silent' });
    const starting = gateway.start();
    await Promise.all([gateway.close(), starting]);
    expect(gateway.state).toBe('closed');
    await close();
  });
});
