import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import { startGateway } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';

const authority = await makeCertificates();

async function startSecure() {
  const { certFile, keyFile } = await authority.issue();
  const other = await authority.issue({ names: ['shop.example'] });
  const certificates = [
    { certFile, keyFile },
    { certFile: other.certFile, keyFile: other.keyFile },
  ];
  return startGateway({
    listeners: [{ host: LOOPBACK, port: 0, tls: { certificates } }],
    routes: [{ id: 'all', path: '/*', respond: { status: 200, body: 'hello' } }],
  });
}

/** Asks for a second handshake on a connection of TLS 1.2. Resolves with what went wrong. */
async function renegotiate(socket: TLSSocket): Promise<unknown> {
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  return new Promise((resolve) => {
    socket.once('error', resolve);
    socket.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error ?? 'renegotiated'));
  });
}

async function open(port: number, servername: string): Promise<TLSSocket> {
  const socket = connect({ port, host: LOOPBACK, servername, ca: authority.cert, maxVersion: 'TLSv1.2' });
  await once(socket, 'secureConnect');
  return socket;
}

describe('a second handshake on a connection', () => {
  it.each(['localhost', 'shop.example'])('is refused to clients that asked for %s', async (servername) => {
    const { port } = await startSecure();
    expect(await renegotiate(await open(port, servername))).toMatchObject({
      message: expect.stringMatching(/no renegotiation/i),
    });
  });

  it('is refused after certificates were replaced', async () => {
    const gateway = await startSecure();
    const { certFile, keyFile } = await authority.issue({ fresh: true });
    await gateway.rewrite({
      listeners: [{ host: LOOPBACK, port: 0, tls: { certificates: [{ certFile, keyFile }] } }],
      routes: [],
    });
    expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
    expect(await renegotiate(await open(gateway.port, 'localhost'))).toMatchObject({
      message: expect.stringMatching(/no renegotiation/i),
    });
  });

  it('is refused to openssl', async () => {
    const { port } = await startSecure();
    const client = spawn('openssl', ['s_client', '-tls1_2', '-connect', `${LOOPBACK}:${port}`]);
    onTestFinished(() => void client.kill());
    let said = '';
    client.stdout.on('data', (chunk) => {
      const wasConnected = said.includes('Verify return code');
      said += chunk;
      if (!wasConnected && said.includes('Verify return code')) client.stdin.write('R\n');
    });
    client.stderr.on('data', (chunk) => (said += chunk));
    await once(client, 'close');
    expect(said).toMatch(/RENEGOTIATING/);
    expect(said).toMatch(/no renegotiation/i);
  });

  it('is refused to targets', async () => {
    const { cert, key } = await authority.issue();
    const outcomes: unknown[] = [];
    const target: Server = createServer({ cert, key, maxVersion: 'TLSv1.2' }, (socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        void renegotiate(socket).then((outcome) => {
          outcomes.push(outcome);
          socket.destroy();
        });
      });
    });
    target.listen(0, LOOPBACK);
    await once(target, 'listening');
    onTestFinished(() => void target.close());
    const { gateway } = await startGateway({
      upstreams: {
        service: {
          targets: [`https://${LOOPBACK}:${(target.address() as AddressInfo).port}`],
          tls: { caFile: authority.certFile },
          retries: { max: 0 },
        },
      },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    expect((await gateway.inject({ url: '/' })).status).toBe(502);
    expect(outcomes).toEqual([
      expect.objectContaining({ message: expect.stringMatching(/no renegotiation/i) }),
    ]);
  });
});
