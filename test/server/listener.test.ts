import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { ClientInfo } from '../../src/core/message.ts';
import type { Log, Metrics } from '../../src/core/services.ts';
import { type CertificateStore, loadCertificates } from '../../src/server/certificates.ts';
import {
  type ConnectionSource,
  type ConnectionTaker,
  ListeningPort,
} from '../../src/server/connection-source.ts';
import {
  type Connection,
  type Listener,
  type ListenerOptions,
  type ListenerServices,
  openListener,
} from '../../src/server/listener.ts';
import { type CertificateRequest, makeCertificates } from '../support/certificates.ts';
import { LOOPBACK } from '../support/loopback.ts';

const authority = await makeCertificates();
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Stands for the engine: greets whoever connects, and answers each piece of data by the number of its bytes. */
class Greeter implements Connection {
  readonly socket: Socket;
  readonly info: ClientInfo;

  constructor(socket: Socket, info: ClientInfo) {
    this.socket = socket;
    this.info = info;
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => socket.write(`got ${data.length}`));
    socket.on('end', () => socket.end('bye'));
    socket.write('hello');
  }

  drain(): void {
    this.socket.end('draining');
  }

  drainWithGrace(): void {
    this.socket.write('retiring ');
  }

  destroy(): void {
    this.socket.destroy();
  }
}

interface Setup {
  readonly listener: Listener;
  readonly accepted: Greeter[];
  readonly logged: string[];
  /** Counters and gauges by name. */
  count(name: string): number;
  /** Lets the time pass for which tasks wait. */
  runTimers(): void;
}

function makeServices(): { services: ListenerServices } & Pick<Setup, 'logged' | 'count' | 'runTimers'> {
  const logged: string[] = [];
  const values = new Map<string, () => number>();
  const timers = new Set<() => void>();
  const note = (level: string) => (_: object, message: string) => void logged.push(`${level}: ${message}`);
  const log: Log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') };
  const metrics: Metrics = {
    counter(name) {
      let total = 0;
      values.set(name, () => total);
      return {
        add(amount = 1) {
          total += amount;
        },
      };
    },
    gauge(name, _help, _labels, read) {
      values.set(name, read);
      return () => values.delete(name);
    },
  };
  const clock = {
    now: () => 0,
    monotonic: () => 0,
    every: () => () => {},
    after(_delayMs: number, task: () => void) {
      timers.add(task);
      return () => timers.delete(task);
    },
  };
  return {
    services: { log, metrics, clock },
    logged,
    count: (name) => values.get(name)?.() ?? Number.NaN,
    runTimers() {
      for (const task of timers) task();
      timers.clear();
    },
  };
}

async function open(options: Partial<ListenerOptions> = {}): Promise<Setup> {
  const accepted: Greeter[] = [];
  const { services, ...rest } = makeServices();
  const listener = await openListener(
    { host: LOOPBACK, port: 0, maxConnections: 100, ...options },
    (socket, info) => {
      const greeter = new Greeter(socket, info);
      accepted.push(greeter);
      return greeter;
    },
    services,
  );
  cleanups.push(() => listener.close());
  return { listener, accepted, ...rest };
}

async function storeOf(...requests: CertificateRequest[]): Promise<CertificateStore> {
  const files = await Promise.all(requests.map((request) => authority.issue(request)));
  return loadCertificates(files, { minVersion: '1.2', now: Date.now() });
}

/** Reads until `text` has come. */
async function read(socket: Socket, text: string): Promise<void> {
  let received = '';
  for await (const [chunk] of dataOf(socket)) {
    received += String(chunk);
    if (received.includes(text)) return;
  }
  throw new Error(`the connection ended after '${received}'`);
}

async function* dataOf(socket: Socket): AsyncGenerator<[Buffer]> {
  while (!socket.readableEnded && !socket.destroyed) {
    const chunk = socket.read() as Buffer | null;
    if (chunk) yield [chunk];
    else await Promise.race([once(socket, 'readable'), once(socket, 'end'), closeOf(socket)]);
  }
}

/** Unlike `once`, does not mind an error before. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

async function readAll(socket: Socket): Promise<string> {
  let received = '';
  for await (const [chunk] of dataOf(socket)) received += String(chunk);
  return received;
}

function client(port: number, host = LOOPBACK, allowHalfOpen = false): Socket {
  const socket = connect({ port, host, allowHalfOpen });
  socket.on('error', () => {});
  cleanups.push(() => socket.destroy());
  return socket;
}

function secureClient(port: number, options: ConnectionOptions = {}): TLSSocket {
  const socket = connectTls({
    port,
    host: LOOPBACK,
    ca: authority.cert,
    servername: 'localhost',
    ...options,
  });
  socket.on('error', () => {});
  cleanups.push(() => socket.destroy());
  return socket;
}

describe('a listener', () => {
  it('gives connections away with what is known of the client', async () => {
    const { listener, accepted } = await open();
    const socket = client(listener.port);
    await read(socket, 'hello');
    expect(accepted[0]?.info).toEqual({
      remoteAddress: '127.0.0.1',
      remotePort: socket.localPort,
      localPort: listener.port,
      isSecure: false,
      serverName: undefined,
    });
    expect([...listener.connections]).toEqual(accepted);
  });

  it('writes IPv4 clients of an IPv6 port as IPv4', async () => {
    const { listener, accepted } = await open({ host: '::' });
    await read(client(listener.port), 'hello');
    await read(client(listener.port, '::1'), 'hello');
    expect(accepted.map((greeter) => greeter.info.remoteAddress)).toEqual(['127.0.0.1', '::1']);
  });

  it('lets a client close its side and still get the answer', async () => {
    const { listener } = await open();
    const socket = client(listener.port, LOOPBACK, true);
    socket.end();
    expect(await readAll(socket)).toBe('hellobye');
  });

  it('forgets connections that are closed', async () => {
    const { listener, accepted, count } = await open();
    const socket = client(listener.port);
    await read(socket, 'hello');
    expect(count('gateway_listener_connections')).toBe(1);
    socket.destroy();
    await closeOf(accepted[0]?.socket as Socket);
    expect(count('gateway_listener_connections')).toBe(0);
  });

  it('answers 503 above the limit, counts it, and takes connections again when there is room', async () => {
    const { listener, accepted, count } = await open({ maxConnections: 1 });
    const first = client(listener.port);
    await read(first, 'hello');
    const second = client(listener.port);
    second.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const answer = await readAll(second);
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n/);
    expect(head).toContain('connection: close');
    expect(head).toContain('retry-after: 1');
    expect(head).toContain(`content-length: ${body.length}`);
    expect(JSON.parse(body)).toMatchObject({ code: 'GW_TOO_MANY_CONNECTIONS', status: 503 });
    expect(count('gateway_connections_refused_total')).toBe(1);
    first.destroy();
    await closeOf(accepted[0]?.socket as Socket);
    await read(client(listener.port), 'hello');
  });

  it('takes another limit while it is open', async () => {
    const { listener, count } = await open({ maxConnections: 1 });
    await read(client(listener.port), 'hello');
    listener.setMaxConnections(2);
    await read(client(listener.port), 'hello');
    await read(client(listener.port), 'GW_TOO_MANY_CONNECTIONS');
    expect(count('gateway_connections_refused_total')).toBe(1);
  });

  it('does not keep a refused connection that the client leaves open', async () => {
    const { listener, runTimers } = await open({ maxConnections: 1 });
    const first = client(listener.port);
    await read(first, 'hello');
    const second = client(listener.port, LOOPBACK, true);
    await read(second, 'GW_TOO_MANY_CONNECTIONS');
    runTimers();
    first.destroy();
    expect(await listener.drain(20_000)).toBe(0);
  });

  it('keeps open connections when it stops accepting', async () => {
    const { listener } = await open();
    const socket = client(listener.port);
    await read(socket, 'hello');
    listener.stopAccepting();
    const refused = client(listener.port);
    await closeOf(refused);
    expect(refused.bytesRead).toBe(0);
    socket.write('1234');
    await read(socket, 'got 4');
  });

  it('drains its connections and ends when the last one is closed', async () => {
    const { listener, count } = await open();
    const socket = client(listener.port);
    await read(socket, 'hello');
    const drained = listener.drain(20_000, 0);
    expect(await readAll(socket)).toBe('draining');
    expect(await drained).toBe(0);
    expect(count('gateway_listener_connections')).toBeNaN();
  });

  it('cuts what is still open when the time to drain is over', async () => {
    const { listener, runTimers } = await open();
    const socket = client(listener.port, LOOPBACK, true);
    await read(socket, 'hello');
    const drained = listener.drain(20_000, 0);
    await read(socket, 'draining');
    runTimers();
    expect(await drained).toBe(1);
  });

  it('closes everything at once', async () => {
    const { listener } = await open();
    const socket = client(listener.port, LOOPBACK, true);
    await read(socket, 'hello');
    const closed = once(socket, 'end');
    await listener.close();
    await closed;
    expect(listener.connections.size).toBe(0);
  });

  it('says which address is in use and what to do', async () => {
    const { listener } = await open();
    await expect(open({ port: listener.port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: `cannot listen on ${LOOPBACK}:${listener.port}: the port is in use — stop the process that has it, or choose another port`,
    });
  });

  it('says when the machine has no such address', async () => {
    await expect(open({ host: '192.0.2.1' })).rejects.toThrow(
      'cannot listen on 192.0.2.1:0: this machine has no such address — write one that it has, or 0.0.0.0 for all',
    );
  });

  it('logs a failure to accept, not each of thousands, and stays', async () => {
    let taker: ConnectionTaker | undefined;
    const port = new ListeningPort({ host: LOOPBACK, port: 0 });
    const source: ConnectionSource = {
      get port() {
        return port.port;
      },
      open(given) {
        taker = given;
        return port.open(given);
      },
      close: () => port.close(),
    };
    const { listener, logged } = await open({ source });
    for (let i = 0; i < 3; i++) taker?.fail(new Error('accept EMFILE'));
    expect(logged).toEqual([
      expect.stringMatching(/^error: cannot accept connections; raise the limit of open files/),
    ]);
    await read(client(listener.port), 'hello');
  });

  it('survives a process that has no file left', async () => {
    const fixture = `${import.meta.dirname}/fixtures/listener-process.ts`;
    const script = 'ulimit -n 40; exec "$0" "$@"';
    const child = spawn('/bin/sh', ['-c', script, process.execPath, fixture, LOOPBACK], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    cleanups.push(() => child.kill());
    const [port] = (await once(createInterface(child.stdout), 'line')) as [string];
    const crowd = Array.from({ length: 60 }, () => client(Number(port)));
    const shed = crowd.map((socket) => closeOf(socket));
    await Promise.race(shed);
    for (const socket of crowd) socket.destroy();
    await Promise.all(shed);
    // Until the process has closed its sides too, another one may still be shed.
    const isAnswered = async (): Promise<boolean> => (await readAll(client(Number(port)).end())) === 'hello';
    while (!(await isAnswered()));
    expect(child.exitCode).toBeNull();
  });
});

describe('a listener with TLS', () => {
  it.each(['http/1.1', 'http/1.0'])('speaks %s where the client offers only that', async (protocol) => {
    const { listener } = await open({ certificates: await storeOf({ names: ['localhost'] }) });
    const socket = secureClient(listener.port, { ALPNProtocols: ['h2', protocol] });
    await read(socket, 'hello');
    expect(socket.alpnProtocol).toBe(protocol);
  });

  it('shows the certificate for the name asked for and passes the name on', async () => {
    const store = await storeOf({ names: ['localhost'] }, { names: ['api.test'] });
    const { listener, accepted } = await open({ certificates: store });
    const socket = secureClient(listener.port, { servername: 'api.test', ALPNProtocols: ['h2', 'http/1.1'] });
    await read(socket, 'hello');
    expect(socket.getPeerCertificate().subject.CN).toBe('api.test');
    expect(socket.authorized).toBe(true);
    expect(socket.alpnProtocol).toBe('http/1.1');
    expect(accepted[0]?.info).toMatchObject({
      isSecure: true,
      serverName: 'api.test',
      remoteAddress: '127.0.0.1',
    });
  });

  it('shows the first certificate to a client that asks for no name', async () => {
    const { listener, accepted } = await open({ certificates: await storeOf({}, { names: ['api.test'] }) });
    const socket = secureClient(listener.port, { servername: '' });
    await read(socket, 'hello');
    expect(socket.getPeerCertificate().subject.CN).toBe('localhost');
    expect(accepted[0]?.info.serverName).toBeUndefined();
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s', async (version) => {
    const { listener } = await open({ certificates: await storeOf({}) });
    const socket = secureClient(listener.port, { minVersion: version, maxVersion: version });
    await read(socket, 'hello');
    expect(socket.getProtocol()).toBe(version);
  });

  it('refuses TLS 1.1, ciphers without forward secrecy, and other protocols', async () => {
    const { listener, accepted, count, logged } = await open({ certificates: await storeOf({}) });
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const weak = { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' } as const;
    for (const options of [old, weak, { ALPNProtocols: ['h2'] }]) {
      await closeOf(secureClient(listener.port, options));
    }
    expect(accepted).toEqual([]);
    expect(count('gateway_tls_handshakes_failed_total')).toBe(3);
    expect(logged).toEqual(Array(3).fill('debug: the TLS handshake failed'));
  });

  it('survives what is not TLS', async () => {
    const { listener, count } = await open({ certificates: await storeOf({}) });
    const socket = client(listener.port);
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await closeOf(socket);
    expect(count('gateway_tls_handshakes_failed_total')).toBe(1);
    await read(secureClient(listener.port), 'hello');
  });

  it('closes a connection whose handshake takes too long', async () => {
    const { listener, accepted, count } = await open({
      certificates: await storeOf({}),
      handshakeTimeoutMs: 20,
    });
    await closeOf(client(listener.port));
    expect(accepted).toEqual([]);
    expect(count('gateway_tls_handshakes_failed_total')).toBe(1);
  });

  it('drops connections above the limit, those that still shake hands included', async () => {
    const { listener, count } = await open({ certificates: await storeOf({}), maxConnections: 2 });
    await read(secureClient(listener.port), 'hello');
    await once(client(listener.port), 'connect');
    const third = secureClient(listener.port);
    await closeOf(third);
    expect(third.bytesRead).toBe(0);
    expect(count('gateway_connections_refused_total')).toBe(1);
  });

  it('takes another limit while it is open', async () => {
    const { listener } = await open({ certificates: await storeOf({}), maxConnections: 1 });
    await read(secureClient(listener.port), 'hello');
    listener.setMaxConnections(2);
    await read(secureClient(listener.port), 'hello');
    await closeOf(secureClient(listener.port));
  });

  it('closes connections that still shake hands', async () => {
    const { listener } = await open({ certificates: await storeOf({}) });
    const socket = client(listener.port);
    await once(socket, 'connect');
    await read(secureClient(listener.port), 'hello');
    const closed = closeOf(socket);
    await listener.close();
    await closed;
  });

  it('replaces certificates for new connections, default and by name, and keeps the open ones', async () => {
    const { listener } = await open({ certificates: await storeOf({}, { names: ['api.test'] }) });
    const before = secureClient(listener.port);
    await read(before, 'hello');
    listener.setCertificates(
      await storeOf({ names: ['localhost', 'fresh.test', LOOPBACK], commonName: 'fresh' }),
    );
    for (const servername of ['', 'localhost', 'fresh.test']) {
      const after = secureClient(listener.port, { servername });
      await read(after, 'hello');
      expect(after.getPeerCertificate().subject.CN).toBe('fresh');
    }
    before.write('123');
    await read(before, 'got 3');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'resumes sessions of %s after certificates were replaced',
    async (version) => {
      const request = { names: ['localhost', 'api.test'] };
      const { listener } = await open({ certificates: await storeOf(request) });
      const options = { maxVersion: version, minVersion: version, servername: 'api.test' } as const;
      const first = secureClient(listener.port, options);
      const [[session]] = await Promise.all([
        once(first, 'session') as Promise<[Buffer]>,
        read(first, 'hello'),
      ]);
      listener.setCertificates(await storeOf({ ...request, commonName: 'fresh' }));
      const second = secureClient(listener.port, { ...options, session });
      await read(second, 'hello');
      expect(second.isSessionReused()).toBe(true);
    },
  );

  it('has no certificates to replace without TLS', async () => {
    const { listener } = await open();
    expect(() => listener.setCertificates({} as CertificateStore)).toThrow(TypeError);
  });
});
