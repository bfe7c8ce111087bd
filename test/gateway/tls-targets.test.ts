import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import type { TestConfig, TestGateway } from '../support/harness.ts';
import { RawClient, readAll, startGateway } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { poolFor } from '../support/pool.ts';
import { startRaw } from '../support/raw-target.ts';

const authority = await makeCertificates();
const server = await authority.issue();
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

type Handler = Parameters<typeof createServer>[1];

/** Starts an HTTPS target with a certificate for the loopback. */
async function startSecure(
  handler: Handler,
  options: ServerOptions = {},
): Promise<{ url: string; port: number }> {
  const target = createServer({ cert: server.cert, key: server.key, ...options }, handler);
  target.on('tlsClientError', () => {});
  target.listen(0, LOOPBACK);
  await once(target, 'listening');
  closers.push(() => {
    target.closeAllConnections();
    target.close();
  });
  const { port } = target.address() as AddressInfo;
  return { url: `https://${LOOPBACK}:${port}`, port };
}

type TlsConfig = NonNullable<NonNullable<TestConfig['upstreams']>[string]['tls']>;

function startTo(url: string, tls: TlsConfig, more: object = {}): Promise<TestGateway> {
  return startGateway({
    upstreams: { service: { targets: [url], tls, ...more } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
  });
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Bytes that differ everywhere, so that a buffer used twice shows. */
function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(Math.imul(i + seed, 2654435761) >>> 0, i);
  return bytes;
}

describe('an HTTPS target', () => {
  it('is verified by the authority that the configuration names', async () => {
    const { url } = await startSecure((_, response) => response.end('hello'));
    const gateway = await startTo(url, { caFile: authority.certFile });
    expect(await (await fetch(gateway.url)).text()).toBe('hello');
  });

  it.each([
    [
      'another authority',
      async () => ({ caFile: (await makeCertificates('Other CA')).certFile }),
      /self-signed|unable to (get|verify)/,
    ],
    ['no authority but those of the system', async () => ({}), /self-signed|unable to (get|verify)/],
    [
      'another name',
      async () => ({ caFile: authority.certFile, serverName: 'shop.example' }),
      /shop\.example/,
    ],
  ])('is not reached where %s is to vouch for it, and the log says why', async (_, tls, why) => {
    let requests = 0;
    const { url } = await startSecure((_request, response) => {
      requests++;
      response.end();
    });
    const gateway = await startTo(url, await tls());
    const answer = await fetch(gateway.url);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(await answer.json()).toMatchObject({ code: 'GW_UPSTREAM_UNREACHABLE' });
    expect(JSON.stringify(gateway.accessLog()[0]?.cause)).toMatch(why);
    expect(requests).toBe(0);
  });

  it('is taken as it is where verification is skipped', async () => {
    const { url } = await startSecure((_, response) => response.end('hello'));
    const gateway = await startTo(url, { dangerouslySkipTlsVerification: true });
    expect(await (await fetch(gateway.url)).text()).toBe('hello');
  });

  it('is asked for, and verified by, the name that the configuration gives', async () => {
    const named = await authority.issue({ names: ['internal.example'] });
    const { url } = await startSecure(
      (request, response) => response.end(String((request.socket as TLSSocket).servername)),
      named,
    );
    const gateway = await startTo(url, { caFile: authority.certFile, serverName: 'internal.example' });
    expect(await (await fetch(gateway.url)).text()).toBe('internal.example');
  });

  it('sees the certificate of the gateway', async () => {
    const client = await authority.issue({ names: ['gateway.example'], client: true });
    const { url } = await startSecure(
      (request, response) => response.end((request.socket as TLSSocket).getPeerCertificate().subject.CN),
      { requestCert: true, rejectUnauthorized: true, ca: authority.cert },
    );
    const { certFile, keyFile } = client;
    const gateway = await startTo(url, { caFile: authority.certFile, certFile, keyFile });
    expect(await (await fetch(gateway.url)).text()).toBe('gateway.example');
  });

  it('that refuses the gateway without a certificate is answered 502 or 503', async () => {
    const { url } = await startSecure((_, response) => response.end(), {
      requestCert: true,
      rejectUnauthorized: true,
      ca: authority.cert,
    });
    const gateway = await startTo(url, { caFile: authority.certFile });
    expect([502, 503]).toContain((await fetch(gateway.url)).status);
    expect(JSON.stringify(gateway.accessLog()[0]?.cause)).toMatch(/certificate/i);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'resumes the session of an earlier connection with %s',
    async (version) => {
      const reused: boolean[] = [];
      const { url } = await startSecure(
        (request, response) => {
          reused.push((request.socket as TLSSocket).isSessionReused());
          response.setHeader('connection', 'close');
          response.end();
        },
        { minVersion: version, maxVersion: version },
      );
      const gateway = await startTo(url, { caFile: authority.certFile });
      for (let i = 0; i < 3; i++) await (await fetch(gateway.url)).text();
      expect(reused).toEqual([false, true, true]);
    },
  );

  it('is used again on the same connection', async () => {
    const sockets = new Set();
    const { url } = await startSecure((request, response) => {
      sockets.add(request.socket);
      response.end();
    });
    const gateway = await startTo(url, { caFile: authority.certFile });
    for (let i = 0; i < 4; i++) await (await fetch(gateway.url)).text();
    expect(sockets.size).toBe(1);
  });

  it('that speaks no TLS is answered 503', async () => {
    const raw = await startRaw((connection) => connection.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    closers.push(() => raw.close());
    const gateway = await startTo(raw.url.replace('http:', 'https:'), { caFile: authority.certFile });
    expect((await fetch(gateway.url)).status).toBe(503);
  });

  it('that never ends its handshake is answered 503 after the time for connecting', async () => {
    const raw = await startRaw();
    closers.push(() => raw.close());
    const tls = { caFile: authority.certFile };
    const gateway = await startTo(raw.url.replace('http:', 'https:'), tls, {
      timeouts: { connect: '200ms' },
    });
    const answer = await fetch(gateway.url);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ code: 'GW_UPSTREAM_UNREACHABLE' });
  });
});

describe('bodies over TLS', () => {
  it.each([
    ['a stated length', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 60000\r\n\r\n', ''],
    [
      'chunks',
      'HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nea60\r\n',
      '\r\n0\r\n\r\n',
    ],
    ['no stated end', 'HTTP/1.1 200 OK\r\n\r\n', ''],
  ])('with %s come whole though the target ends before a slow client took them', async (_, head, tail) => {
    const body = 'abcdefghij'.repeat(6000);
    const raw = await startRaw(
      async (connection) => {
        await connection.takeHead();
        connection.socket.end(head + body + tail);
      },
      { cert: server.cert, key: server.key },
    );
    closers.push(() => raw.close());
    const { send, target } = poolFor(raw.port, { tls: { ca: authority.cert } });
    closers.push(() => target.close());
    const sink = send();
    sink.isSlow = true;
    await sink.headed;
    const drain = setInterval(() => sink.onDrain?.(), 5);
    closers.push(() => clearInterval(drain));
    const outcome = await sink.outcome;
    expect(outcome).toMatchObject({ isWhole: true });
    expect(outcome.body === body).toBe(true);
  });

  it('come through unchanged, many at a time, both ways', async () => {
    const { url } = await startSecure(async (request, response) => {
      const body = await readAll(request);
      response.setHeader('x-hash', sha256(body));
      if (request.url?.includes('chunked') === false) response.setHeader('content-length', body.length);
      response.end(body);
    });
    const gateway = await startTo(url, { caFile: authority.certFile });
    const sizes = [1, 16_384, 16_385, 65_536, 300_000, 1 << 20, 3_000_001, 8 << 20];
    await Promise.all(
      sizes.flatMap((size, i) =>
        ['length', 'chunked'].map(async (kind) => {
          const sent = pattern(size, i);
          const answer = await fetch(`${gateway.url}/${kind}`, { method: 'POST', body: sent });
          expect(answer.headers.get('x-hash')).toBe(sha256(sent));
          expect(sha256(Buffer.from(await answer.arrayBuffer()))).toBe(sha256(sent));
        }),
      ),
    );
  });

  it('come through unchanged to clients that read slowly', async () => {
    const body = pattern(2 << 20, 7);
    const { url } = await startSecure((_, response) => {
      response.setHeader('content-length', body.length);
      response.end(body);
    });
    const gateway = await startTo(url, { caFile: authority.certFile });
    const hashes = Array.from({ length: 8 }, async () => {
      const client = await RawClient.connect(gateway.port);
      client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      const pacing = setInterval(() => {
        client.socket.pause();
        setImmediate(() => client.socket.resume());
      }, 2);
      const text = await client.ended();
      clearInterval(pacing);
      return sha256(Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1'));
    });
    expect(new Set(await Promise.all(hashes))).toEqual(new Set([sha256(body)]));
  });
});
