import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { bodyFrom } from '../../src/core/body.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { ManualBody, poolFor, type TestPool } from '../support/pool.ts';
import { type RawTarget, startRaw } from '../support/raw-target.ts';
import { until } from '../support/until.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const EVIL = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function start(options: { minIdle?: number } = {}): Promise<TestPool & { raw: RawTarget }> {
  const raw = await startRaw();
  const pool = poolFor(raw.port, options);
  closers.push(() => raw.close());
  closers.push(() => pool.target.close());
  return { ...pool, raw };
}

/** Lets the first connection answer `head` to `method`, and returns it. */
async function answerFirst({ send, raw }: Awaited<ReturnType<typeof start>>, head: string, method: string) {
  const first = send({ method });
  const connection = await raw.connection(0);
  await connection.takeHead();
  connection.write(head);
  expect(await first.outcome).toMatchObject({ body: '', isWhole: true });
  return connection;
}

describe('bytes that come late behind an answer without a body', () => {
  it.each([
    ['204', 'GET', `HTTP/1.1 204 No Content\r\nContent-Length: ${EVIL.length}\r\n\r\n`],
    ['204 in chunks', 'GET', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['304', 'GET', `HTTP/1.1 304 Not Modified\r\nContent-Length: ${EVIL.length}\r\n\r\n`],
    ['304 in chunks', 'GET', 'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['HEAD', 'HEAD', `HTTP/1.1 200 OK\r\nContent-Length: ${EVIL.length}\r\n\r\n`],
    ['HEAD in chunks', 'HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['HEAD without a length', 'HEAD', 'HTTP/1.1 404 Not Found\r\n\r\n'],
  ])('never answer the next client (%s)', async (_, method, head) => {
    const pool = await start();
    const first = await answerFirst(pool, head, method);
    const next = pool.send();
    const second = await pool.raw.connection(1);
    await second.takeHead();
    first.write(EVIL);
    await first.closed();
    second.write(OK);
    expect(await next.outcome).toMatchObject({ body: 'ok', isWhole: true });
    expect(first.received).toBe('');
  });

  it.each(['HTTP/1.1 204 No Content\r\n\r\n', 'HTTP/1.1 304 Not Modified\r\n\r\n'])(
    'never answer the next client when they come on their heels: %j',
    async (head) => {
      const pool = await start();
      const first = await answerFirst(pool, head, 'GET');
      first.write(EVIL);
      const next = pool.send();
      const second = await pool.raw.connection(1);
      await second.takeHead();
      second.write(OK);
      expect(await next.outcome).toMatchObject({ body: 'ok', isWhole: true });
      await first.closed();
    },
  );
});

describe('bytes that come before a request is out', () => {
  it('answer nothing: the request goes out on another connection, whatever its method', async () => {
    const pool = await start();
    const { send, raw } = pool;
    const first = send();
    const used = await raw.connection(0);
    await used.takeHead();
    used.write(OK);
    await first.outcome;
    // Both arrive while the loop stands still: first what makes the next request go out, then what nobody asked for.
    const trigger = await connectedPair();
    const sent = new Promise<ReturnType<typeof send>>((resolve) =>
      trigger.here.once('data', () => resolve(send({ method: 'POST', body: bodyFrom('buy') }))),
    );
    trigger.there.write('x');
    used.write(EVIL);
    blockLoop();
    const next = await sent;
    const other = await raw.connection(1);
    await other.takeHead();
    other.write(OK);
    expect(await next.outcome).toMatchObject({ body: 'ok', isWhole: true });
    expect(used.received).toBe('');
  });
});

describe('a connection that the target resets before a byte of the request is written', () => {
  it.each([
    ['that nobody has used', 1],
    ['that was used before', 0],
  ])('loses nothing: POST goes out on another one (one %s)', async (_, minIdle) => {
    const { send, raw, target } = await start({ minIdle });
    if (minIdle === 0) await use(send, raw);
    const first = await raw.connection(0);
    await until(() => target.idleConnections === 1);
    // What flows from a client is there once; what a policy has read can be had again.
    const flowing = new ManualBody();
    const body = minIdle === 0 ? bodyFrom('buy') : flowing;
    const trigger = await connectedPair();
    const sent = new Promise<ReturnType<typeof send>>((resolve) =>
      trigger.here.once('data', () => resolve(send({ method: 'POST', body }))),
    );
    trigger.there.write('x');
    first.socket.resetAndDestroy();
    blockLoop();
    const next = await sent;
    const other = await raw.connection(1);
    if (body === flowing) {
      await until(() => flowing.isPiped);
      flowing.give('buy');
      flowing.end();
    }
    await other.until((received) => received.includes('buy'));
    other.write(OK);
    expect(await next.outcome).toMatchObject({ body: 'ok', isWhole: true });
    expect(other.received.match(/POST/g)).toHaveLength(1);
    expect(flowing.isCancelled).toBe(false);
  });
});

/** Has the first connection answer once. */
async function use(send: TestPool['send'], raw: RawTarget): Promise<void> {
  const first = send();
  const used = await raw.connection(0);
  await used.takeHead();
  used.write(OK);
  await first.outcome;
}

async function connectedPair(): Promise<{ here: Socket; there: Socket }> {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, 'listening');
  const here = connect((server.address() as AddressInfo).port, LOOPBACK);
  const [[there]] = (await Promise.all([once(server, 'connection'), once(here, 'connect')])) as [
    [Socket],
    unknown,
  ];
  closers.push(
    () => server.close(),
    () => here.destroy(),
    () => there.destroy(),
  );
  return { here, there };
}

/** Lets the system carry what was written, while the event loop stands still. */
function blockLoop(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
}
