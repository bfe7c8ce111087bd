import { fileURLToPath } from 'node:url';
import { decodeJwt } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import type { Exchange } from '../../src/core/exchange.ts';
import { createSecretSigner, signToken } from '../auth/test-tokens.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { startGateway, startTarget } from '../support/harness.ts';
import { until } from '../support/until.ts';
import { saying } from './fixtures/scripted-auth.ts';
import { scripts } from './fixtures/scripted-policy.ts';
import { sayings } from './fixtures/scripted-way-in.ts';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}.ts`, import.meta.url));
const SECRET = 'a secret of the gateway and its issuer, 42';
const signer = createSecretSigner(SECRET);

/** What a policy of ones own does with the exchange. */
let meddle: (exchange: Exchange) => unknown = () => undefined;

afterEach(() => {
  meddle = () => undefined;
});

async function start() {
  const clock = new StubClock();
  const now = Math.floor(clock.now() / 1000);
  scripts.set('meddle', () => ({ onRequest: (exchange) => meddle(exchange) as never }));
  const target = await startTarget();
  const after = { 'test/scripted': { script: 'meddle' } };
  const gateway = await startGateway(
    {
      customPolicies: {
        'test/scripted': fixture('scripted-policy'),
        'test/way-in': fixture('scripted-way-in'),
      },
      authServices: {
        main: { secret: SECRET, audience: 'orders' },
        code: { code: fixture('scripted-auth') },
      },
      internalTokens: { issuer: 'https://gateway.example', ttl: '60s' },
      upstreams: { service: { targets: [target.url] } },
      routes: [
        { id: 'jwt', path: '/jwt', upstream: 'service', policies: [{ jwt: { forward: 'exchange' } }, after] },
        {
          id: 'code',
          path: '/code',
          upstream: 'service',
          policies: [{ jwt: { service: 'code', forward: 'exchange' } }, after],
        },
        {
          id: 'own',
          path: '/own',
          upstream: 'service',
          policies: [{ 'test/way-in': { script: 'ends', forward: 'exchange' } }, after],
        },
      ],
    } as never,
    { clock },
  );
  /** Asks with a credential that ends at `exp`, in seconds, on the way of that name. */
  const ask = async (path: string, exp: number | undefined) => {
    saying.verify = () => ({ sub: 'ada', ...(exp !== undefined && { exp }) });
    sayings.set('ends', () => ({ subject: 'ada', roles: [], permissions: [], expiresAt: exp }));
    const token = signToken(signer, { aud: 'orders', sub: 'ada', exp, jti: crypto.randomUUID() });
    const response = await fetch(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    await response.text();
    const sent = target.requests.at(-1)?.headers.authorization?.replace('Bearer ', '');
    return { status: response.status, sent: response.ok && sent ? decodeJwt(sent) : undefined };
  };
  return { clock, now, ask, target, gateway };
}

describe.each(['/jwt', '/code', '/own'])('a credential that ends, on %s', (path) => {
  it('is refused once it has, and no token of ours is made of it', async () => {
    const { now, ask } = await start();
    // Beyond the leeway of the tokens that are verified here.
    for (const exp of [now - 31, now - 3600, 1, 0, -1]) expect((await ask(path, exp)).status).toBe(401);
  });

  it('is stood for by a token that ends with it at the latest', async () => {
    const { clock, now, ask } = await start();
    expect((await ask(path, now + 7)).sent?.exp).toBe(now + 7);
    expect((await ask(path, now + 59)).sent?.exp).toBe(now + 59);
    expect((await ask(path, now + 3600)).sent?.exp).toBe(now + 60);
    clock.advance(5000);
    expect((await ask(path, now + 6)).sent?.exp).toBe(now + 6);
  });

  it('is refused where it ends while a policy behind it still waits', async () => {
    const { clock, now, ask, target } = await start();
    let goOn: () => void = () => {};
    let isWaiting = false;
    meddle = () => {
      isWaiting = true;
      return new Promise<void>((resolve) => (goOn = resolve));
    };
    const answer = ask(path, now + 10);
    await until(() => isWaiting);
    clock.advance(11_000);
    goOn();
    expect((await answer).status).toBe(401);
    expect(target.requests).toHaveLength(0);
  });
});

function pushTo(list: readonly string[] = [], item: string): void {
  (list as string[]).push(item);
}

it('a token within its leeway is taken, and what is made of it ends within the leeway', async () => {
  const { clock, now, ask } = await start();
  clock.advance(28_000);
  const { status, sent } = await ask('/jwt', now);
  expect(status).toBe(200);
  expect(sent?.exp).toBe(now + 30);
});

describe('who is calling', () => {
  const changes: [string, (exchange: Exchange) => void][] = [
    ['a role', ({ identity }) => pushTo(identity?.roles, 'admin')],
    ['a permission', ({ identity }) => pushTo(identity?.permissions, 'all')],
    ['the subject', ({ identity }) => Object.assign(identity ?? {}, { subject: 'root' })],
    ['a claim', ({ identity }) => Object.assign(identity?.claims ?? {}, { aud: 'all' })],
    ['what a claim holds', ({ identity }) => Object.assign(Object(identity?.claims.org), { id: 2 })],
    [
      'what a list in a claim holds',
      ({ identity }) => (Object(identity?.claims.org).teams as string[]).push('all'),
    ],
    ['the end', ({ identity }) => Object.assign(identity ?? {}, { expiresAt: 4_102_444_800 })],
  ];

  it.each(changes)(
    'cannot be given %s by a policy: 500, and the next request has none',
    async (_, change) => {
      const { clock, target, gateway } = await start();
      const claims = {
        aud: 'orders',
        sub: 'ada',
        exp: clock.now() / 1000 + 60,
        org: { id: 1, teams: ['a'] },
      };
      const headers = { authorization: `Bearer ${signToken(signer, claims)}` };
      meddle = change;
      expect((await fetch(`${gateway.url}/jwt`, { headers })).status).toBe(500);
      let seen: unknown;
      meddle = ({ identity }) => {
        seen = identity;
        return undefined;
      };
      expect((await fetch(`${gateway.url}/jwt`, { headers })).status).toBe(200);
      expect(seen).toMatchObject({ subject: 'ada', roles: [], permissions: [], claims });
      expect(target.requests).toHaveLength(1);
    },
  );

  it('may be replaced by a policy as a whole, for that request alone', async () => {
    const { clock, target, gateway } = await start();
    const exp = clock.now() / 1000 + 60;
    const headers = { authorization: `Bearer ${signToken(signer, { aud: 'orders', sub: 'ada', exp })}` };
    meddle = (exchange) => {
      if (exchange.identity !== undefined) exchange.identity = { ...exchange.identity, roles: ['support'] };
    };
    for (const roles of [['support'], []]) {
      expect((await fetch(`${gateway.url}/jwt`, { headers })).status).toBe(200);
      const sent = target.requests.at(-1)?.headers.authorization?.replace('Bearer ', '') ?? '';
      expect(decodeJwt(sent).roles).toEqual(roles);
      meddle = () => undefined;
    }
  });
});
