import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Lookup } from '../../../src/http1/target/lookup.ts';
import { fullBacklog } from '../../support/full-backlog.ts';
import { LOOPBACK } from '../../support/loopback.ts';
import { poolFor, type TestPool } from '../../support/pool.ts';

/** Another address of this process alone. */
const OTHER = LOOPBACK.replace(/^127\.(\d+)/, (_, part) => `127.${Number(part) + 64}`);
const NOBODY = LOOPBACK.replace(/^127\.(\d+)/, (_, part) =>
  `127.${Number(part) + 128}`.replace('.255', '.254'),
);
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A pool whose target is a name with these addresses. */
function poolOfName(port: number, addresses: readonly string[]): TestPool {
  const lookup: Lookup = (_, onFound) => onFound(undefined, addresses);
  const pool = poolFor(port, { place: { kind: 'tcp', host: 'orders.internal', port } }, { lookup });
  closers.push(() => pool.target.close());
  return pool;
}

/** Answers each request on `host` with that address. */
async function listenOn(host: string, port: number): Promise<Server> {
  const server = createServer((socket) =>
    socket
      .on('error', () => {})
      .on('data', () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${host.length}\r\n\r\n${host}`)),
  ).listen(port, host);
  await once(server, 'listening');
  closers.push(() => server.close());
  return server;
}

describe.skipIf(process.platform === 'darwin')('a name with several addresses', () => {
  it('is reached at one whose handshake is slow, though the next one refuses meanwhile', async () => {
    const slow = await fullBacklog();
    closers.push(() => slow.close());
    const { send, clock } = poolOfName(slow.port, [LOOPBACK, NOBODY]);
    const sent = send();
    clock.advance(500);
    clock.advance(500);
    slow.open();
    expect(await sent.outcome).toMatchObject({ status: 200, body: 'ok' });
  });

  it('is reached at the next one when the first takes long', async () => {
    const slow = await fullBacklog();
    closers.push(() => slow.close());
    await listenOn(OTHER, slow.port);
    const { send, clock } = poolOfName(slow.port, [LOOPBACK, OTHER]);
    const sent = send();
    clock.advance(500);
    expect(await sent.outcome).toMatchObject({ status: 200, body: OTHER });
  });

  it('is reached at the next one at once when the first refuses', async () => {
    const slow = await fullBacklog();
    closers.push(() => slow.close());
    await listenOn(OTHER, slow.port);
    const { send } = poolOfName(slow.port, [NOBODY, OTHER]);
    expect(await send().outcome).toMatchObject({ status: 200, body: OTHER });
  });

  it('has the time for connecting once, not for each', async () => {
    const slow = await fullBacklog();
    closers.push(() => slow.close());
    const { send, clock, target } = poolOfName(slow.port, [LOOPBACK, LOOPBACK, LOOPBACK]);
    const sent = send();
    clock.advance(1000);
    clock.advance(2300);
    expect((await sent.outcome).error).toMatchObject({ code: 'GW_UPSTREAM_UNREACHABLE' });
    expect(target.openConnections).toBe(0);
  });

  it('is told to be unreachable at once when all refuse', async () => {
    const slow = await fullBacklog();
    closers.push(() => slow.close());
    const { send } = poolOfName(slow.port, [NOBODY, NOBODY]);
    const { error } = await send().outcome;
    expect(error).toMatchObject({ code: 'GW_UPSTREAM_UNREACHABLE', cause: { code: 'ECONNREFUSED' } });
  });
});

describe('a name that nobody knows', () => {
  it.each([
    ['an error', (_: string, onFound: Parameters<Lookup>[1]) => onFound(new Error('ENOTFOUND'), [])],
    ['no address', (_: string, onFound: Parameters<Lookup>[1]) => onFound(undefined, [])],
  ])('makes the target unreachable (%s)', async (_, lookup) => {
    const pool = poolFor(1, { place: { kind: 'tcp', host: 'nobody.internal', port: 1 } }, { lookup });
    expect((await pool.send().outcome).error).toMatchObject({ code: 'GW_UPSTREAM_UNREACHABLE' });
    expect(pool.target.openConnections).toBe(0);
  });
});
