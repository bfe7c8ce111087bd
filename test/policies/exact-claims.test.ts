import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { compileRequestKey } from '../../src/core/request-key.ts';
import { authorize } from '../../src/policies/authorize/authorize.ts';
import { createSecretSigner, goodClaims, signToken } from '../auth/test-tokens.ts';
import { policyPipeline, stubExchange } from '../core/stub-exchange.ts';
import { startGateway, startTarget } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';

const SECRET = 'a secret of the gateway and its issuer, 42';

/** A token with more claims, as JSON text, which JavaScript could not write. */
function tokenWith(claims: string): string {
  const usual = JSON.stringify(goodClaims()).slice(0, -1);
  return signToken(createSecretSigner(SECRET), `${usual},${claims}}`);
}

async function setUp(policies: readonly unknown[], authService: object) {
  const target = await startTarget();
  const gateway = await startGateway({
    authServices: { main: authService },
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'user', path: '/users/:id', upstream: 'service', policies }],
  } as object);
  const ask = async (token: string, id: string): Promise<number> =>
    (await gateway.gateway.inject({ url: `/users/${id}`, headers: { authorization: `Bearer ${token}` } }))
      .status;
  return { target, ask };
}

const BY_SECRET = { secret: SECRET, algorithms: ['HS256'], audience: 'any' };
const OWN = [{ jwt: {} }, { authorize: { claims: { uid: '{params.id}' } } }];

describe('a number beyond 2^53 in a token', () => {
  test.each([
    ['9007199254740993', ['9007199254740992', '9007199254740993', '9007199254740994']],
    ['9007199254740992', ['9007199254740992', '9007199254740993']],
    ['-9007199254740993', ['-9007199254740992', '-9007199254740993']],
    ['9007199254740991.4', ['9007199254740991']],
    ['1.0000000000000000001', ['1']],
    ['1e-400', ['0']],
    ['1e400', ['Infinity', '1e400']],
    ['[9007199254740993, 9007199254740995]', ['9007199254740992', '9007199254740996', 'NaN']],
  ])('is nobody: %s', async (uid, ids) => {
    const { target, ask } = await setUp(OWN, BY_SECRET);
    for (const id of ids) expect(await ask(tokenWith(`"uid":${uid}`), id)).toBe(403);
    expect(target.requests).toHaveLength(0);
  });

  test('leaves the others as they are', async () => {
    const { ask } = await setUp(OWN, BY_SECRET);
    expect(await ask(tokenWith('"uid":9007199254740991,"big":9007199254740993'), '9007199254740991')).toBe(
      200,
    );
    expect(await ask(tokenWith('"uid":"9007199254740993"'), '9007199254740993')).toBe(200);
  });

  test('denies whatever an expression does with it', async () => {
    for (const when of [
      'identity.claims.uid == 9007199254740992',
      'identity.claims.uid != 5',
      'identity.claims.uid > 5',
      'identity.claims.list.exists(x, x != 7)',
      'identity.claims.deep.uid != 5',
    ]) {
      const { ask } = await setUp([{ jwt: {} }, { authorize: { when } }], BY_SECRET);
      const claims = '"uid":9007199254740993,"list":[9007199254740993],"deep":{"uid":9007199254740993}';
      expect(await ask(tokenWith(claims), '1')).toBe(403);
    }
    const { ask } = await setUp([{ jwt: {} }, { authorize: { when: 'identity.claims.ok == 5' } }], BY_SECRET);
    expect(await ask(tokenWith('"ok":5,"uid":9007199254740993'), '1')).toBe(200);
  });

  test('names no caller', async () => {
    const { ask } = await setUp([{ jwt: {} }], { ...BY_SECRET, subjectClaim: 'uid' });
    expect(await ask(tokenWith('"uid":9007199254740993'), '1')).toBe(401);
  });
});

test('a number beyond 2^53 that an issuer answers about a token is nobody', async () => {
  const issuer = createServer((_, response) =>
    response.end('{"active":true,"sub":"ada","uid":9007199254740993}'),
  );
  issuer.listen(0, LOOPBACK);
  await once(issuer, 'listening');
  onTestFinished(() => void issuer.close());
  const url = `http://${LOOPBACK}:${(issuer.address() as AddressInfo).port}/introspect`;
  const introspection = { url, clientId: 'gateway', clientSecret: 'secret' };
  const policies = [{ introspect: {} }, { authorize: { claims: { uid: '{params.id}' } } }];
  const { ask } = await setUp(policies, { introspection });
  expect([await ask('opaque', '9007199254740992'), await ask('opaque', '9007199254740993')]).toEqual([
    403, 403,
  ]);
});

describe('a number that code of your own puts into claims', () => {
  const identity = { subject: 'ada', roles: [], permissions: [], method: 'acme/x' };

  test.each([2 ** 53, -(2 ** 53), Number.NaN, Number.POSITIVE_INFINITY])('is nobody: %s', (uid) => {
    const exchange = stubExchange();
    exchange.identity = { ...identity, claims: { uid } };
    exchange.params = { id: String(uid) };
    const { pipeline } = policyPipeline([authorize, { claims: { uid: '{params.id}' } }]);
    expect(pipeline.runRequest(exchange)).toMatchObject({ status: 403 });
  });

  test('counts for nobody where a limit goes by it', () => {
    const exchange = stubExchange({ clientAddress: '192.0.2.7' });
    const key = compileRequestKey('claim:uid');
    exchange.identity = { ...identity, claims: { uid: 2 ** 53 } };
    expect(key(exchange)).toBe('192.0.2.7');
    exchange.identity = { ...identity, claims: { uid: 2 ** 53 - 1 } };
    expect(key(exchange)).toBe('9007199254740991');
  });
});
