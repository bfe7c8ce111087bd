import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { createServer as createSecure, request as requestSecurely } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import { readAll, startGateway, startTarget } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';

const authority = await makeCertificates();
const server = await authority.issue();
const source = randomBytes(4 << 20);

/** Answers with as many bytes of `source` as the path says, in pieces, and with the hash of what it was sent. */
async function answer(
  incoming: import('node:http').IncomingMessage,
  response: import('node:http').ServerResponse,
): Promise<void> {
  const [, size = 0, piece = 1] = (incoming.url ?? '').split('/').map(Number);
  const hash = sha256(await readAll(incoming));
  response.setHeader('x-hash', hash);
  if (piece > 30_000) response.setHeader('content-length', size);
  for (let at = 0; at < size; at += piece) {
    if (!response.write(source.subarray(at, Math.min(size, at + piece)))) await once(response, 'drain');
  }
  response.end();
}

async function startSecureTarget(): Promise<{ url: string }> {
  const target = createSecure({ cert: server.cert, key: server.key }, (incoming, response) => {
    answer(incoming, response).catch(() => {});
  });
  target.listen(0, LOOPBACK);
  await once(target, 'listening');
  onTestFinished(() => {
    target.closeAllConnections();
    target.close();
  });
  return { url: `https://${LOOPBACK}:${(target.address() as AddressInfo).port}` };
}

/** Exchanges bodies, leaves some of the answers half read, and checks the hashes of the others. */
async function exchangeBodies(port: number, isSecure: boolean, seed: number): Promise<void> {
  const size = [10, 20_000, 70_000, 300_000, 1_500_000][seed % 5] as number;
  const piece = [900, 17_000, 40_000, 65_536][seed % 4] as number;
  const sent = source.subarray(seed, seed + ((seed * 77_777) % 900_000));
  const options = {
    port,
    host: LOOPBACK,
    ca: authority.cert,
    method: 'POST',
    agent: false,
    path: `/${size}/${piece}`,
  };
  const outgoing = isSecure ? requestSecurely(options) : request(options);
  outgoing.on('error', () => {});
  outgoing.end(sent);
  const [response] = (await once(outgoing, 'response')) as [import('node:http').IncomingMessage];
  if (seed % 7 === 3) return void response.destroy();
  const hash = createHash('sha256');
  for await (const chunk of response) {
    hash.update(chunk as Buffer);
    if (seed % 3 === 0) await wait(1);
  }
  expect(response.headers['x-hash']).toBe(sha256(sent));
  expect(hash.digest('hex')).toBe(sha256(source.subarray(0, size)));
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

it.each([
  ['plain to plain', false, false],
  ['plain to TLS', false, true],
  ['TLS to plain', true, false],
  ['TLS to TLS', true, true],
])(
  'bodies of many exchanges at a time never mix, whoever is slow or leaves: %s',
  async (_, isSecure, toSecure) => {
    const target = toSecure
      ? await startSecureTarget()
      : await startTarget((incoming, response) => void answer(incoming, response).catch(() => {}));
    const tls = { certificates: [{ certFile: server.certFile, keyFile: server.keyFile }] };
    const { port } = await startGateway({
      listeners: [{ host: LOOPBACK, port: 0, ...(isSecure && { tls }) }],
      upstreams: {
        service: { targets: [target.url], ...(toSecure && { tls: { caFile: authority.certFile } }) },
      },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    // Each size meets each piece, and more go on at a time than connections serve one after the other.
    const rounds = 30;
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < rounds) await exchangeBodies(port, isSecure, next++);
    };
    await Promise.all(Array.from({ length: 20 }, worker));
  },
);
