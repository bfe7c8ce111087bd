import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeCertificates, type TestAuthority } from '../support/certificates.ts';
import { startGateway, startTarget } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';

const staff = await makeCertificates('Staff CA');
const partners = await makeCertificates('Partners CA');
const certificateOf = (authority: TestAuthority) =>
  authority.issue({ client: true, names: ['internal'], commonName: 'internal' });

/** Two ports that take certificates of two authorities, which both have a client called `internal`. */
const ASKING = [
  { caFile: './staff.pem', name: 'staff' },
  { caFile: './partners.pem', name: 'partners' },
];
const ROLES = { clients: { internal: { roles: ['admin'] } } };

async function setUp(policies: readonly unknown[], asking: readonly object[] = ASKING) {
  const target = await startTarget();
  const { certFile, keyFile } = await (await makeCertificates()).issue();
  const listeners = asking.map((clientCertificates) => ({
    host: LOOPBACK,
    port: 0,
    tls: { certificates: [{ certFile, keyFile }], clientCertificates },
  }));
  const config = {
    listeners,
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    policies,
  };
  const files = { 'staff.pem': staff.cert, 'partners.pem': partners.cert };
  const gateway = await startGateway(config as never, { files });
  return { target, gateway, config };
}

async function open(port: number | undefined, authority?: TestAuthority): Promise<TLSSocket> {
  const own = authority && (await certificateOf(authority));
  const shown = own && { cert: own.cert, key: own.key };
  const options = {
    host: LOOPBACK,
    port: port as number,
    servername: 'localhost',
    rejectUnauthorized: false,
  };
  const socket = connect({ ...options, ...shown });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

async function statusOn(socket: TLSSocket): Promise<string> {
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return /^HTTP\/1\.1 (\d+)/.exec(chunk.toString('latin1'))?.[1] ?? '';
}

const ask = async (port: number | undefined, authority?: TestAuthority) =>
  statusOn(await open(port, authority));

describe('a certificate of one authority', () => {
  test('has no role that is meant for the same name of another', async () => {
    const { gateway, target } = await setUp([
      { 'client-certificate': { authority: 'staff', ...ROLES } },
      { authorize: { roles: ['admin'] } },
    ]);
    const [forStaff, forPartners] = gateway.ports;
    expect(await ask(forStaff, staff)).toBe('200');
    expect(await ask(forPartners, partners)).toBe('401');
    expect(await ask(forStaff, partners)).toBe('401');
    expect(await ask(forPartners, staff)).toBe('401');
    expect(target.requests).toHaveLength(1);
  });

  test('is one way in of several, each with its own authority', async () => {
    const { gateway, target } = await setUp([
      {
        any: [
          { 'client-certificate': { authority: 'staff', ...ROLES } },
          { 'client-certificate': { authority: 'partners', clients: { internal: { roles: ['partner'] } } } },
        ],
      },
    ]);
    const [forStaff, forPartners] = gateway.ports;
    expect(await ask(forStaff, staff)).toBe('200');
    expect(await ask(forPartners, partners)).toBe('200');
    expect(target.requests.map(({ headers }) => headers['x-auth-roles'])).toEqual(['admin', 'partner']);
  });

  test('ends with its connection when the listener takes those of another', async () => {
    const { gateway } = await setUp([{ 'client-certificate': ROLES }], [{ caFile: './staff.pem' }]);
    const socket = await open(gateway.port, staff);
    expect(await statusOn(socket)).toBe('200');
    const ended = once(socket, 'end');
    await writeFile(join(gateway.folder, 'staff.pem'), partners.cert);
    expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
    await ended;
    expect(await ask(gateway.port, staff)).toBe('401');
    expect(await ask(gateway.port, partners)).toBe('200');
  });
});

describe('a configuration', () => {
  test.each([
    [
      'names none of several',
      ['client-certificate'],
      ASKING,
      'policies[0]',
      'takes the certificates of several',
    ],
    [
      'names none of several within `any`',
      [{ any: ['api-key', { 'client-certificate': ROLES }] }],
      ASKING,
      'policies[0].any[1]',
      'takes the certificates of several',
    ],
    [
      'names none of several files without a name',
      ['client-certificate'],
      [{ caFile: './staff.pem' }, { caFile: './partners.pem' }],
      'policies[0]',
      'takes the certificates of several',
    ],
    [
      'names one that is not there',
      [{ 'client-certificate': { authority: 'staf' } }],
      ASKING,
      'policies[0].client-certificate.authority',
      "there is no authority 'staf'",
    ],
    [
      'gives two files one name',
      [{ 'client-certificate': { authority: 'staff' } }],
      [ASKING[0], { caFile: './partners.pem', name: 'staff' }],
      'listeners[1].tls.clientCertificates.name',
      'is the name of another caFile',
    ],
  ] as const)('that %s is refused', async (_, policies, asking, path, message) => {
    await expect(setUp(policies, asking as never)).rejects.toMatchObject({
      problems: [{ path, message: expect.stringContaining(message) }],
    });
  });

  test('with one authority on several ports need not name it', async () => {
    const one = { caFile: './staff.pem' };
    const { gateway } = await setUp([{ 'client-certificate': ROLES }], [one, { ...one, required: true }]);
    for (const port of gateway.ports) expect(await ask(port, staff)).toBe('200');
  });
});
