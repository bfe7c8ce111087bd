import { connect, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { GatewayProcess } from '../support/gateway-process.ts';
import { rawRequest, startTarget } from '../support/harness.ts';
import { LOOPBACK, reservePort } from '../support/loopback.ts';
import { until } from '../support/until.ts';

const OPEN_FILES = 256;

/** A client that asks at once or, without a path, only connects. */
class Client {
  readonly socket: Socket;
  received = '';
  isClosed = false;

  constructor(port: number, path?: string) {
    this.socket = connect({ host: LOOPBACK, port }, () => {
      if (path !== undefined) this.socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    });
    this.socket.on('data', (bytes) => {
      this.received += bytes.toString('latin1');
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.isClosed = true;
    });
    onTestFinished(() => void this.socket.destroy());
  }

  get status(): number {
    return Number(/^HTTP\/1\.1 (\d+)/.exec(this.received)?.[1] ?? 0);
  }
}

async function start(targetUrl: string) {
  const operators = await reservePort();
  const gateway = await GatewayProcess.start(
    {
      status: { host: LOOPBACK, port: operators },
      upstreams: {
        a: { targets: [targetUrl], retries: { max: 0 }, health: { passive: { failures: 3 } } },
      },
      routes: [{ id: 'all', path: '/*', upstream: 'a' }],
      accessLog: false,
    },
    {},
    { openFiles: OPEN_FILES },
  );
  const ask = async (path: string): Promise<string> =>
    (await fetch(`http://${LOOPBACK}:${operators}${path}`, { headers: { connection: 'close' } })).text();
  return { gateway, port: gateway.port, ask };
}

describe('a process that runs out of descriptors', () => {
  it('refuses clients, says so, answers operators meanwhile, and serves when there are some again', async () => {
    const target = await startTarget((_, response) => response.end('hello'));
    const { gateway, port, ask } = await start(target.url);
    const first = await rawRequest(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(first).toMatch(/^HTTP\/1\.1 200/);
    const clients = Array.from({ length: 800 }, () => new Client(port));
    await until(() => clients.filter(({ isClosed }) => isClosed).length >= 800 - OPEN_FILES);
    await until(() => clients.some(({ status }) => status === 503));
    expect(clients.find(({ status }) => status === 503)?.received).toContain('GW_TOO_MANY_CONNECTIONS');
    // One that was let in before still gets its answer: there is a descriptor for its target.
    const known = clients.find(({ isClosed, status }) => !isClosed && status === 0) as Client;
    known.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => known.status === 200);
    const readiness = await ask('/readyz');
    expect(readiness).toContain(`file descriptors are short: this process may have ${OPEN_FILES}`);
    const metrics = await ask('/metrics');
    expect(metrics).toMatch(/^gateway_descriptor_shortages_total\{side="client"\} [1-9]/m);
    expect(metrics).toMatch(new RegExp(`^process_max_fds ${OPEN_FILES}$`, 'm'));
    expect(Number(/^process_open_fds (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(150);
    for (const { socket } of clients) socket.destroy();
    await until(async () => {
      const again = new Client(port, '/');
      await until(() => again.isClosed || again.status !== 0);
      again.socket.destroy();
      return again.status === 200;
    });
    // Lines are handed over now and then.
    await until(() => gateway.lines.some(({ msg }) => String(msg).startsWith('connections are rejected')));
    const told = gateway.lines.filter(({ level }) => Number(level) >= 40).map(({ msg }) => String(msg));
    // Once in ten seconds, of hundreds.
    expect(told.filter((msg) => msg.startsWith('connections are rejected')).length).toBeLessThan(10);
    expect(told.filter((msg) => msg.startsWith('limits.connections lets in more'))).toHaveLength(1);
    expect(told.filter((msg) => msg.startsWith('target'))).toEqual([]);
  });

  it('is warned of once by all of its processes together, and not again by a reload', async () => {
    const config = (path: string) => ({
      workers: 2,
      routes: [{ id: 'all', path, respond: { status: 200 } }],
      accessLog: false,
    });
    const gateway = await GatewayProcess.start(config('/*'), {}, { openFiles: OPEN_FILES });
    await gateway.rewrite(config('/other'));
    gateway.signal('SIGHUP');
    await gateway.line('configuration reloaded');
    const told = gateway.lines.filter(({ msg }) => String(msg).startsWith('limits.connections lets in more'));
    expect(told).toHaveLength(1);
  });

  it('blames no target for it', async () => {
    let isHeld = true;
    const held: (() => void)[] = [];
    const target = await startTarget((_, response) => {
      if (isHeld) held.push(() => void response.end('late'));
      else response.end('hello');
    });
    const { gateway, port, ask } = await start(target.url);
    const clients = Array.from({ length: 140 }, () => new Client(port));
    const isIn = /^gateway_open_connections\{side="client"\} 140$/m;
    await until(async () => isIn.test(await ask('/metrics')));
    for (const { socket } of clients) socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(async () => /shortages_total\{side="target"\} [1-9]/.test(await ask('/metrics')));
    isHeld = false;
    for (const answer of held.splice(0)) answer();
    await until(() => clients.every(({ status, isClosed }) => status !== 0 || isClosed));
    // Who had to wait got one of the connections that there were.
    expect(new Set(clients.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await ask('/metrics')).toMatch(/^gateway_upstream_target_healthy\{.*\} 1$/m);
    expect(gateway.lines.filter(({ msg }) => String(msg).startsWith('target'))).toEqual([]);
  });
});
