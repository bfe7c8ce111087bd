import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { bodyFrom, EMPTY_BODY } from '../../src/core/body.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import type { ClientSink, RequestHandler, Tunnel } from '../../src/core/message.ts';
import { ClientConnection } from '../../src/http1/client/client-connection.ts';
import { Deadlines } from '../../src/http1/deadlines.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { RawClient } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { hasResponses } from '../support/raw-responses.ts';
import { until } from '../support/until.ts';

const LIMITS = {
  headerBytes: 16_384,
  urlBytes: 8192,
  headerCount: 100,
  headerTimeoutMs: 10_000,
  bodyIdleMs: 30_000,
  bodyMinRate: 1024,
  bodyMinRateAfterMs: 10_000,
  keepAliveMs: 72_000,
  requestTimeoutMs: 0,
  sendIdleMs: 60_000,
};

/** Serves connections of a port with the real thing, on a clock that the test moves. */
async function serve(handler: RequestHandler) {
  const clock = new StubClock();
  const deadlines = new Deadlines(clock);
  const connection = { isGone: false };
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.push(socket);
    const client = {
      remoteAddress: '127.0.0.1',
      remotePort: 1,
      localPort: 1,
      isSecure: false,
      serverName: undefined,
    };
    const reject = () => ({ status: 400 });
    new ClientConnection(socket, client, { handler, limits: LIMITS, deadlines, clock, reject }, () => {
      connection.isGone = true;
    });
  });
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    deadlines.close();
  });
  const client = await RawClient.connect((server.address() as AddressInfo).port);
  return {
    client,
    connection,
    pass: (ms: number) => passTime(clock, ms),
    /** Sends a text and waits until it was read. */
    async send(text: string) {
      client.write(text);
      await until(() => sockets[0]?.bytesRead === client.socket.bytesWritten);
    },
  };
}

/** Lets time pass in steps, with turns for what has become ready. */
async function passTime(clock: StubClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    clock.advance(100);
    for (let i = 0; i < 3; i++) await nextTurn();
  }
}

function answer(sink: ClientSink): void {
  sink.head({ status: 403, reason: '', headers: HeaderList.from(), length: 2 });
  bodyFrom('no').pipe(sink);
}

describe('after the last answer', () => {
  const endlessPost = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n';

  it('a client that still sends, with pauses, has half a minute for it', async () => {
    const { client, connection, pass, send } = await serve((_, sink) => answer(sink));
    client.write(endlessPost);
    await client.until(hasResponses(1));
    await client.heardEnd();
    for (let second = 0; second < 28; second++) {
      await send('x');
      await pass(1000);
    }
    expect(connection.isGone).toBe(false);
    for (let second = 0; second < 4; second++) {
      client.write('x');
      await pass(1000);
    }
    await until(() => connection.isGone);
  });

  it('a client that does nothing has two seconds', async () => {
    const { client, connection, pass, send } = await serve((_, sink) => answer(sink));
    client.write(endlessPost);
    await client.heardEnd();
    await pass(1500);
    await send('x');
    await pass(1500);
    expect(connection.isGone).toBe(false);
    await pass(1000);
    await until(() => connection.isGone);
  });
});

describe('a tunnel of which one side has said all', () => {
  const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n';

  class StubTunnel implements Tunnel {
    readonly length = undefined;
    onDrain: (() => void) | undefined = undefined;
    sink: Parameters<Tunnel['pipe']>[0] | undefined = undefined;
    received = '';
    hasEnded = false;
    wasAborted = false;

    pipe(sink: Parameters<Tunnel['pipe']>[0]): void {
      this.sink = sink;
    }

    write(chunk: Uint8Array): boolean {
      this.received += Buffer.from(chunk).toString();
      return true;
    }

    end(): void {
      this.hasEnded = true;
    }

    abort(): void {
      this.wasAborted = true;
    }

    resume(): void {}
    cancel(): void {}
  }

  async function openTunnel() {
    const tunnel = new StubTunnel();
    const { client, pass } = await serve((_, sink) => {
      const head = { status: 101, reason: '', headers: HeaderList.from(), length: EMPTY_BODY.length };
      sink.switchProtocols(head, tunnel);
    });
    client.write(upgrade);
    await client.take('\r\n\r\n');
    return { client, pass, tunnel };
  }

  it('lives for days while both sides are there', async () => {
    const { client, pass, tunnel } = await openTunnel();
    await pass(100_000);
    client.write('hello');
    await until(() => tunnel.received === 'hello');
  });

  it('is cut when the client, told so, neither sends nor leaves', async () => {
    const { client, pass, tunnel } = await openTunnel();
    tunnel.sink?.end();
    await client.heardEnd();
    await pass(20_000);
    client.write('still here');
    await until(() => tunnel.received === 'still here');
    await pass(20_000);
    expect(tunnel.wasAborted).toBe(false);
    await pass(15_000);
    await until(() => tunnel.wasAborted);
  });

  it('is cut when the target, told so, neither sends nor leaves', async () => {
    const { client, pass, tunnel } = await openTunnel();
    client.end();
    await until(() => tunnel.hasEnded);
    await pass(20_000);
    tunnel.sink?.write(Buffer.from('still here'));
    await client.take('still here');
    await pass(20_000);
    expect(tunnel.wasAborted).toBe(false);
    await pass(15_000);
    await until(() => tunnel.wasAborted);
  });
});
