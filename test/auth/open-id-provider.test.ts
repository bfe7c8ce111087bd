import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { startGateway, startTarget, type TestGateway } from '../support/harness.ts';
import {
  CLIENT_ID,
  CLIENT_SECRET,
  type OpenIdProvider,
  POST_CLIENT_ID,
  startOpenIdProvider,
} from './open-id-provider.ts';

const MINUTE_MS = 60_000;

beforeEach(() => {
  // What the provider says of its settings.
  vi.spyOn(console, 'warn').mockReturnValue();
  vi.spyOn(console, 'info').mockReturnValue();
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** Lets the gateway believe that time has passed. */
function skipTime(): (ms: number) => Promise<void> {
  let skipped = 0;
  vi.spyOn(systemClock, 'monotonic').mockImplementation(() => performance.now() + skipped);
  return (ms) => {
    skipped += ms;
    // What looks at the clock now and then has looked once this has: else it would hold a new request for an old one.
    return new Promise((resolve) => {
      const stop = systemClock.every(100, () => {
        stop();
        resolve();
      });
    });
  };
}

async function startProtected(authService: object, policy: object) {
  const target = await startTarget();
  const gateway = await startGateway({
    authServices: { main: authService },
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'orders', path: '/*', upstream: 'service', policies: [policy as { jwt: object }] }],
  });
  return { gateway, target };
}

const startByKey = ({ issuer }: OpenIdProvider) =>
  startProtected({ issuer, discovery: true, audience: 'orders-api' }, { jwt: {} });

function startByAsking({ issuer }: OpenIdProvider, settings: object = {}) {
  const url = `${issuer}/token/introspection`;
  const introspection = { url, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, ...settings };
  return startProtected({ introspection, audience: 'orders-api', issuer }, { introspect: {} });
}

async function ask({ url }: TestGateway, token: string) {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function codeFor(gateway: TestGateway, token: string): Promise<unknown> {
  const { status, body } = await ask(gateway, token);
  return status === 200 ? 200 : body.code;
}

describe('tokens verified by the keys that discovery finds', () => {
  it('are let in, and only then does the upstream hear of them', async () => {
    const provider = await startOpenIdProvider();
    const { gateway, target } = await startByKey(provider);
    expect(await codeFor(gateway, await provider.issue('opaque'))).toBe('GW_CREDENTIALS_INVALID');
    expect(target.requests).toHaveLength(0);
    expect(await codeFor(gateway, await provider.issue('jwt'))).toBe(200);
    expect(provider.count('/jwks')).toBe(1);
  });

  it('are let in when the provider has changed its key, and refused when signed by the former', async () => {
    const skip = skipTime();
    const provider = await startOpenIdProvider();
    const { gateway } = await startByKey(provider);
    const former = await provider.issue('jwt');
    const alsoFormer = await provider.issue('jwt');
    expect(await codeFor(gateway, former)).toBe(200);
    provider.rotate();
    const latter = await provider.issue('jwt');
    await skip(31_000);
    expect(await codeFor(gateway, latter)).toBe(200);
    // It was known, and is forgotten with its key.
    expect(await codeFor(gateway, former)).toBe('GW_CREDENTIALS_INVALID');
    expect(await codeFor(gateway, alsoFormer)).toBe('GW_CREDENTIALS_INVALID');
    expect(provider.count('/jwks')).toBe(2);
  });

  it('are let in through an outage of an hour, and are answered 503 after that', async () => {
    const skip = skipTime();
    const provider = await startOpenIdProvider();
    const { gateway } = await startByKey(provider);
    expect(await codeFor(gateway, await provider.issue('jwt'))).toBe(200);
    const unseen = await provider.issue('jwt');
    const later = await provider.issue('jwt');
    provider.rotate();
    const unknown = await provider.issue('jwt');
    provider.fail(true);
    await skip(60 * MINUTE_MS);
    expect(await codeFor(gateway, unknown)).toBe('GW_AUTH_UNAVAILABLE');
    expect(await codeFor(gateway, unseen)).toBe(200);
    await skip(11 * MINUTE_MS);
    expect(await codeFor(gateway, unknown)).toBe('GW_AUTH_UNAVAILABLE');
    expect(await codeFor(gateway, later)).toBe('GW_AUTH_UNAVAILABLE');
    provider.fail(false);
    await skip(31_000);
    expect(await codeFor(gateway, unknown)).toBe(200);
  });

  it('are answered 503 while a provider has never been reached, and let in once it is', async () => {
    const skip = skipTime();
    const provider = await startOpenIdProvider();
    const token = await provider.issue('jwt');
    provider.fail(true);
    const { gateway, target } = await startByKey(provider);
    expect(await codeFor(gateway, token)).toBe('GW_AUTH_UNAVAILABLE');
    expect(target.requests).toHaveLength(0);
    provider.fail(false);
    await skip(1000);
    expect(await codeFor(gateway, token)).toBe(200);
  });
});

describe('tokens that the provider is asked about', () => {
  it.each(['jwt', 'opaque'] as const)('are let in: %s', async (format) => {
    const provider = await startOpenIdProvider();
    const { gateway } = await startByAsking(provider);
    // The provider keeps no signed tokens, so that it knows nothing of them.
    const due = format === 'opaque' ? 200 : 'GW_CREDENTIALS_INVALID';
    expect(await codeFor(gateway, await provider.issue(format))).toBe(due);
    expect(await codeFor(gateway, 'invented')).toBe('GW_CREDENTIALS_INVALID');
  });

  it('are asked about once while the answer is kept', async () => {
    const provider = await startOpenIdProvider();
    const { gateway } = await startByAsking(provider);
    const token = await provider.issue('opaque');
    const codes = await Promise.all(Array.from({ length: 20 }, () => codeFor(gateway, token)));
    expect(new Set(codes)).toEqual(new Set([200]));
    expect(await codeFor(gateway, token)).toBe(200);
    expect(provider.count('/token/introspection')).toBe(1);
  });

  it('are refused once revoked, as soon as the answer is no longer kept', async () => {
    const provider = await startOpenIdProvider();
    const { gateway, target } = await startByAsking(provider, { cacheFor: '0s' });
    const token = await provider.issue('opaque');
    expect(await codeFor(gateway, token)).toBe(200);
    await provider.revoke(token);
    expect(await codeFor(gateway, token)).toBe('GW_CREDENTIALS_INVALID');
    expect(target.requests).toHaveLength(1);
  });

  it('are answered 503 while the provider is away, unless the answer is known', async () => {
    const provider = await startOpenIdProvider();
    const { gateway, target } = await startByAsking(provider);
    const [known, unknown] = [await provider.issue('opaque'), await provider.issue('opaque')];
    expect(await codeFor(gateway, known)).toBe(200);
    provider.fail(true);
    expect(await codeFor(gateway, known)).toBe(200);
    expect(await codeFor(gateway, unknown)).toBe('GW_AUTH_UNAVAILABLE');
    provider.fail(false);
    expect(await codeFor(gateway, unknown)).toBe(200);
    await provider.target.close();
    expect(await codeFor(gateway, 'another')).toBe('GW_AUTH_UNAVAILABLE');
    expect(target.requests).toHaveLength(3);
  });

  it('are answered 503, not 401, where the gateway itself is not let in', async () => {
    const provider = await startOpenIdProvider();
    const { gateway } = await startByAsking(provider, { clientSecret: 'wrong' });
    expect(await codeFor(gateway, await provider.issue('opaque'))).toBe('GW_AUTH_UNAVAILABLE');
    expect(gateway.log.text).not.toContain('wrong');
  });

  it('are asked about with the credentials in the form, where the provider wants them there', async () => {
    const provider = await startOpenIdProvider();
    const { gateway } = await startByAsking(provider, { clientId: POST_CLIENT_ID, clientAuth: 'post' });
    expect(await codeFor(gateway, await provider.issue('opaque'))).toBe(200);
  });
});

it('tells in no log what a token is', async () => {
  const provider = await startOpenIdProvider();
  const { gateway } = await startByAsking(provider);
  const token = await provider.issue('opaque');
  await ask(gateway, token);
  provider.fail(true);
  await ask(gateway, 'an-invented-token');
  expect(gateway.log.text).toContain('the auth service cannot be reached');
  expect(gateway.log.text).not.toContain(token);
  expect(gateway.log.text).not.toContain('an-invented-token');
  expect(gateway.log.text).not.toContain(CLIENT_SECRET);
});
