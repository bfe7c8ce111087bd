import { copyFile } from 'node:fs/promises';
import { get, request } from 'node:https';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { StubClock } from '../observability/stub-clock.ts';
import { makeCertificates, type TestCertificate } from '../support/certificates.ts';
import {
  readAll,
  startGateway,
  startTarget,
  type TestConfig,
  type TestGateway,
  type TestGatewayOptions,
} from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { until } from '../support/until.ts';

const authority = await makeCertificates();
const routes: TestConfig['routes'] = [{ id: 'all', path: '/*', respond: { status: 200, body: 'hello' } }];

function secureListener(...certificates: TestCertificate[]) {
  const files = certificates.map(({ certFile, keyFile }) => ({ certFile, keyFile }));
  return { host: LOOPBACK, port: 0, tls: { certificates: files } };
}

/** Asks over TLS; the body and the name of the certificate that was shown. */
function ask(
  port: number,
  servername = 'localhost',
): Promise<{ body: string; shownTo: string; reused: boolean }> {
  return new Promise((resolve, reject) => {
    const options = { port, host: LOOPBACK, servername, ca: authority.cert, agent: false };
    get(options, async (response) => {
      const socket = response.socket as TLSSocket;
      const shownTo = socket.getPeerCertificate().subject.CN as string;
      const reused = socket.isSessionReused();
      resolve({ body: (await readAll(response)).toString(), shownTo, reused });
    }).on('error', reject);
  });
}

describe('an HTTPS listener', () => {
  it('shows the certificate for the name asked for, and serves the routes', async () => {
    const [shop, api] = [
      await authority.issue({ names: ['shop.example'] }),
      await authority.issue({ names: ['*.api.example'] }),
    ];
    const { port } = await startGateway({ routes, listeners: [secureListener(shop, api)] });
    expect(await ask(port, 'shop.example')).toMatchObject({ body: 'hello', shownTo: 'shop.example' });
    expect(await ask(port, 'v1.api.example')).toMatchObject({ body: 'hello', shownTo: '*.api.example' });
  });

  it('tells targets that the client used https', async () => {
    const target = await startTarget();
    const { port } = await startGateway({
      listeners: [secureListener(await authority.issue())],
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    const { headers } = JSON.parse((await ask(port)).body);
    expect(headers['x-forwarded-proto']).toBe('https');
  });

  it('takes up replaced files by itself', async () => {
    const gateway = await startReplaceable();
    expect((await ask(gateway.port)).shownTo).toBe('old');
    await replace(gateway.folder, await authority.issue({ commonName: 'new' }));
    await until(async () => (await ask(gateway.port)).shownTo === 'new');
  });

  it('takes up replaced files at a reload, and keeps connections and sessions', async () => {
    const gateway = await startReplaceable({ clock: new StubClock() });
    const old = connect({
      port: gateway.port,
      host: LOOPBACK,
      servername: 'localhost',
      ca: authority.cert,
    });
    await new Promise((resolve) => old.once('secureConnect', resolve));
    await replace(gateway.folder, await authority.issue({ commonName: 'new' }));
    expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
    expect((await ask(gateway.port)).shownTo).toBe('new');
    old.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect((await readAll(old)).toString()).toMatch(/hello$/);
    expect(gateway.gateway.ports).toEqual([gateway.port]);
  });

  it('keeps its certificates where the replaced ones are broken', async () => {
    const gateway = await startReplaceable();
    await copyFile((await authority.issue({ fresh: true })).keyFile, join(gateway.folder, 'server.key'));
    const result = await gateway.gateway.reload();
    expect(result).toMatchObject({ ok: false, problems: [expect.stringContaining('is not the key of')] });
    expect((await ask(gateway.port)).shownTo).toBe('old');
  });

  it('takes up another minVersion at a reload', async () => {
    const certificate = await authority.issue();
    const listener = secureListener(certificate);
    const gateway = await startGateway({ routes, listeners: [listener] });
    const handshake = () =>
      new Promise((resolve) => {
        const options = {
          port: gateway.port,
          host: LOOPBACK,
          ca: authority.cert,
          maxVersion: 'TLSv1.2' as const,
        };
        const socket = connect(options, () => {
          resolve(socket.getProtocol());
          socket.destroy();
        });
        socket.on('error', () => resolve('refused'));
      });
    expect(await handshake()).toBe('TLSv1.2');
    const tls = { ...listener.tls, minVersion: '1.3' as const };
    await gateway.rewrite({ routes, listeners: [{ ...listener, tls }] });
    expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
    expect(await handshake()).toBe('refused');
  });

  it('takes large bodies and sends them back', async () => {
    const target = await startTarget(async (incoming, response) => response.end(await readAll(incoming)));
    const { port } = await startGateway({
      listeners: [secureListener(await authority.issue())],
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    const body = Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * 7919) >>> 5));
    const answers = Array.from({ length: 6 }, () => upload(port, body));
    for (const answer of await Promise.all(answers)) expect(answer.equals(body)).toBe(true);
  });
});

describe('redirectToHttps', () => {
  it('answers 308 to the same place, but for the challenges of certificate authorities', async () => {
    const secure = secureListener(await authority.issue());
    const plain = { host: LOOPBACK, port: 0, redirectToHttps: 8443 };
    const { ports } = await startGateway({ routes, listeners: [plain, secure] });
    const answer = await fetch(`http://${LOOPBACK}:${ports[0]}/a/../b?c=d`, { redirect: 'manual' });
    expect(answer.status).toBe(308);
    expect(answer.headers.get('location')).toBe(`https://${LOOPBACK}:8443/b?c=d`);
    const challenge = await fetch(`http://${LOOPBACK}:${ports[0]}/.well-known/acme-challenge/x`);
    expect(challenge.status).toBe(200);
    expect(await ask(ports[1] as number)).toMatchObject({ body: 'hello' });
  });

  it('can be switched on at a reload', async () => {
    const gateway = await startGateway({ routes });
    const listeners = [{ host: LOOPBACK, port: 0, redirectToHttps: 443 }];
    await gateway.rewrite({ routes, listeners });
    await gateway.gateway.reload();
    expect((await fetch(gateway.url, { redirect: 'manual' })).status).toBe(308);
  });
});

/** Starts a gateway whose certificate files lie in its folder, the first one issued to `old`. */
async function startReplaceable(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const { cert, key } = await authority.issue({ commonName: 'old' });
  const files = { 'server.pem': cert, 'server.key': key };
  const tls = { certificates: [{ certFile: './server.pem', keyFile: './server.key' }] };
  return startGateway({ routes, listeners: [{ host: LOOPBACK, port: 0, tls }] }, { files, ...options });
}

async function replace(folder: string, certificate: TestCertificate): Promise<void> {
  await copyFile(certificate.certFile, join(folder, 'server.pem'));
  await copyFile(certificate.keyFile, join(folder, 'server.key'));
}

function upload(port: number, body: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { port, host: LOOPBACK, ca: authority.cert, method: 'POST', agent: false };
    request(options, (response) => readAll(response).then(resolve, reject))
      .on('error', reject)
      .end(body);
  });
}
