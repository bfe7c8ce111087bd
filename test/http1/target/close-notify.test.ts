import { once } from 'node:events';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { makeCertificates } from '../../support/certificates.ts';
import { LOOPBACK } from '../../support/loopback.ts';
import { poolFor } from '../../support/pool.ts';

const { cert, key, certificate } = await (async () => {
  const authority = await makeCertificates();
  return { certificate: authority.cert, ...(await authority.issue()) };
})();
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** How the connection ends: as TLS says, or by a FIN of TCP alone, maybe in the middle of a record. */
type Ending = 'close_notify' | 'close_notify later' | 'fin' | 'fin within a record';

/**
 * Starts a TLS target that answers with `pieces`, and behind it what carries its bytes to the gateway, which ends the
 * connection as `ending` says, whatever the target does.
 */
async function startEnding(pieces: readonly string[], ending: Ending, version: 'TLSv1.2' | 'TLSv1.3') {
  const onEnd: ((isNotified: boolean) => void)[] = [];
  const answer = async (socket: TLSSocket): Promise<void> => {
    for (const piece of pieces) await new Promise<void>((done) => socket.write(piece, () => done()));
    if (ending === 'close_notify') return void socket.end();
    await nextRoundTrip(socket);
    if (ending === 'close_notify later') socket.end();
    else onEnd.shift()?.(false);
  };
  const server = createServer({ cert, key, maxVersion: version, minVersion: version }, (socket) => {
    socket.on('error', () => {}).once('data', () => void answer(socket));
  }).listen(0, LOOPBACK);
  await once(server, 'listening');
  const carrier = createTcpServer({ allowHalfOpen: true }, (client) => {
    const { port } = server.address() as AddressInfo;
    const target = connect({ port, host: LOOPBACK, allowHalfOpen: true });
    for (const socket of [client, target] as Socket[]) {
      socket.on('error', () => {});
      closers.push(() => socket.destroy());
    }
    client.pipe(target);
    target.pipe(client, { end: false });
    target.on('end', () => client.end());
    onEnd.push(() => {
      target.unpipe(client);
      if (ending === 'fin within a record') client.write(Buffer.from([23, 3, 3, 0, 80, 1, 2, 3]));
      client.end();
    });
  }).listen(0, LOOPBACK);
  await once(carrier, 'listening');
  closers.push(
    () => server.close(),
    () => carrier.close(),
  );
  return poolFor((carrier.address() as AddressInfo).port, { tls: { ca: certificate } });
}

/** Waits until what was written must have arrived: another pair of sockets of the same loop has had its turn. */
async function nextRoundTrip(_: TLSSocket): Promise<void> {
  const server = createTcpServer((socket) => socket.pipe(socket)).listen(0, LOOPBACK);
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, LOOPBACK);
  for (let i = 0; i < 5; i++) {
    socket.write('x');
    await once(socket, 'data');
  }
  socket.destroy();
  server.close();
}

const UNTIL_CLOSE = ['HTTP/1.1 200 OK\r\n\r\n', 'hello'];

describe.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'an answer over %s that ends with its connection',
  (version) => {
    it.each([
      ['close_notify', UNTIL_CLOSE],
      ['close_notify', [UNTIL_CLOSE.join('')]],
      ['close_notify', ['HTTP/1.0 200 OK\r\n\r\nhe', 'llo']],
      ['close_notify later', UNTIL_CLOSE],
    ] as const)('is whole when the target says so by %s: %j', async (ending, pieces) => {
      const { send } = await startEnding(pieces, ending, version);
      expect(await send().outcome).toMatchObject({ status: 200, body: 'hello', isWhole: true });
    });

    it.each([
      ['fin', UNTIL_CLOSE],
      ['fin', [UNTIL_CLOSE.join('')]],
      ['fin', ['HTTP/1.0 200 OK\r\n\r\nhe', 'llo']],
      ['fin within a record', UNTIL_CLOSE],
    ] as const)('is broken by %s, which anybody on the way can send: %j', async (ending, pieces) => {
      const { send } = await startEnding(pieces, ending, version);
      const outcome = await send().outcome;
      expect(outcome).toMatchObject({ status: 200, isWhole: false });
      expect(outcome.error).toMatchObject({ code: 'GW_UPSTREAM_BROKEN', status: 502 });
    });

    it('may have no byte of a body and is broken all the same', async () => {
      const { send } = await startEnding(['HTTP/1.1 200 OK\r\n\r\n'], 'fin', version);
      expect(await send().outcome).toMatchObject({ status: 200, isWhole: false });
    });

    it.each([
      ['chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', false],
      ['chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n', true],
      ['counted', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello', false],
      ['counted', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', true],
    ])('counts for itself where it is %s, however the connection ends: %j', async (_, answer, isWhole) => {
      for (const ending of ['fin', 'close_notify'] as const) {
        const { send } = await startEnding([answer], ending, version);
        expect(await send().outcome).toMatchObject({ status: 200, body: 'hello', isWhole });
      }
    });
  },
);
