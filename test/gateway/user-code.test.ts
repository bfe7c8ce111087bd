import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Exchange } from '../../src/core/exchange.ts';
import type { ResponseHead } from '../../src/core/message.ts';
import type { PolicyInstance } from '../../src/core/policy.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { startGateway, startTarget, type TestGateway, type TestTarget } from '../support/harness.ts';
import { until } from '../support/until.ts';
import { fail, ODD_THROWS, ODD_VALUES } from './fixtures/oddities.ts';
import { handling } from './fixtures/scripted-app.ts';
import { saying } from './fixtures/scripted-auth.ts';
import { composing } from './fixtures/scripted-composer.ts';
import { scripts } from './fixtures/scripted-policy.ts';
import { sayings } from './fixtures/scripted-way-in.ts';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}.ts`, import.meta.url));

/** What the policy does now: it is made once, and asked for its moments each time. */
let moments: PolicyInstance = {};
const ADA = { subject: 'ada', roles: ['customer'], permissions: [], method: 'test', claims: {} };

let target: TestTarget;
let gateway: TestGateway;

beforeAll(async () => {
  scripts.set('moments', () => ({
    onRequest: (exchange) => moments.onRequest?.(exchange),
    onResponse: (exchange, head) => moments.onResponse?.(exchange, head),
    onFinish: (exchange) => moments.onFinish?.(exchange),
  }));
  sayings.set('who', () => ADA);
  target = await startTarget(
    (request, response) => void request.resume().once('end', () => response.end('whole')),
  );
  gateway = await startGateway(configFor(target));
  return async () => {
    await gateway.close();
    await target.close();
  };
});

afterEach(() => {
  moments = {};
  sayings.set('who', () => ADA);
  saying.verify = () => ({ sub: 'ada' });
  handling.handler = () => 'ok';
  composing.compose = () => 'ok';
});

function configFor({ url }: { readonly url: string }) {
  return {
    customPolicies: {
      'test/scripted': fixture('scripted-policy'),
      'test/way-in': fixture('scripted-way-in'),
    },
    authServices: { main: { code: fixture('scripted-auth') } },
    internalTokens: { issuer: 'https://gateway.example' },
    upstreams: { service: { targets: [url] }, app: { app: fixture('scripted-app') } },
    routes: [
      {
        id: 'moments',
        path: '/moments',
        upstream: 'service',
        policies: [{ 'test/scripted': { script: 'moments' } }],
      },
      {
        id: 'who',
        path: '/who',
        upstream: 'service',
        policies: [{ 'test/way-in': { script: 'who' } }, { authorize: { roles: ['customer'] } }],
      },
      { id: 'token', path: '/token', upstream: 'service', policies: ['jwt'] },
      { id: 'app', path: '/app', upstream: 'app' },
      {
        id: 'compose',
        path: '/compose',
        aggregate: {
          parts: { page: { upstream: 'service', path: '/', format: 'text' as const } },
          compose: fixture('scripted-composer'),
        },
      },
    ],
  };
}

const HEADERS = { authorization: 'Bearer some-token' };

async function ask(path: string, init: RequestInit = {}): Promise<{ status: number; body: string }> {
  const response = await fetch(`${gateway.url}${path}`, { headers: HEADERS, ...init });
  return { status: response.status, body: await response.text() };
}

/** The answer to one request, and that nothing of it is left: the next one is served. */
async function respondTo(path: string, init: RequestInit = {}) {
  const answer = await ask(path, init).catch(() => 'broken' as const);
  moments = {};
  sayings.set('who', () => ADA);
  saying.verify = () => ({ sub: 'ada' });
  handling.handler = () => 'ok';
  composing.compose = () => 'ok';
  // A token is asked about once; another one tells whether the service can be asked.
  const next = await ask(path, { headers: { authorization: `Bearer ${crypto.randomUUID()}` } });
  expect(next.status).toBe(200);
  // What an app says of its own errors is its own.
  if (answer !== 'broken' && path !== '/app') expect(answer.body).not.toContain('secret');
  return answer;
}

const failed = { status: 500, body: expect.stringContaining('GW_POLICY_FAILED') };
const values = Object.entries(ODD_VALUES);
const throws = Object.entries(ODD_THROWS);
/** What is a good answer for who answers. */
const isReply = (name: string) => name === 'a status that changes';

describe('a moment of a policy', () => {
  for (const moment of ['onRequest', 'onResponse'] as const) {
    it.each(values)(`${moment} that gives %s is answered 500`, async (name, give) => {
      moments = { [moment]: () => give() };
      const answer = await respondTo('/moments');
      // What is read once is what it was then.
      if (isReply(name)) expect(answer).toMatchObject({ status: 500 });
      else expect(answer).toEqual(failed);
    });

    it.each(values)(`${moment} that gives a promise of %s is answered 500`, async (_, give) => {
      moments = { [moment]: async () => give() };
      expect(await respondTo('/moments')).toEqual(failed);
    });

    it.each(throws)(`${moment} that %s is answered 500`, async (_, give) => {
      moments = { [moment]: give };
      expect(await respondTo('/moments')).toEqual(failed);
      moments = { [moment]: async () => give() };
      expect(await respondTo('/moments')).toEqual(failed);
    });
  }

  it.each([...values, ...throws])('onFinish: %s changes nothing', async (_, give) => {
    moments = { onFinish: () => give() as never };
    expect(await respondTo('/moments')).toEqual({ status: 200, body: 'whole' });
    moments = { onFinish: (async () => give()) as never };
    expect(await respondTo('/moments')).toEqual({ status: 200, body: 'whole' });
  });

  it.each([...values, ...throws])('mapBody: %s is answered 500', async (_, give) => {
    moments = { onResponse: () => ({ mapBody: () => give() as never }) };
    expect(await respondTo('/moments')).toEqual(failed);
  });
});

const NOTHING = { length: undefined, pipe() {}, resume() {}, cancel() {} };

describe('a body that a policy made', () => {
  it.each<[string, object]>([
    ['throws at once', { ...NOTHING, pipe: fail }],
    ['rejects', { ...NOTHING, pipe: async () => fail() }],
    ['writes text', { ...NOTHING, pipe: (sink: { write(chunk: unknown): void }) => sink.write('text') }],
    ['writes nothing', { ...NOTHING, pipe: (sink: { write(chunk: unknown): void }) => sink.write(null) }],
    ['ends with nonsense', { ...NOTHING, pipe: (sink: { end(with_: unknown): void }) => sink.end({ a: 1 }) }],
    ['breaks with nonsense', { ...NOTHING, pipe: (sink: { abort(with_: unknown): void }) => sink.abort(7) }],
    ['is shorter than it says', { ...NOTHING, length: 9, pipe: (sink: { end(): void }) => sink.end() }],
  ])('and %s never ends as whole', async (_, body) => {
    moments = { onRequest: () => ({ status: 200, body: body as never }) };
    expect(await respondTo('/moments')).toBe('broken');
    moments = { onResponse: () => ({ mapBody: () => body as never }) };
    expect(await respondTo('/moments')).toBe('broken');
  });

  it.each<[string, Record<string, () => void>]>([
    ['write', { write: fail }],
    ['end', { end: fail }],
  ])('and whose sink throws in %s breaks off', async (_, sink) => {
    const broken = { write: () => true, end() {}, abort() {}, ...sink };
    moments = {
      onResponse: () => ({
        mapBody: (source) => ({
          ...NOTHING,
          pipe: (to) => source.pipe({ ...broken, abort: (error) => to.abort(error) }),
        }),
      }),
    };
    expect(await respondTo('/moments')).toBe('broken');
  });

  it.each<[string, (exchange: Exchange) => unknown]>([
    ['nothing', () => undefined],
    ['text', () => 'text'],
    ['a body that throws', () => ({ ...NOTHING, pipe: fail })],
    [
      'a body that writes text',
      () => ({ ...NOTHING, pipe: (sink: { write(c: unknown): void }) => sink.write('t') }),
    ],
    [
      'a sink that throws around the one of the client',
      ({ body }) => ({ ...NOTHING, pipe: () => body.pipe({ write: fail, end: fail, abort: fail }) }),
    ],
  ])('for the upstream, %s, is answered 500', async (_, made) => {
    moments = {
      onRequest(exchange) {
        exchange.body = made(exchange) as never;
      },
    };
    const upload = { method: 'POST', body: 'a body' };
    const answer = await respondTo('/moments', upload);
    expect(answer).toMatchObject({ status: 500 });
  });
});

describe('what a policy makes of the exchange', () => {
  it.each<[string, (exchange: Exchange) => void]>([
    ['an identity of nonsense', (exchange) => Object.assign(exchange, { identity: { roles: [7] } })],
    ['an identity of text', (exchange) => Object.assign(exchange, { identity: 'admin' })],
    ['an identity without lists', (exchange) => Object.assign(exchange, { identity: { subject: 'ada' } })],
    ['a path of lines', (exchange) => Object.assign(exchange, { path: '/a HTTP/1.1\r\nx-admin: 1\r\n\r\n' })],
    ['a path of another type', (exchange) => Object.assign(exchange, { path: 7 })],
    ['a query of lines', (exchange) => Object.assign(exchange, { query: 'a\r\nb' })],
    ['no body', (exchange) => Object.assign(exchange, { body: null })],
    ['limits of nonsense', (exchange) => Object.defineProperty(exchange, 'headers', { get: () => fail() })],
  ])('%s: is answered 500', async (_, change) => {
    moments = { onRequest: (exchange) => void change(exchange) };
    expect(await respondTo('/moments')).toMatchObject({ status: 500 });
    expect(target.requests.every(({ headers }) => headers['x-admin'] === undefined)).toBe(true);
  });

  it.each<[string, object]>([
    ['status', { status: 7 }],
    ['status', { status: '200' }],
    ['status', { status: 101 }],
    ['reason', { reason: 'a\r\nx-admin: 1' }],
    ['reason', { reason: 7 }],
    ['headers', { headers: { a: 'b' } }],
    ['headers', { headers: null }],
    ['length', { length: -1 }],
    ['length', { length: 'a' }],
  ])('a head whose %s is none is answered 500', async (_, change) => {
    moments = { onResponse: (_exchange, head: ResponseHead) => void Object.assign(head, change) };
    expect(await respondTo('/moments')).toEqual(failed);
    moments = { onResponse: async (_exchange, head: ResponseHead) => void Object.assign(head, change) };
    expect(await respondTo('/moments')).toEqual(failed);
  });

  it.each<[string, object]>([
    ['failure', { failure: 7 }],
    ['failure', { failure: { code: 'GW_NONE' } }],
    ['requestId', { requestId: Symbol('odd') }],
    ['status', { status: 'odd' }],
    ['route', { route: null }],
    ['upstream', { upstream: 7 }],
    ['startedAt', { startedAt: 'odd' }],
  ])('a %s of nonsense, set last, costs nobody else anything', async (_, change) => {
    moments = { onFinish: (exchange) => void Object.assign(exchange, change) };
    await respondTo('/moments');
    moments = { onResponse: (exchange) => void Object.assign(exchange, change) };
    await respondTo('/moments');
    moments = { onRequest: (exchange) => void Object.assign(exchange, change) };
    await respondTo('/moments');
  });
});

describe('a way in of ones own', () => {
  it.each(values.filter(([name]) => !isReply(name)))('that gives %s is answered 500', async (_, give) => {
    sayings.set('who', give);
    expect(await respondTo('/who')).toEqual(failed);
    sayings.set('who', async () => give());
    expect(await respondTo('/who')).toEqual(failed);
  });

  it.each(throws)('that %s is answered 500', async (_, give) => {
    sayings.set('who', give);
    expect(await respondTo('/who')).toEqual(failed);
  });

  it.each<[string, object]>([
    ['roles of a number', { roles: [7] }],
    ['roles of nothing', { roles: [null] }],
    ['roles that are not a list', { roles: 'customer' }],
    ['roles with holes', { roles: new Array(3) }],
    ['more roles than fit anywhere', { roles: new Array(300_000).fill('a role') }],
    ['permissions of objects', { permissions: [{}] }],
    ['no permissions', { permissions: undefined }],
    ['an empty subject', { subject: '' }],
    ['a subject that is a number', { subject: 7 }],
    ['a subject of a megabyte', { subject: 'a'.repeat(1024 * 1024) }],
    ['claims that are text', { claims: 'admin' }],
    ['claims that are a list', { claims: [] }],
    ['claims that turn in circles', { claims: circle() }],
    [
      'claims that throw',
      { claims: Object.defineProperty({}, 'a', { enumerable: true, get: () => fail() }) },
    ],
    ['claims of a bigint', { claims: { a: 7n } }],
    ['claims that say that they are text', { claims: { toJSON: () => 'admin' } }],
    ['a plan that is a list', { plan: ['gold'] }],
    ['a key id that is a number', { keyId: 7 }],
    ['an end as text', { expiresAt: '4102444800' }],
    ['an end that is not a number', { expiresAt: Number.NaN }],
    ['an end that never comes', { expiresAt: Number.POSITIVE_INFINITY }],
    ['an end that is null', { expiresAt: null }],
    ['an end that is a date', { expiresAt: new Date(Date.now() + 60_000) }],
    ['an end in milliseconds', { expiresAt: Date.now() + 60_000 }],
  ])('with %s is answered 500', async (_, change) => {
    sayings.set('who', () => ({ ...ADA, ...change }));
    expect(await respondTo('/who')).toEqual(failed);
  });

  it.each([1, 0, -1, -1e15, Math.floor(Date.now() / 1000) - 1])(
    'that names one who ended at %d is answered 401',
    async (expiresAt) => {
      sayings.set('who', () => ({ ...ADA, expiresAt }));
      expect(await respondTo('/who')).toMatchObject({ status: 401 });
      sayings.set('who', async () => ({ ...ADA, expiresAt }));
      expect(await respondTo('/who')).toMatchObject({ status: 401 });
    },
  );

  it('gives what it gave when it was asked, though it changes that later', async () => {
    const said = { ...ADA, roles: ['customer'] };
    sayings.set('who', () => said);
    moments = {};
    expect((await ask('/who')).status).toBe(200);
    said.roles.push('admin');
    expect((await ask('/who')).status).toBe(200);
    expect(target.requests.at(-2)?.headers['x-auth-roles']).toBe('customer');
  });
});

describe('an auth service in code', () => {
  const unavailable = { status: 503, body: expect.stringContaining('GW_AUTH_UNAVAILABLE') };
  const token = () => ({ headers: { authorization: `Bearer ${crypto.randomUUID()}` } });

  it.each([...values, ...throws])('%s: says nothing about a token', async (name, give) => {
    saying.verify = () => give();
    const isUnknown = name === 'null' || name === 'a promise of null';
    expect(await respondTo('/token', token())).toMatchObject(isUnknown ? { status: 401 } : unavailable);
  });

  it.each<[string, object, number]>([
    ['no subject', { sub: '' }, 503],
    ['roles of numbers', { roles: [7] }, 503],
    ['permissions as text', { permissions: 'a b' }, 503],
    ['claims that are text', { claims: 'admin' }, 503],
    ['a plan that is a number', { plan: 7 }, 503],
    ['an end that is past', { exp: 1 }, 401],
    ['an end at the beginning of time', { exp: 0 }, 401],
    ['an end before the beginning of time', { exp: -5 }, 401],
    ['an end a second ago', { exp: Date.now() / 1000 - 1 }, 401],
    ['an end that is not a number', { exp: Number.NaN }, 503],
    ['an end as text', { exp: '4102444800' }, 503],
    ['an end that is null', { exp: null }, 503],
    ['an end in milliseconds', { exp: Date.now() + 60_000 }, 503],
  ])('with %s is answered %3$d', async (_, change, status) => {
    saying.verify = () => ({ sub: 'ada', ...change });
    expect(await respondTo('/token', token())).toMatchObject({ status });
  });
});

describe('an app in the process', () => {
  it.each(['throws an error', 'throws text', 'calls itself without end'])('that %s fails', async (name) => {
    handling.handler = ODD_THROWS[name] as () => never;
    expect(await respondTo('/app')).toMatchObject({ status: 500 });
    handling.handler = async () => ODD_THROWS[name]?.();
    expect(await respondTo('/app')).toMatchObject({ status: 500 });
  });

  // What becomes of them is up to Fastify, and to the time that the upstream has.
  it.each([...values, ...throws])('that gives %s takes nothing with it', async (_, give) => {
    handling.handler = give;
    const answer = await respondTo('/app', { signal: AbortSignal.timeout(200) });
    expect(answer === 'broken' || answer.status >= 200).toBe(true);
    handling.handler = async () => give();
    await respondTo('/app', { signal: AbortSignal.timeout(200) });
  });
});

describe('code that hangs', () => {
  it.each(['/moments', '/who', '/token'])('%s: is answered when its time is over', async (path) => {
    const clock = new StubClock();
    const service = await startTarget((_, response) => void response.end('whole'));
    const slow = await startGateway(configFor(service), { clock });
    let asked = 0;
    const hang = () => new Promise<never>(() => void asked++);
    moments = { onRequest: hang };
    sayings.set('who', hang);
    saying.verify = hang;
    const answer = fetch(`${slow.url}${path}`, { headers: HEADERS });
    await until(() => asked > 0);
    clock.advance(30_000);
    expect((await answer).status).toBe(path === '/moments' ? 500 : 503);
    afterEachNow();
    expect((await fetch(`${slow.url}${path}`, { headers: { authorization: 'Bearer other' } })).status).toBe(
      200,
    );
  });
});

function afterEachNow(): void {
  moments = {};
  sayings.set('who', () => ADA);
  saying.verify = () => ({ sub: 'ada' });
}

function circle(): object {
  const claims: Record<string, unknown> = {};
  claims.self = claims;
  return claims;
}

describe('code that makes the response of an aggregate', () => {
  const isJsonOrFailed = ({ status, body }: { status: number; body: string }): void => {
    // What JSON can say is what is sent, whatever it is.
    if (status === 200) expect(() => JSON.parse(body)).not.toThrow();
    else expect({ status, body }).toEqual({ status: 500, body: expect.stringContaining('GW_INTERNAL') });
    expect(body).not.toContain('secret');
  };

  it.each(values)('that gives %s, or a promise of it, is sent as JSON or answered 500', async (_, give) => {
    composing.compose = () => give();
    isJsonOrFailed((await respondTo('/compose')) as { status: number; body: string });
    composing.compose = async () => give();
    isJsonOrFailed((await respondTo('/compose')) as { status: number; body: string });
    composing.compose = () => ({ within: [give()] });
    isJsonOrFailed((await respondTo('/compose')) as { status: number; body: string });
  });

  it.each(throws)('that %s is answered 500', async (_, give) => {
    for (const compose of [give, async () => give(), () => ({ toJSON: give })]) {
      composing.compose = compose;
      expect(await respondTo('/compose')).toEqual({
        status: 500,
        body: expect.stringContaining('GW_INTERNAL'),
      });
    }
  });

  it.each<[string, () => unknown]>([
    ['itself', () => listInItself()],
    ['what gives itself as JSON', () => selfGiving()],
    ['a list that is deeper than any stack', () => nested(100_000)],
  ])('that gives %s is answered 500', async (_, give) => {
    composing.compose = give;
    expect(await respondTo('/compose')).toMatchObject({ status: 500 });
  });

  it('may be what JSON can say, names of prototypes included, and changes no prototype', async () => {
    composing.compose = () => JSON.parse('{"__proto__":{"isAdmin":true},"constructor":1}');
    expect(await respondTo('/compose')).toEqual({
      status: 200,
      body: '{"__proto__":{"isAdmin":true},"constructor":1}',
    });
    expect({}).not.toHaveProperty('isAdmin');
    composing.compose = (parts) => {
      (parts as { page: string }).page = 'changed';
    };
    expect(await respondTo('/compose')).toMatchObject({ status: 500 });
  });
});

function listInItself(): unknown {
  const list: unknown[] = [];
  list.push(list);
  return list;
}

function selfGiving(): unknown {
  const given = { toJSON: (): unknown => given };
  return given;
}

function nested(depth: number): unknown {
  let list: unknown[] = [];
  for (let i = 0; i < depth; i++) list = [list];
  return list;
}
