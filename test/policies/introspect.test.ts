import { describe, expect, it } from 'vitest';
import { introspect } from '../../src/policies/index.ts';
import { problemsOf } from '../core/stub-exchange.ts';
import { readAll, startGateway, startTarget, type TestGateway } from '../support/harness.ts';

/** A gateway in front of a service, whose tokens are those that `known` says. */
async function startAsking(known: Readonly<Record<string, object>>, policy: object = {}) {
  const target = await startTarget();
  const issuer = await startTarget(async (request, response) => {
    const token = new URLSearchParams(String(await readAll(request))).get('token') ?? '';
    response.end(JSON.stringify(known[token] ?? { active: false }));
  });
  const gateway = await startGateway({
    authServices: {
      main: { introspection: { url: issuer.url, clientId: 'gw', clientSecret: 'secret' }, planClaim: 'plan' },
    },
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service', policies: [{ introspect: policy }] }],
  });
  return { gateway, target, issuer };
}

async function statusOf({ url }: TestGateway, headers: Record<string, string>): Promise<number> {
  return (await fetch(url, { headers })).status;
}

describe('introspect', () => {
  it('lets in whom the issuer vouches for', async () => {
    const { gateway, target } = await startAsking({ good: { active: true, sub: 'ada' } });
    expect(await statusOf(gateway, { authorization: 'Bearer good' })).toBe(200);
    expect(await statusOf(gateway, { authorization: 'Bearer bad' })).toBe(401);
    expect(await statusOf(gateway, {})).toBe(401);
    expect(target.requests).toHaveLength(1);
  });

  it('lets requests without a token pass where that is said, and never a bad one', async () => {
    const { gateway, target, issuer } = await startAsking({}, { optional: true });
    expect(await statusOf(gateway, {})).toBe(200);
    expect(issuer.requests).toHaveLength(0);
    expect(await statusOf(gateway, { authorization: 'Bearer bad' })).toBe(401);
    expect(target.requests).toHaveLength(1);
  });

  it('keeps the token from the upstream where that is said', async () => {
    const options = { forward: 'drop', from: { header: 'authorization', cookie: 'session' } };
    const { gateway, target } = await startAsking({ good: { active: true, sub: 'ada' } }, options);
    expect(await statusOf(gateway, { authorization: 'Bearer good' })).toBe(200);
    expect(await statusOf(gateway, { cookie: 'a=b; session=good' })).toBe(200);
    expect(target.requests.map(({ headers }) => [headers.authorization, headers.cookie])).toEqual([
      [undefined, undefined],
      [undefined, 'a=b'],
    ]);
  });

  it('asks about no more than a token', async () => {
    const { gateway, issuer } = await startAsking({});
    expect(await statusOf(gateway, { authorization: 'Bearer a b' })).toBe(401);
    expect(await statusOf(gateway, { authorization: 'Bearer a&client_id=x' })).toBe(401);
    expect(issuer.requests).toHaveLength(0);
  });

  it('counts rejections by their reason', async () => {
    const { gateway } = await startAsking({});
    await statusOf(gateway, { authorization: 'Bearer bad' });
    const { text } = await gateway.gateway.metrics();
    expect(text).toContain('gateway_authentication_failures_total{policy="introspect",reason="inactive"} 1');
  });
});

it('has no use for several services', () => {
  expect(problemsOf(introspect, { services: ['a', 'b'] })).not.toEqual([]);
});
