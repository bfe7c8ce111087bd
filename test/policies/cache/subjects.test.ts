import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../../src/policies/basic/password-hash.ts';
import { createSecretSigner, signToken } from '../../auth/test-tokens.ts';
import { StubClock } from '../../observability/stub-clock.ts';
import { fc } from '../../support/fast-check.ts';
import { ADMIN_TOKEN, startGateway, startTarget, type TestGateway } from '../../support/harness.ts';
import { LOOPBACK } from '../../support/loopback.ts';

const SECRET = 'a secret of the gateway and its issuer, 42';
const RUNS = Number(process.env.CACHE_RUNS ?? 60);

/** What the policy may be told; each makes routes of its own. */
const OPTIONS = [
  {},
  { maxAge: '60s' },
  { maxAge: '60s', override: true },
  { maxAge: '60s', heuristic: true, staleWhileRevalidate: '60s', staleIfError: '60s' },
  { maxAge: '60s', private: true, staleWhileRevalidate: '60s' },
  { maxAge: '60s', override: true, etag: true, requestDirectives: true, statuses: [200, 201, 404, 500] },
] as const;

/** The ways in which a caller says who it is, with the policies that understand it. */
const WAYS = {
  jwt: [{ jwt: { optional: true } }],
  exchanged: [{ jwt: { optional: true, forward: 'drop' } }],
  'token-cookie': [{ jwt: { from: { cookie: 'token' }, optional: true } }],
  key: [{ 'api-key': { optional: true } }],
  basic: [{ basic: { users: {} as Record<string, object>, optional: true } }],
  /** `Authorization` that nobody here understands. */
  foreign: [],
  /** A cookie that nobody here understands. */
  cookie: [],
  /** A header that nobody here understands. */
  header: [],
  /** A key that names an application, of which the service knows the users by a header. */
  application: ['api-key' as never],
};
type Way = keyof typeof WAYS;

interface Ask {
  readonly way: Way;
  readonly subject: 'ann' | 'bob' | '';
  readonly path: string;
  readonly method: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly waitMs: number;
  /** Whether it is asked for at the same time as the one before. */
  readonly isAtOnce: boolean;
}

/** What the service says of an answer. */
interface Said {
  readonly control: readonly string[];
  readonly cdn: readonly string[];
  readonly vary: readonly string[];
  readonly setsCookie: boolean;
  readonly hasTag: boolean;
  readonly status: number;
}

const directive = fc.constantFrom(
  ...['max-age=5', 'max-age=100', 's-maxage=5', 'public', 'private', 'no-store', 'no-cache', 'private="x-a"'],
  ...['must-revalidate', 'stale-while-revalidate=50', 'stale-if-error=50', 'Public', 'extension="public"'],
  ...['must-understand', 'proxy-revalidate', 'max-age=5', 'max-age=100'],
);
const said: fc.Arbitrary<Said> = fc.record({
  control: fc.array(directive, { maxLength: 3 }),
  cdn: fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    {
      weight: 1,
      arbitrary: fc.array(fc.constantFrom('max-age=5', 'public', 'private', 'no-store'), { maxLength: 2 }),
    },
  ),
  vary: fc.array(fc.constantFrom('accept-language', 'x-colour', 'authorization', 'cookie', '*'), {
    maxLength: 2,
  }),
  setsCookie: fc.boolean(),
  hasTag: fc.boolean(),
  status: fc.constantFrom(200, 200, 200, 404, 500, 201),
});
const ask: fc.Arbitrary<Ask> = fc.record({
  way: fc.constantFrom(...(Object.keys(WAYS) as Way[])),
  subject: fc.constantFrom('ann' as const, 'bob' as const, '' as const),
  path: fc.constantFrom('a', 'a', 'b.css'),
  method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST'),
  fields: fc.dictionary(
    fc.constantFrom('accept-language', 'x-colour', 'cache-control', 'if-none-match', 'range'),
    fc.constantFrom('a', 'no-cache', 'max-stale', '"0"', 'bytes=0-1'),
    { maxKeys: 1 },
  ),
  waitMs: fc.constantFrom(0, 0, 0, 1000, 10_000),
  isAtOnce: fc.boolean(),
});
/** Few ways and one path in a run, so that the same is asked for by several. */
const run = fc.tuple(
  fc.nat(OPTIONS.length - 1),
  fc.array(said, { minLength: 1, maxLength: 3 }),
  fc.constantFrom(...(Object.keys(WAYS) as Way[])),
  fc.array(ask, { minLength: 6, maxLength: 14 }),
);

const clock = new StubClock();
const credentials = new Map<string, Record<string, string>>();
let application: string | undefined;
let gateway: TestGateway;
let answers: readonly Said[] = [];
/** Who asked for answer number so and so, and what was said of it. */
const given: { readonly who: string; readonly said: Said }[] = [];

beforeAll(async () => {
  const password = await hashPassword('secret', { logN: 10, blockSize: 1, parallelism: 1 });
  WAYS.basic[0]!.basic.users = { ann: { password }, bob: { password } };
  const target = await startTarget(answer);
  gateway = await startGateway(
    {
      authServices: { main: { secret: SECRET, audience: 'orders' } },
      upstreams: { service: { targets: [target.url], retries: { max: 0 } } },
      routes: OPTIONS.flatMap((options, i) =>
        Object.entries(WAYS).map(([way, policies]) => ({
          id: `${way}-${i}`,
          path: `/${i}/${way}/*`,
          upstream: 'service',
          // Where nobody finds out who is calling, `private` is refused.
          policies: [
            ...policies,
            { cache: { ...options, ...(policies.length === 0 && { private: false }) } },
          ] as never,
        })),
      ),
    },
    { clock },
  );
  for (const subject of ['ann', 'bob']) await makeCredentials(subject);
  return async () => {
    await gateway.close();
    await target.close();
  };
});

async function makeCredentials(subject: string): Promise<void> {
  const exp = Math.floor(clock.now() / 1000) + 10_000_000;
  const token = signToken(createSecretSigner(SECRET), { aud: 'orders', sub: subject, exp });
  const made = await fetch(`http://${LOOPBACK}:${gateway.adminPort}/api/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ owner: subject }),
  });
  const { key } = (await made.json()) as { key: string };
  const basic = `Basic ${btoa(`${subject}:secret`)}`;
  credentials.set(`jwt ${subject}`, { authorization: `Bearer ${token}` });
  credentials.set(`exchanged ${subject}`, { authorization: `Bearer ${token}` });
  credentials.set(`token-cookie ${subject}`, { cookie: `token=${token}` });
  credentials.set(`key ${subject}`, { 'x-api-key': key });
  credentials.set(`basic ${subject}`, { authorization: basic });
  credentials.set(`foreign ${subject}`, { authorization: basic });
  credentials.set(`cookie ${subject}`, { cookie: `session=${subject}` });
  credentials.set(`header ${subject}`, { 'x-session-token': subject });
  application ??= key;
  credentials.set(`application ${subject}`, { 'x-api-key': application, authorization: basic });
  credentials.set('application nobody', { 'x-api-key': application });
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const number = given.length;
  const what = answers[number % answers.length] as Said;
  given.push({ who: String(request.headers['x-who']), said: what });
  response.setHeader('x-number', String(number));
  response.setHeader('last-modified', new Date(clock.now() - 100_000_000).toUTCString());
  if (what.control.length > 0) response.setHeader('cache-control', what.control.join(', '));
  if (what.cdn.length > 0) response.setHeader('cdn-cache-control', what.cdn.join(', '));
  if (what.vary.length > 0) response.setHeader('vary', what.vary.join(', '));
  if (what.setsCookie && number % 3 === 0) response.setHeader('set-cookie', `id=${number}`);
  if (what.hasTag) response.setHeader('etag', `"${number}"`);
  response.writeHead(what.status);
  response.end(request.method === 'HEAD' ? undefined : `answer ${number}`);
}

/** What the oracle believes: an answer is for all where its directives name `public` or `s-maxage`. */
function saysForAll({ control, cdn }: Said): boolean {
  return (cdn.length > 0 ? cdn : control).some((one) => /^(public|s-maxage=.*)$/i.test(one));
}

/** To HTTP a cookie is nobody's identity: who has one may get what was given to nobody, and names its lifetime. */
function mayBeShared(way: Way, giver: string, what: Said): boolean {
  const names = (what.cdn.length > 0 ? what.cdn : what.control).some((one) =>
    /^(s-maxage|max-age)=/.test(one),
  );
  return saysForAll(what) || (way === 'cookie' && giver === 'cookie nobody' && names);
}

function send(path: string, { method }: Ask, headers: Record<string, string>): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const client = httpRequest(`${gateway.url}${path}`, { method, headers, agent: false }, (response) => {
      response.resume().on('error', reject);
      response.on('end', () => resolve(response.headers['x-number'] as string | undefined));
    });
    client.on('error', reject).end();
  });
}

let folder = 0;
let reused = 0;
/** The answers that somebody has got. */
const seen = new Set<string | undefined>();

async function holds([option, planned, mostly, asks]: [number, Said[], Way, Ask[]]): Promise<void> {
  answers = planned;
  folder++;
  let atOnce: Promise<void>[] = [];
  for (const [i, asked] of asks.entries()) {
    if (!asked.isAtOnce) {
      await Promise.all(atOnce);
      atOnce = [];
      clock.advance(asked.waitMs);
    }
    const way = i % 4 === 3 ? asked.way : mostly;
    atOnce.push(check(asked, way, `/${option}/${way}/${folder}/${asked.path}`));
  }
  await Promise.all(atOnce);
}

/** Asks, and looks at whose answer that is. */
async function check(asked: Ask, way: Way, path: string): Promise<void> {
  const who = `${way} ${asked.subject === '' ? 'nobody' : asked.subject}`;
  const headers = { ...asked.fields, ...credentials.get(who), 'x-who': who };
  const number = await send(path, asked, headers);
  const source = number === undefined ? undefined : given[Number(number)];
  if (source === undefined) return;
  if (seen.has(number)) reused++;
  seen.add(number);
  if (source.who === who) return;
  const told = `${who} got what ${source.who} was answered with ${JSON.stringify(source.said)}`;
  expect(mayBeShared(way, source.who, source.said), told).toBe(true);
}

describe('what is stored', () => {
  it('is never given to another subject, unless it says itself that it is for all', {
    timeout: 300_000,
  }, async () => {
    await fc.assert(fc.asyncProperty(run, holds), { numRuns: RUNS });
    // Else nothing would have been shown.
    expect(reused).toBeGreaterThan(RUNS / 10);
  });
});
