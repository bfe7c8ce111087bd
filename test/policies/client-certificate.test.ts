import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Identity } from '../../src/core/identity/identity.ts';
import type { ClientCertificate } from '../../src/core/message.ts';
import { clientCertificate } from '../../src/policies/client-certificate.ts';
import { describeCertificate } from '../../src/server/client-certificate.ts';
import { stubExchange, stubServices } from '../core/stub-exchange.ts';
import { type CertificateRequest, makeCertificates, type TestCertificate } from '../support/certificates.ts';
import { startGateway, startTarget } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';

const partners = await makeCertificates('Partners CA');
const others = await makeCertificates('Other CA');
const client = (request: CertificateRequest = {}) =>
  partners.issue({ client: true, names: ['orders.partner.example'], commonName: 'orders', ...request });

interface SetUp {
  readonly required?: boolean;
  readonly policies?: readonly unknown[];
}

async function setUp({ required = false, policies = ['client-certificate'] }: SetUp = {}) {
  const target = await startTarget();
  const { certFile, keyFile } = await (await makeCertificates()).issue();
  const tls = {
    certificates: [{ certFile, keyFile }],
    clientCertificates: { caFile: './partners.pem', required },
  };
  const config = {
    listeners: [{ host: LOOPBACK, port: 0, tls }],
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    policies,
  };
  const gateway = await startGateway(config as never, { files: { 'partners.pem': partners.cert } });
  return { target, gateway, config };
}

async function open(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({
    host: LOOPBACK,
    port,
    rejectUnauthorized: false,
    servername: 'localhost',
    ...options,
  });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

/** Asks on a connection and takes the session with which another one can resume it. */
async function askForSession(socket: TLSSocket): Promise<{ answer: string; session: Buffer }> {
  // TLS 1.3 sends it behind the handshake, 1.2 within.
  const ticket = socket.getProtocol() === 'TLSv1.3' ? once(socket, 'session') : [socket.getSession()];
  const answer = await ask(socket);
  const [session] = (await ticket) as [Buffer];
  return { answer, session };
}

/** Asks on a connection; the status, or what broke it. */
async function ask(socket: TLSSocket, headers = ''): Promise<string> {
  socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${headers}\r\n`);
  return new Promise((resolve) => {
    let received = '';
    const over = () => resolve(received === '' ? 'closed' : received);
    socket.once('error', over).once('close', over);
    socket.on('data', function take(chunk) {
      received += chunk.toString('latin1');
      const [head, body] = received.split('\r\n\r\n');
      const length = /content-length: (\d+)/i.exec(head ?? '')?.[1];
      if (body === undefined || body.length < Number(length ?? 0)) return;
      socket.off('data', take);
      resolve(received);
    });
  });
}

const statusOf = (answer: string): string => /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? answer;
const queryOnce = async (port: number, options?: ConnectionOptions, headers?: string) =>
  ask(await open(port, options), headers);

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('over %s', (version) => {
  const tls = { minVersion: version, maxVersion: version } as const;

  test('a certificate of the authority says who is calling', async () => {
    const clients = { orders: { roles: ['service'] } };
    const { gateway } = await setUp({
      policies: [
        { 'client-certificate': { clients } },
        { authorize: { roles: ['service'], claims: { sub: 'orders' } } },
      ],
    });
    expect(statusOf(await queryOnce(gateway.port, { ...tls, ...(await client()) }))).toBe('200');
    const other = await client({ commonName: 'users' });
    expect(statusOf(await queryOnce(gateway.port, { ...tls, ...other }))).toBe('401');
  });

  test.each<[string, () => Promise<TestCertificate | undefined>]>([
    ['no certificate', async () => undefined],
    ['one of another authority', () => others.issue({ client: true, commonName: 'orders' })],
    ['one that ended', () => client({ expired: true })],
    ['one for servers', () => partners.issue({ names: ['orders'], commonName: 'orders' })],
    ['one that signed itself', async () => others],
  ])('%s says nothing where none is required', async (_, make) => {
    const { gateway, target } = await setUp();
    const answer = await queryOnce(gateway.port, { ...tls, ...(await make()) });
    expect(statusOf(answer)).toBe('401');
    expect(answer).toMatch(/www-authenticate: ClientCertificate realm="api"/i);
    expect(target.requests).toHaveLength(0);
  });

  test('no certificate turns a client away where one is required', async () => {
    const { gateway, target } = await setUp({ required: true, policies: [] });
    expect(statusOf(await queryOnce(gateway.port, { ...tls, ...(await client()) }))).toBe('200');
    for (const certificate of [undefined, await others.issue({ client: true, commonName: 'orders' })]) {
      const asking = queryOnce(gateway.port, { ...tls, ...certificate }).catch(() => 'closed');
      expect(await asking).toBe('closed');
    }
    expect(target.requests).toHaveLength(1);
  });

  test('a session that is resumed keeps its identity, or its lack of one', async () => {
    const { gateway } = await setUp();
    for (const [certificate, status] of [
      [await client(), '200'],
      [undefined, '401'],
    ] as const) {
      const first = await open(gateway.port, { ...tls, ...certificate });
      const { answer, session } = await askForSession(first);
      expect(statusOf(answer)).toBe(status);
      const second = await open(gateway.port, { ...tls, session });
      expect(second.isSessionReused()).toBe(true);
      expect(statusOf(await ask(second))).toBe(status);
    }
  });

  test('a session begun under authorities that were replaced is not resumed', async () => {
    const { gateway } = await setUp();
    const first = await open(gateway.port, { ...tls, ...(await client()) });
    const { answer, session } = await askForSession(first);
    expect(statusOf(answer)).toBe('200');
    await writeFile(join(gateway.folder, 'partners.pem'), others.cert);
    expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
    const second = await open(gateway.port, { ...tls, session });
    expect(second.isSessionReused()).toBe(false);
    expect(statusOf(await ask(second))).toBe('401');
    const theirs = await others.issue({ client: true, commonName: 'orders' });
    expect(statusOf(await queryOnce(gateway.port, { ...tls, ...theirs }))).toBe('200');
  });
});

test('a session without a certificate is not resumed where one is required meanwhile', async () => {
  const { gateway, target, config } = await setUp();
  const first = await open(gateway.port);
  const { session } = await askForSession(first);
  first.destroy();
  const [listener] = config.listeners;
  const tls = { ...listener?.tls, clientCertificates: { caFile: './partners.pem', required: true } };
  await gateway.rewrite({ ...config, listeners: [{ ...listener, tls }], policies: [] } as never);
  expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
  const [port] = gateway.gateway.ports;
  const socket = await open(port as number, { session }).catch(() => undefined);
  if (socket !== undefined) expect(await ask(socket)).toBe('closed');
  expect(target.requests).toHaveLength(0);
});

test('what a client says about certificates in its header goes nowhere', async () => {
  const { gateway, target } = await setUp();
  const headers =
    'X-Forwarded-Client-Cert: By=x\r\nx_forwarded_client_cert: a\r\nClient-Cert: :aaaa:\r\nClient_Cert_Chain: a\r\n';
  expect(statusOf(await queryOnce(gateway.port, await client(), headers))).toBe('200');
  const names = Object.keys(target.requests[0]?.headers ?? {}).map((name) => name.replaceAll('_', '-'));
  expect(names.filter((name) => /client-cert/.test(name))).toEqual([]);
});

test('without a listener that asks for certificates the policy is refused', async () => {
  const config = { routes: [], policies: [{ any: ['client-certificate', 'api-key'] }] } as never;
  const load = startGateway({ ...(config as object), listeners: [{ host: LOOPBACK, port: 0 }] } as never);
  if (process.env.SALLYPORT_TEST_TLS === '1') await expect(load).rejects.toThrow();
  else
    await expect(load).rejects.toMatchObject({
      problems: [{ message: expect.stringContaining('no listener asks clients') }],
    });
});

test('a file without an authority is refused', async () => {
  const { certFile, keyFile } = await (await makeCertificates()).issue();
  for (const content of ['', 'not a certificate', (await client()).cert]) {
    const tls = { certificates: [{ certFile, keyFile }], clientCertificates: { caFile: './ca.pem' } };
    const starting = startGateway({ listeners: [{ host: LOOPBACK, port: 0, tls }] } as never, {
      files: { 'ca.pem': content },
    });
    await expect(starting).rejects.toThrow('holds no readable authority');
  }
});

describe('the subject', () => {
  const describeOf = async (request: CertificateRequest): Promise<ClientCertificate> =>
    describeCertificate(new X509Certificate(await readFile((await client(request)).certFile)));

  const identify = async (certificate: ClientCertificate, options: object, now = Date.now()) => {
    const { services } = stubServices();
    const clock = { ...services.clock, now: () => now };
    const made = await clientCertificate.createIdentifier?.(clientCertificate.options.parse(options), {
      ...services,
      clock,
    });
    const exchange = stubExchange();
    Object.assign(exchange.request, { client: { ...exchange.request.client, certificate } });
    return made?.identify(exchange) as Identity | Error;
  };

  test.each([
    [{ subject: 'common-name' }, 'orders'],
    [{ subject: 'dns' }, 'orders.partner.example'],
    [{}, 'orders'],
  ])('by %j is %s', async (options, subject) => {
    const certificate = await describeOf({});
    expect(await identify(certificate, options)).toMatchObject({
      subject,
      method: 'client-certificate',
      expiresAt: Math.floor(certificate.validTo / 1000),
      claims: {
        commonName: 'orders',
        dnsNames: ['orders.partner.example'],
        issuer: 'CN=Partners CA',
        serialNumber: expect.stringMatching(/^[0-9A-F]+$/),
        fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    });
  });

  test('by fingerprint is the certificate itself', async () => {
    const certificate = await describeOf({});
    const options = { subject: 'fingerprint', clients: { [certificate.fingerprint]: {} } };
    expect(await identify(certificate, options)).toMatchObject({ subject: certificate.fingerprint });
    expect(await identify(await describeOf({ commonName: 'x' }), options)).toMatchObject({
      reason: 'unknown',
    });
  });

  test('that could be one of several is none', async () => {
    const twice = await describeOf({ names: ['a.example', 'b.example'] });
    expect(await identify(twice, { subject: 'dns' })).toMatchObject({
      code: 'GW_CREDENTIALS_INVALID',
      reason: 'unnamed',
    });
    expect(await identify(twice, { subject: 'uri' })).toMatchObject({ reason: 'unnamed' });
  });

  test('with commas and other kinds in its names is read whole', async () => {
    const certificate = await describeOf({ names: ['a.example'], commonName: 'x, CN=root' });
    expect(certificate).toMatchObject({ commonName: 'x, CN=root', dnsNames: ['a.example'] });
  });

  test('of a certificate that ended on an open connection is nobody', async () => {
    const certificate = await describeOf({});
    expect(await identify(certificate, {}, certificate.validTo + 1)).toMatchObject({ reason: 'expired' });
    expect(await identify(certificate, {}, certificate.validFrom - 1)).toMatchObject({ reason: 'expired' });
    expect(await identify(certificate, {}, certificate.validTo)).toMatchObject({ subject: 'orders' });
  });
});
