import { Agent, request as httpsRequest } from 'node:https';
import { beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../../src/policies/basic/password-hash.ts';
import { createSecretSigner, signToken } from '../../auth/test-tokens.ts';
import { StubClock } from '../../observability/stub-clock.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { ADMIN_TOKEN, readAll, startGateway, startTarget, type TestGateway } from '../../support/harness.ts';
import { LOOPBACK } from '../../support/loopback.ts';
import { SECRET as SIGNING_SECRET, signRequest } from '../sign-request.ts';

const SECRET = 'a secret of the gateway and its issuer, 42';
const SUBJECTS = ['ann', 'bob'] as const;
type Subject = (typeof SUBJECTS)[number];

/** The ways in which a caller shows who it is, each understood by a policy in front of the cache. */
const WAYS: Record<string, readonly object[]> = {
  jwt: ['jwt' as never],
  'jwt in a cookie': [{ jwt: { from: { cookie: 'token' } } }],
  'jwt that is dropped': [{ jwt: { forward: 'drop' } }],
  introspect: [{ introspect: { service: 'asking' } }],
  'api-key': ['api-key' as never],
  basic: [{ basic: { users: {} } }],
  signature: [
    {
      signature: {
        keys: { ann: { secret: `${SIGNING_SECRET}ann` }, bob: { secret: `${SIGNING_SECRET}bob` } },
      },
    },
  ],
  'client-certificate': ['client-certificate' as never],
  'forward-auth': [{ 'forward-auth': {} }],
  'forward-auth without a name': [{ 'forward-auth': {} }],
  any: [{ any: ['jwt', 'api-key'] }],
};

/** What the service says of its answers. Each is a path. */
const KINDS: Record<string, Record<string, string>> = {
  silent: {},
  fresh: { 'cache-control': 'max-age=60' },
  expires: { expires: new Date(4_000_000_000_000).toUTCString() },
  validated: { 'cache-control': 'no-cache', etag: '"same"' },
  'stale-while-revalidate': { 'cache-control': 'max-age=1, stale-while-revalidate=1000', etag: '"same"' },
  'stale-if-error': { 'cache-control': 'max-age=1, stale-if-error=1000' },
  'must-revalidate': { 'cache-control': 'max-age=60, must-revalidate' },
  varying: { 'cache-control': 'max-age=60', vary: 'accept, x-other' },
  'varying by Authorization': { 'cache-control': 'max-age=60', vary: 'authorization' },
  private: { 'cache-control': 'private, max-age=60' },
  'private to caches': { 'cdn-cache-control': 'private, max-age=60', 'cache-control': 'public, max-age=60' },
  'public in a quote': { 'cache-control': 'max-age=60, x="public, s-maxage=9"' },
  'public that is not for caches': { 'cdn-cache-control': 'max-age=60', 'cache-control': 'public' },
  'with a cookie': { 'cache-control': 'public, max-age=60', 'set-cookie': 'id=1' },
  shared: { 'cache-control': 'public, max-age=60' },
  modified: { 'last-modified': new Date(1_000_000_000_000).toUTCString() },
};

const OPTIONS = {
  maxAge: '60s',
  override: true,
  heuristic: true,
  staleWhileRevalidate: '1000s',
  staleIfError: '1000s',
  etag: true,
  requestDirectives: true,
  methods: ['GET', 'HEAD', 'QUERY'],
};

const clock = new StubClock();
// Certificates of tests are good from now on.
clock.advance(Date.now() - clock.now());
const headersOf = new Map<string, Record<string, string>>();
const agents = new Map<Subject, Agent>();
let gateway: TestGateway;
let isBroken = false;
let asked = 0;

beforeAll(async () => {
  const password = await hashPassword('secret', { logN: 10, blockSize: 1, parallelism: 1 });
  WAYS.basic = [{ basic: { users: { ann: { password }, bob: { password } } } }];
  const target = await startTarget(({ url, headers, method }, response) => {
    asked++;
    const kind = decodeURIComponent((url as string).split('/')[2] as string);
    for (const [name, value] of Object.entries(KINDS[kind] ?? {})) response.setHeader(name, value);
    response.setHeader('date', new Date(clock.now()).toUTCString());
    response.setHeader('x-for', String(headers['x-who']));
    response.writeHead(isBroken ? 503 : headers['if-none-match'] === '"same"' ? 304 : 200);
    response.end(method === 'HEAD' ? undefined : `for ${headers['x-who']}`);
  });
  const auth = await startTarget(({ headers }, response) => {
    response.setHeader('remote-user', /id=(\w+)/.exec(headers.cookie ?? '')?.[1] ?? '');
    response.end();
  });
  const issuer = await startTarget(async (request, response) => {
    const sub = new URLSearchParams(String(await readAll(request))).get('token');
    response.end(JSON.stringify({ active: true, sub }));
  });
  const forward = { url: auth.url, requestHeaders: ['cookie'], responseHeaders: ['remote-user'] };
  WAYS['forward-auth'] = [{ 'forward-auth': { ...forward, identity: { subject: 'remote-user' } } }];
  WAYS['forward-auth without a name'] = [{ 'forward-auth': forward }];
  const clients = await makeCertificates('Clients CA');
  const { certFile, keyFile } = await (await makeCertificates()).issue();
  for (const subject of SUBJECTS) {
    const { cert, key } = await clients.issue({ client: true, commonName: subject, names: [subject] });
    agents.set(subject, new Agent({ cert, key, rejectUnauthorized: false, keepAlive: true }));
  }
  gateway = await startGateway(
    {
      listeners: [
        {
          host: LOOPBACK,
          port: 0,
          tls: { certificates: [{ certFile, keyFile }], clientCertificates: { caFile: './clients.pem' } },
        },
      ],
      authServices: {
        main: { secret: SECRET, audience: 'orders' },
        asking: { introspection: { url: issuer.url, clientId: 'gw', clientSecret: 'secret' } },
      },
      upstreams: { service: { targets: [target.url], retries: { max: 0 } } },
      routes: Object.values(WAYS).flatMap((policies, i) => [
        {
          id: `way-${i}`,
          path: `/${i}/*`,
          upstream: 'service',
          policies: [...policies, { cache: OPTIONS }] as never,
        },
      ]),
    },
    { clock, files: { 'clients.pem': clients.cert } },
  );
  for (const subject of SUBJECTS) await makeCredentials(subject);
  return async () => {
    await gateway.close();
    for (const started of [target, auth, issuer]) await started.close();
    for (const agent of agents.values()) agent.destroy();
  };
});

async function makeCredentials(subject: Subject): Promise<void> {
  const exp = Math.floor(clock.now() / 1000) + 10_000_000;
  const token = signToken(createSecretSigner(SECRET), { aud: 'orders', sub: subject, exp });
  const made = await fetch(`http://${LOOPBACK}:${gateway.adminPort}/api/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ owner: subject }),
  });
  const { key } = (await made.json()) as { key: string };
  const bearer = { authorization: `Bearer ${token}` };
  for (const way of ['jwt', 'jwt that is dropped']) headersOf.set(`${way} ${subject}`, bearer);
  headersOf.set(`any ${subject}`, subject === 'ann' ? bearer : { 'x-api-key': key });
  headersOf.set(`jwt in a cookie ${subject}`, { cookie: `token=${token}; theme=dark` });
  headersOf.set(`introspect ${subject}`, { authorization: `Bearer ${subject}` });
  headersOf.set(`api-key ${subject}`, { 'x-api-key': key });
  headersOf.set(`basic ${subject}`, { authorization: `Basic ${btoa(`${subject}:secret`)}` });
  for (const way of ['forward-auth', 'forward-auth without a name'])
    headersOf.set(`${way} ${subject}`, { cookie: `id=${subject}` });
}

interface Got {
  readonly status: number;
  readonly whose: unknown;
  readonly text: string;
}

interface Asking {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

let signed = 0;

function ask(
  way: string,
  subject: Subject,
  path: string,
  { method = 'GET', headers = {}, body }: Asking = {},
): Promise<Got> {
  const url = `https://${LOOPBACK}:${gateway.port}/${Object.keys(WAYS).indexOf(way)}${path}`;
  const signature =
    way === 'signature'
      ? signRequest({
          ...{
            url,
            method,
            keyId: subject,
            secret: SIGNING_SECRET + subject,
            ...(body !== undefined && { body }),
          },
          created: Math.floor(clock.now() / 1000),
          more: `;nonce="${++signed}"`,
        })
      : {};
  const all = { ...headers, ...headersOf.get(`${way} ${subject}`), ...signature, 'x-who': subject };
  const agent = agents.get(subject) as Agent;
  return new Promise((resolve, reject) => {
    const client = httpsRequest(url, { method, headers: all, agent }, async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('latin1')) text += chunk;
      resolve({ status: response.statusCode ?? 0, whose: response.headers['x-for'], text });
    });
    client.on('error', reject).end(body);
  });
}

let folders = 0;

/** What an answer shows of whom it was made for, which has to be who asked. */
function expectOwn({ status, whose, text }: Got, subject: Subject, what: string): void {
  const other = subject === 'ann' ? 'bob' : 'ann';
  expect([200, 206, 304, 503], what).toContain(status);
  if (whose !== undefined) expect(whose, what).toBe(subject);
  expect(text, what).not.toContain(other);
}

/** The kinds that a way is tried with: all of them with `CACHE_KINDS=all`, else a few, which are others for each way. */
function kindsFor(way: string): readonly string[] {
  const at = Object.keys(WAYS).indexOf(way);
  const isTried = (_: string, i: number): boolean => process.env.CACHE_KINDS === 'all' || (i + at) % 5 === 0;
  return Object.keys(KINDS).filter((kind, i) => kind !== 'shared' && isTried(kind, i));
}

/** All that an attacker may ask behind somebody else. */
async function attack(way: string, kind: string): Promise<void> {
  const path = `/${encodeURIComponent(kind)}/${++folders}`;
  const both = async (label: string, asking?: Asking, more = ''): Promise<void> => {
    for (const subject of ['ann', 'bob', 'ann', 'bob'] as const)
      expectOwn(
        await ask(way, subject, path + more, asking),
        subject,
        `${way}, ${kind}: ${label} as ${subject}`,
      );
  };
  await both('GET');
  await both('a condition', { headers: { 'if-none-match': '"same"' } });
  await both('any condition', { headers: { 'if-none-match': '*' } });
  await both('since', { headers: { 'if-modified-since': new Date(clock.now() + 1e6).toUTCString() } });
  await both('a range', { headers: { range: 'bytes=4-6' } });
  await both('ranges', { headers: { range: 'bytes=0-1,4-6' } });
  await both('HEAD', { method: 'HEAD' });
  await both('max-stale', { headers: { 'cache-control': 'max-stale=99999' } });
  await both('no-cache', { headers: { 'cache-control': 'no-cache' } });
  await both('QUERY', { method: 'QUERY', body: 'all', headers: { 'content-type': 'text/plain' } });
  const atOnce = [...SUBJECTS, ...SUBJECTS, ...SUBJECTS, ...SUBJECTS];
  const together = async (more: string): Promise<void> => {
    const got = await Promise.all(atOnce.map((subject) => ask(way, subject, path + more)));
    for (const [i, one] of got.entries())
      expectOwn(one, atOnce[i] as Subject, `${way}, ${kind}: all at once as ${atOnce[i]}`);
  };
  await together('?at=once');
  clock.advance(5000);
  await both('stale');
  await both('refreshed');
  await together('?at=once');
  isBroken = true;
  clock.advance(5000);
  await both('broken');
  await both('broken HEAD', { method: 'HEAD' });
  isBroken = false;
}

describe.each(Object.keys(WAYS))('a caller by %s', (way) => {
  it('gets nobody else’s answer, whatever it says, however it is asked for', async () => {
    for (const kind of kindsFor(way)) await attack(way, kind);
  });

  it('shares what says that it is for all', async () => {
    const path = `/shared/${++folders}`;
    const first = await ask(way, 'ann', path);
    const before = asked;
    expect((await ask(way, 'bob', path)).text).toBe(first.text);
    expect(asked).toBe(before);
  });
});
