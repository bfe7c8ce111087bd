import { describe, expect, it } from 'vitest';
import { createAuthService } from '../../src/auth/create-auth-service.ts';
import { KeyService } from '../../src/auth/key-service.ts';
import type { KeySet } from '../../src/auth/key-set.ts';
import { TokenRules } from '../../src/auth/token-rules.ts';
import { readJwk } from '../../src/config/key-material/public-key.ts';
import { authServiceSchema } from '../../src/config/schema/auth-schema.ts';
import { text } from '../../src/config/schema/scalars.ts';
import { isRejection, type VerifiedToken } from '../../src/core/identity/auth-service.ts';
import { stubServices } from '../core/stub-exchange.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { createSecretSigner, createSigner, goodClaims, signToken } from './test-tokens.ts';

const secret = 'a secret of the gateway and its issuer, 42';
const signer = createSecretSigner(secret);

/** Whole seconds of the stub clock at its start. */
const NOW = 1_700_000_000;

const claimsAt = (changes: Record<string, unknown> = {}) =>
  goodClaims({ iat: NOW, exp: NOW + 600, ...changes });

function serviceOf(config: object, clock = new StubClock()) {
  const { services, lines } = stubServices();
  const parsed = authServiceSchema(text).parse(config);
  return { service: createAuthService('main', parsed, {}, { log: services.log, clock }), clock, lines };
}

const bySecret = (settings: object = {}) => serviceOf({ secret, ...settings });

async function rejectionOf(config: object, claims: object, header: object = {}): Promise<string | undefined> {
  const { service } = bySecret(config);
  const outcome = await service.verifyToken(signToken(signer, claims, header));
  return isRejection(outcome) ? outcome.refused : undefined;
}

async function tokenOf(config: object, claims: object): Promise<VerifiedToken> {
  const { service } = bySecret(config);
  const outcome = await service.verifyToken(signToken(signer, claimsAt(claims as Record<string, unknown>)));
  if (isRejection(outcome)) throw new Error(outcome.refused);
  return outcome;
}

describe('a token that is taken', () => {
  it.each([
    [{}, { roles: ['a', 'b'] }, ['a', 'b']],
    [{}, { roles: 'Support Admin' }, ['Support Admin']],
    [{ rolesClaim: 'role' }, { role: 'Admin' }, ['Admin']],
    [{}, { roles: '' }, []],
    [{ rolesClaim: 'scope' }, { scope: 'a b' }, ['a', 'b']],
    [{ rolesClaim: 'ext.scp' }, { ext: { scp: 'a b' } }, ['a', 'b']],
    [{ rolesClaim: 'microscope' }, { microscope: 'a b' }, ['a b']],
    [{ spaceDelimited: true }, { roles: 'a b  c' }, ['a', 'b', 'c']],
    [
      {},
      { roles: { admin: true, user: { '1': 'a' }, off: false, none: null, empty: {}, zero: 0, text: 'x' } },
      ['admin', 'user'],
    ],
    [{}, { roles: { __proto__: { admin: true } } }, []],
    [
      { rolesClaim: 'resource_access.orders.api.roles' },
      { resource_access: { 'orders.api': { roles: ['a'] }, orders: { api: { roles: ['b'] } } } },
      ['a'],
    ],
    [
      { rolesClaim: 'resource_access.orders.api.v2.roles' },
      { resource_access: { 'orders.api.v2': { roles: ['a'] }, 'orders.api': { roles: ['b'] } } },
      ['a'],
    ],
    [{ rolesClaim: 'a.b.c' }, { 'a.b': { c: ['x'] }, a: { b: { c: ['y'] } } }, ['x']],
    [{ rolesClaim: 'a.b.c' }, { a: { 'b.c': ['x'], b: { c: ['y'] } } }, ['x']],
    [{ rolesClaim: 'a.b.c' }, { 'a.b': 1, a: { b: { c: ['y'] } } }, ['y']],
    [{}, { roles: 7 }, []],
    [{}, { roles: ['a', 7, '', null] }, ['a']],
    [{}, {}, []],
    [{ rolesClaim: 'realm_access.roles' }, { realm_access: { roles: ['a'] } }, ['a']],
    [{ rolesClaim: 'realm_access.roles' }, { realm_access: 'roles' }, []],
    [{ rolesClaim: 'https://example.com/roles' }, { 'https://example.com/roles': ['a'] }, ['a']],
    [{ rolesClaim: 'cognito:groups' }, { 'cognito:groups': ['a'] }, ['a']],
    [{ rolesClaim: 'constructor.name' }, {}, []],
    [{ rolesClaim: 'a.__proto__.b' }, { a: {} }, []],
  ])('has roles as %j says: %j', async (config, claims, roles) => {
    expect((await tokenOf(config, claims)).roles).toEqual(roles);
  });

  it.each([
    [{}, { scope: 'orders:read orders:write' }, ['orders:read', 'orders:write']],
    [{}, { scp: ['a'], permissions: ['b', 'a'] }, ['a', 'b']],
    [{ permissionsClaim: 'can' }, { can: 'x y', scope: 'z' }, ['x y']],
    [{ permissionsClaim: 'can', spaceDelimited: true }, { can: 'x y' }, ['x', 'y']],
    [{}, { permissions: 'delete everything' }, ['delete everything']],
  ])('has permissions as %j says: %j', async (config, claims, permissions) => {
    expect((await tokenOf(config, claims)).permissions).toEqual(permissions);
  });

  it('has subject, plan and all claims', async () => {
    const config = { subjectClaim: 'oid', planClaim: 'tenant.plan' };
    const token = await tokenOf(config, { oid: 'grace', tenant: { plan: 'gold' } });
    expect(token).toMatchObject({ sub: 'grace', plan: 'gold', exp: NOW + 600, claims: { sub: 'ada' } });
  });

  it.each([
    [['sub', 'client_id'], { sub: 'grace', client_id: 'app' }, 'grace'],
    [['sub', 'client_id'], { sub: undefined, client_id: 'app' }, 'app'],
    [['sub', 'client_id', 'azp'], { sub: null, azp: 'app' }, 'app'],
  ])('has the first subject of %j that %j names', async (subjectClaim, claims, sub) => {
    expect((await tokenOf({ subjectClaim }, claims)).sub).toBe(sub);
  });

  it.each([
    { sub: '', client_id: 'app' },
    { sub: 7, client_id: 'app' },
    { sub: ['ada'], client_id: 'app' },
  ])('is nobody where its subject is bad, whatever else it names: %j', async (claims) => {
    expect(await rejectionOf({ subjectClaim: ['sub', 'client_id'] }, claimsAt(claims))).toBe('subject');
  });

  it('is frozen, down to its claims: it serves many requests', async () => {
    const token = await tokenOf({}, { roles: ['a'], org: { teams: ['b'] } });
    const { org } = token.claims as { org: { teams: string[] } };
    for (const part of [token, token.roles, token.permissions, token.claims, org, org.teams])
      expect(Object.isFrozen(part)).toBe(true);
  });

  it('may have 200 groups, or as many as the configuration says', async () => {
    const roles = Array.from({ length: 200 }, () => crypto.randomUUID());
    const long = signToken(signer, claimsAt({ roles }));
    expect(long.length).toBeGreaterThan(10_000);
    expect(await bySecret().service.verifyToken(long)).toMatchObject({ roles });
    const { service } = bySecret({ maxTokenSize: '8KiB' });
    expect(service.verifyToken(long)).toEqual({ refused: 'too-long' });
    const longer = signToken(signer, claimsAt({ padding: 'x'.repeat(13_000) }));
    expect(bySecret().service.verifyToken(longer)).toEqual({ refused: 'too-long' });
    expect(await bySecret({ maxTokenSize: '32KiB' }).service.verifyToken(longer)).toMatchObject({
      sub: 'ada',
    });
  });

  it.each([{ token_use: 'refresh' }, { typ: 'Refresh' }, { typ: 'Offline' }, { token_use: 'refresh_token' }])(
    'is none where it is for getting others: %j',
    async (claims) => {
      expect(await rejectionOf({}, claimsAt(claims))).toBe('type');
    },
  );

  it.each(['base64', 'base64url'] as const)(
    'is verified by bytes that are not text, in %s',
    async (encoding) => {
      const bytes = Buffer.from(Array.from({ length: 40 }, (_, i) => 255 - i));
      const { service } = serviceOf({ base64Secret: bytes.toString(encoding) });
      expect(await service.verifyToken(signToken(createSecretSigner(bytes), claimsAt()))).toMatchObject({
        sub: 'ada',
      });
      const lossy = createSecretSigner(bytes.toString());
      expect(await service.verifyToken(signToken(lossy, claimsAt()))).toEqual({ refused: 'signature' });
    },
  );

  it('gives its roles alone, too', async () => {
    const { service } = bySecret();
    expect(await service.getUserRoles(signToken(signer, claimsAt({ roles: ['a'] })))).toEqual(['a']);
    expect(await service.getUserRoles('nonsense')).toEqual([]);
  });
});

describe('an issuer that differs by a slash at its end', () => {
  it.each([
    ['https://id.example.com', 'https://id.example.com/'],
    ['https://id.example.com/', 'https://id.example.com'],
    ['https://id.example.com/tenant', 'https://id.example.com/tenant/'],
  ])('is refused, and told once: %s, %s', async (issuer, iss) => {
    const { service, lines } = bySecret({ issuer });
    expect(service.problems?.()).toEqual([]);
    for (let i = 0; i < 3; i++)
      expect(await service.verifyToken(signToken(signer, claimsAt({ iss, jti: i })))).toEqual({
        refused: 'issuer',
      });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: 'warn', message: expect.stringContaining(`issuer ${iss}, and`) });
    expect(service.problems?.()).toEqual([expect.stringContaining(`issuer is ${issuer}:`)]);
  });

  it('is all that is told: an issuer of an attacker says nothing', async () => {
    const { service, lines } = bySecret({ issuer: 'https://id.example.com' });
    await service.verifyToken(signToken(signer, claimsAt({ iss: 'https://evil.example/' })));
    expect(lines).toEqual([]);
    expect(service.problems?.()).toEqual([]);
  });
});

describe('times', () => {
  it.each([
    [{}, { exp: NOW - 29 }, undefined],
    [{}, { exp: NOW - 30 }, 'expired'],
    [{ leeway: '0s' }, { exp: NOW }, 'expired'],
    [{ leeway: '0s' }, { exp: NOW + 0.5 }, undefined],
    [{}, { nbf: NOW + 30 }, undefined],
    [{}, { nbf: NOW + 31 }, 'not-yet'],
    [{}, { iat: NOW + 31 }, 'from-the-future'],
    [{}, { iat: undefined }, undefined],
    [{ maxTokenAge: '1m' }, { iat: NOW - 89 }, undefined],
    [{ maxTokenAge: '1m' }, { iat: NOW - 90 }, 'too-old'],
    [{ maxTokenAge: '1m' }, { iat: undefined }, 'no-age'],
    [{}, { exp: undefined }, 'no-expiry'],
    [{}, { exp: Number.NaN }, 'malformed-time'],
  ])('with %j, %j: %s', async (config, claims, refused) => {
    expect(await rejectionOf(config, claimsAt(claims))).toBe(refused);
  });
});

describe('audience, issuer and typ', () => {
  it.each([
    [{ audience: 'any' }, { aud: 'whatever' }, undefined],
    [{ audience: ['any'] }, { aud: 'whatever' }, 'audience'],
    [{ audience: ['a', 'b'] }, { aud: 'b' }, undefined],
    [{ audience: 'a', audienceClaim: 'client_id' }, { client_id: 'a', aud: undefined }, undefined],
    [{ audience: 'a', audienceClaim: 'client_id' }, { aud: 'a' }, 'audience'],
    [{ issuer: 'https://a' }, { iss: 'https://a' }, undefined],
    [{ issuer: 'https://a' }, { iss: 'https://A' }, 'issuer'],
  ])('with %j, %j: %s', async (config, claims, refused) => {
    expect(await rejectionOf(config, claimsAt(claims))).toBe(refused);
  });

  it.each([
    [{}, { typ: undefined }, undefined],
    [{}, { typ: 'jwt' }, undefined],
    [{}, { typ: 'application/at+jwt' }, undefined],
    [{}, { typ: 'secevent+jwt' }, 'type'],
    [{ typ: 'at+jwt' }, { typ: 'AT+JWT' }, undefined],
    [{ typ: 'at+jwt' }, { typ: 'JWT' }, 'type'],
    [{ typ: 'at+jwt' }, { typ: undefined }, 'type'],
  ])('with %j, header %j: %s', async (config, header, refused) => {
    expect(await rejectionOf(config, claimsAt(), header)).toBe(refused);
  });
});

describe('every algorithm', () => {
  it.each([
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
    'Ed25519',
  ])('verifies %s, and no other key', async (algorithm) => {
    const own = createSigner(algorithm);
    const { service } = serviceOf({ publicKey: own.pem, audience: 'any' });
    expect(await service.verifyToken(signToken(own, claimsAt()))).toMatchObject({ sub: 'ada' });
    const foreign = await service.verifyToken(signToken(createSigner(algorithm), claimsAt()));
    expect(foreign).toEqual({ refused: 'signature' });
  });

  it.each(['HS256', 'HS384', 'HS512'])('verifies %s, and no other secret', async (algorithm) => {
    const long = secret.repeat(2);
    const { service } = serviceOf({ secret: long, algorithms: [algorithm] });
    const outcome = await service.verifyToken(signToken(createSecretSigner(long, algorithm), claimsAt()));
    expect(outcome).toMatchObject({ sub: 'ada' });
    const foreign = createSecretSigner(`${long}x`, algorithm);
    expect(await service.verifyToken(signToken(foreign, claimsAt()))).toEqual({ refused: 'signature' });
  });
});

/** A service whose keys count how often they are looked for, and go when the test says so. */
function countingService() {
  const clock = new StubClock();
  const pair = createSigner('ES256', 'a');
  const key = readJwk(pair.jwk);
  if (typeof key === 'string') throw new Error(key);
  let finds = 0;
  let onClosed = (): void => {};
  const rules = new TokenRules(authServiceSchema(text).parse({}));
  const service = new KeyService({
    name: 'main',
    issuer: undefined,
    algorithms: undefined,
    rules,
    clock,
    createKeys: (onKeyRemoved): KeySet => {
      onClosed = onKeyRemoved;
      const find = () => {
        finds++;
        return [key];
      };
      return { issuer: undefined, find, close: () => {} };
    },
  });
  return { service, clock, pair, finds: () => finds, loseKey: () => onClosed() };
}

describe('a token that is known', () => {
  it('is there at once, without a promise, until it ends', async () => {
    const { service, clock, pair, finds } = countingService();
    const token = signToken(pair, claimsAt());
    expect(service.findVerified(token)).toBeUndefined();
    const first = await service.verifyToken(token);
    expect(service.verifyToken(token)).toBe(first);
    expect(service.findVerified(token)).toBe(first);
    clock.advance(599_999);
    expect(service.verifyToken(token)).toBe(first);
    expect(finds()).toBe(1);
    clock.advance(1);
    // Within the leeway it is still good, but no longer known.
    expect(service.findVerified(token)).toBeUndefined();
    expect(await service.verifyToken(token)).toEqual(first);
    clock.advance(30_000);
    expect(service.verifyToken(token)).toEqual({ refused: 'expired' });
  });

  it('is known no longer than maxTokenAge', async () => {
    const { service, clock } = bySecret({ maxTokenAge: '1m' });
    const token = signToken(signer, claimsAt());
    await service.verifyToken(token);
    clock.advance(59_999);
    expect(service.findVerified(token)).toBeDefined();
    clock.advance(1);
    expect(service.findVerified(token)).toBeUndefined();
  });

  it('is verified once, however many ask at a time', async () => {
    const { service, pair, finds } = countingService();
    const token = signToken(pair, claimsAt());
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => service.verifyToken(token)));
    expect(new Set(outcomes).size).toBe(1);
    expect(finds()).toBe(1);
  });

  it('is forgotten when a key is gone', async () => {
    const { service, pair, loseKey } = countingService();
    const token = signToken(pair, claimsAt());
    await service.verifyToken(token);
    loseKey();
    expect(service.findVerified(token)).toBeUndefined();
  });

  it('is not remembered when a key went meanwhile', async () => {
    const { service, pair, loseKey } = countingService();
    const token = signToken(pair, claimsAt());
    const verifying = service.verifyToken(token);
    await Promise.resolve();
    await Promise.resolve();
    loseKey();
    expect(await verifying).toMatchObject({ sub: 'ada' });
    expect(service.findVerified(token)).toBeUndefined();
  });

  it('is not known by a part of it, nor by another spelling', async () => {
    const { service, pair } = countingService();
    const token = signToken(pair, claimsAt());
    await service.verifyToken(token);
    expect(service.findVerified(token.slice(0, -1))).toBeUndefined();
    expect(service.findVerified(`${token}=`)).toBeUndefined();
  });

  it('keeps no bad one', async () => {
    const { service, pair } = countingService();
    const bad = `${signToken(pair, claimsAt()).slice(0, -2)}AA`;
    expect(await service.verifyToken(bad)).toMatchObject({ refused: expect.any(String) });
    expect(service.findVerified(bad)).toBeUndefined();
  });
});
