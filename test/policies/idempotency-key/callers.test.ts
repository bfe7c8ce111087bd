import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { scripts } from '../../gateway/fixtures/scripted-policy.ts';
import { type KeyedGateway, startKeyed, written } from './keyed-gateway.ts';

const customPolicies = {
  'test/scripted': fileURLToPath(new URL('../../gateway/fixtures/scripted-policy.ts', import.meta.url)),
};

afterEach(() => scripts.clear());

/** Starts one behind a policy that finds out who calls by a field of the request. */
function startIdentifying(): Promise<KeyedGateway> {
  scripts.set('identify', () => ({
    onRequest(exchange) {
      const said = exchange.headers.get('x-who');
      if (said === undefined) return;
      const { method = 'test', claims = {}, subject } = JSON.parse(said);
      exchange.identity = { subject, method, claims, roles: [], permissions: [] };
    },
  }));
  return startKeyed({}, undefined, {
    customPolicies,
    before: written({ 'test/scripted': { script: 'identify' } }),
  });
}

const as = (who: object): { headers: Record<string, string> } => ({
  headers: { 'x-who': JSON.stringify(who) },
});

describe('a key belongs to its caller', () => {
  it.each([
    ['subject', { subject: 'bob' }],
    ['authentication method', { subject: 'ada', method: 'other' }],
    ['issuer', { subject: 'ada', claims: { iss: 'https://other.example.com' } }],
  ])('so that another %s runs its own request', async (_, other) => {
    const { post, asked } = await startIdentifying();
    expect((await post(as({ subject: 'ada' }))).text).toBe('order 0');
    expect((await post(as(other))).text).toBe('order 1');
    expect((await post(as({ subject: 'ada' }))).text).toBe('order 0');
    expect(asked).toHaveLength(2);
  });

  it('whose tokens and roles may have changed meanwhile', async () => {
    const { post } = await startIdentifying();
    await post(as({ subject: 'ada', claims: { iss: 'a', jti: '1', roles: ['x'] } }));
    const again = await post(as({ subject: 'ada', claims: { iss: 'a', jti: '2' } }));
    expect(again.headers['idempotency-replayed']).toBe('true');
  });

  it('who is the address where nobody is identified, and shows what it showed before', async () => {
    const { post, asked } = await startKeyed({}, undefined, { trustedProxies: ['127.0.0.1'] });
    const from = (address: string, more: object = {}) => ({
      headers: { 'x-forwarded-for': address, ...more },
    });
    expect((await post(from('192.0.2.1'))).text).toBe('order 0');
    expect((await post(from('192.0.2.2'))).text).toBe('order 1');
    expect((await post(from('192.0.2.1'))).text).toBe('order 0');
    for (const shown of [{ authorization: 'Bearer x' }, { cookie: 'session=x' }])
      expect((await post(from('192.0.2.1', shown))).status).toBe(422);
    expect(asked).toHaveLength(2);
  });
});
