import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { formatProblem, type Problem } from '../../src/config/problem.ts';
import { builtInPolicies } from '../../src/policies/index.ts';
import { createSigner } from '../auth/test-tokens.ts';

const rsa = createSigner('RS256', 'a');
const weak = createSigner('RS256', 'weak', 1024);
const secret = 'k7-Qm2:vX9_tR4!wZ8+bN3=hL6~pD1,cF';
const privatePem = '-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n';

const FILES: Readonly<Record<string, string>> = {
  'rsa.pem': rsa.pem,
  'weak.pem': weak.pem,
  'private.pem': privatePem,
  'no.pem': 'hello',
  'keys.json': JSON.stringify({ keys: [rsa.jwk] }),
  'empty.json': JSON.stringify({ keys: [weak.jwk] }),
  'no.json': 'hello',
  'list.json': '[]',
};

async function load(authServices: object, policies: unknown = ['jwt']) {
  const config = { listeners: [{ port: 0 }], authServices, policies };
  const files = new Map(Object.entries(FILES).map(([name, text]) => [resolve('/etc/sallyport', name), text]));
  files.set('/etc/sallyport/sallyport.json', JSON.stringify(config));
  return loadConfig('/etc/sallyport/sallyport.json', {
    policies: builtInPolicies,
    env: {},
    readFile: async (path) => {
      const found = files.get(path);
      if (found === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
      return found;
    },
  });
}

const written = (problems: readonly Problem[]) =>
  problems.map((problem) => formatProblem({ ...problem, file: '' }).replace(/^[\d:]+ /, ''));

/** The problems of one service, which a policy uses that fits. */
async function problemsOf(service: object): Promise<string[]> {
  const result = await load({ main: service }, ['introspection' in service ? 'introspect' : 'jwt']);
  return result.ok ? [] : written(result.problems);
}

async function warningsOf(service: object): Promise<string[]> {
  const result = await load({ main: service });
  if (!result.ok) throw new Error(written(result.problems).join('\n'));
  return written(result.warnings);
}

const introspection = { url: 'https://id.example.com/i', clientId: 'gw', clientSecret: 's' };
const issuer = 'https://id.example.com';
const audience = 'orders';
const jwks = 'https://id.example.com/keys';

describe('an auth service that is taken', () => {
  it.each([
    { secret },
    { secret, algorithms: ['HS256'] },
    { secret: secret.repeat(2), algorithms: ['HS512', 'HS256'], issuer, audience },
    { publicKey: rsa.pem, audience },
    { publicKey: rsa.jwk, audience, algorithms: ['PS256'] },
    { publicKey: JSON.stringify(rsa.jwk), audience: 'any' },
    { publicKeyFile: './rsa.pem', audience: ['a', 'b'] },
    { jwks, issuer, audience },
    { jwks: 'http://127.0.0.1:1/keys', issuer, audience },
    { jwks: 'http://[::1]/keys', issuer, audience },
    { jwks: 'http://keys.internal/', issuer, audience, dangerouslyAllowHttp: true },
    { jwksFile: './keys.json', issuer, audience },
    { issuer, discovery: true, audience },
    { discovery: `${issuer}/.well-known/openid-configuration`, audience },
    { introspection },
    { introspection: { ...introspection, clientAuth: 'post', timeout: '1s', cacheFor: '0s' }, issuer },
    { code: './rsa.pem' },
    { base64Secret: Buffer.alloc(32, 255).toString('base64') },
    { secret, maxTokenSize: '64KiB', subjectClaim: ['sub', 'client_id'], spaceDelimited: true },
    { jwks, issuer, audience, timeout: '10s' },
    { introspection: { ...introspection, missingAudience: 'allow' }, audience },
  ])('%j', async (service) => {
    expect(await problemsOf(service)).toEqual([]);
  });
});

describe('an auth service that is refused', () => {
  it.each([
    [{}, 'does not say how tokens are verified — set one of secret, publicKey,'],
    [{ secret, jwks, issuer, audience }, 'jwks: stands beside secret — keep one of the two'],
    [{ secret: 'short' }, 'secret: is short enough to be guessed — use at least 32 random bytes'],
    [{ secret: '' }, 'secret: is empty'],
    [{ secret: Buffer.alloc(11, 255).toString() }, 'secret: holds bytes that are not text'],
    [{ secret: Buffer.alloc(64, 255).toString() }, 'write them in base64, as base64Secret'],
    [
      { base64Secret: Buffer.alloc(31, 255).toString('base64') },
      'base64Secret: is short enough to be guessed',
    ],
    [{ base64Secret: 'not base64!' }, 'base64Secret: is not base64'],
    [{ base64Secret: Buffer.from(rsa.pem).toString('base64'), audience }, 'base64Secret: is a public key'],
    [{ secret, base64Secret: 'eA'.repeat(22) }, 'base64Secret: stands beside secret'],
    [{ base64Secret: Buffer.alloc(32).toString('base64'), algorithms: ['RS256'] }, 'needs a public key'],
    [{ secret, subjectClaim: [] }, 'subjectClaim: is empty'],
    [{ jwks, issuer, audience, timeout: '1ms' }, 'timeout: is too short'],
    [{ secret, algorithms: ['HS512'] }, 'use at least 64 random bytes'],
    [{ secret, algorithms: ['RS256'] }, 'algorithms[0]: needs a public key, not a secret — use HS256'],
    [{ secret, algorithms: ['none'] }, 'algorithms[0]: is not known here — write one of HS256'],
    [{ secret, algorithms: [] }, 'algorithms: is empty'],
    [{ jwks, issuer, audience, algorithms: ['HS256'] }, 'algorithms[0]: needs a secret, not a public key'],
    [{ publicKey: rsa.pem, audience, algorithms: ['ES256'] }, 'publicKey: is a key for RS256, RS384'],
    [{ publicKey: 'hello', audience }, 'publicKey: is not a public key — write PEM'],
    [{ publicKey: '{"kty"', audience }, 'publicKey: is not JSON'],
    [{ publicKey: { kty: 'oct', k: 'x' }, audience }, 'publicKey: is a secret — write it as secret'],
    [{ publicKey: { ...rsa.jwk, d: 'x' }, audience }, 'publicKey: holds a private key'],
    [{ publicKey: { ...rsa.jwk, use: 'enc' }, audience }, 'publicKey: is a key for encryption'],
    [{ publicKey: { kty: 'RSA' }, audience }, 'publicKey: is not a JWK'],
    [{ publicKey: privatePem, audience }, 'publicKey: holds a private key, which only the issuer may have'],
    [{ publicKey: weak.pem, audience }, 'publicKey: is an RSA key of 1024 bits, which can be broken'],
    [{ publicKey: 7, audience }, 'publicKey: is'],
    [
      { secret: rsa.pem, audience },
      'secret: is a public key, which everybody may know — write it as publicKey',
    ],
    [{ secret: weak.pem, audience }, 'secret: is a public key'],
    [{ secret: JSON.stringify(rsa.jwk), audience }, 'secret: is a public key'],
    [{ publicKeyFile: './weak.pem', audience }, 'publicKeyFile: is an RSA key of 1024 bits'],
    [{ publicKeyFile: './private.pem', audience }, 'publicKeyFile: holds a private key'],
    [{ publicKeyFile: './no.pem', audience }, 'publicKeyFile: is not a public key'],
    [{ publicKeyFile: './gone.pem', audience }, 'publicKeyFile: names a file that cannot be read (ENOENT)'],
    [{ publicKeyFile: './rsa.pem' }, 'audience: is missing — write what the aud of tokens for this API is'],
    [{ jwks, audience }, 'issuer: is missing — write what the iss of its tokens is'],
    [{ jwks, issuer }, 'audience: is missing'],
    [{ jwks: './keys.json', issuer, audience }, 'jwks: is not the URL of a key set — write one; a file goes'],
    [{ jwks: 'http://keys.internal/', issuer, audience }, 'jwks: is not https, so that anyone on the way'],
    [{ jwks: ' http://keys.internal/', issuer, audience }, 'jwks: is not https'],
    [{ publicKey: {}, audience }, 'publicKey: is not a JWK'],
    [{ discovery: true, issuer: 'ftp://id.internal', audience }, 'issuer: is not the URL of an issuer'],
    [{ jwks: 'http://localhost.evil.example/', issuer, audience }, 'jwks: is not https'],
    [{ jwks: 'http://127.0.0.1.evil.example/', issuer, audience }, 'jwks: is not https'],
    [{ jwks: 'https://u:p@id.example.com/', issuer, audience }, 'jwks: is not the URL of a key set'],
    [{ jwks: 'file:///etc/keys.json', issuer, audience }, 'jwks: is not the URL of a key set'],
    [{ jwksFile: './no.json', issuer, audience }, 'jwksFile: names a file that holds no JSON'],
    [{ jwksFile: './list.json', issuer, audience }, 'jwksFile: names a file that holds no JWK set'],
    [{ jwksFile: './empty.json', issuer, audience }, 'jwksFile: names a file without a key'],
    [{ discovery: true, audience }, 'issuer: is missing'],
    [
      { discovery: true, issuer: 'main', audience },
      'issuer: is not the URL of an issuer, which discovery needs',
    ],
    [{ discovery: true, issuer: 'http://id.internal', audience }, 'issuer: is not https'],
    [{ discovery: 'yes', issuer, audience }, 'discovery: is not a URL — write true'],
    [{ discovery: 'http://id.internal/.well-known/x', audience }, 'discovery: is not https'],
    [{ introspection: { ...introspection, url: 'http://id.internal/' } }, 'introspection.url: is not https'],
    [
      { introspection: { ...introspection, clientId: undefined } },
      "introspection.clientId: is missing — add 'clientId'",
    ],
    [{ introspection: { ...introspection, clientSecrt: 's' } }, "did you mean 'clientSecret'?"],
    [{ introspection, algorithms: ['RS256'] }, 'algorithms: has no effect on introspection'],
    [{ introspection, maxTokenAge: '1h' }, 'maxTokenAge: has no effect on introspection'],
    [{ code: './rsa.pem', typ: 'at+jwt' }, 'typ: has no effect on code, which judges tokens itself'],
    [{ secret, leeway: '10m' }, 'leeway: is too long — write at most 5m'],
    [{ secret, leeway: 30 }, 'leeway: has no unit'],
    [{ secret, maxTokenAge: '0s' }, 'maxTokenAge: is too short'],
    [{ secret, audience: [] }, 'audience: is empty'],
    [{ secret, roleClaim: 'roles' }, "there is no setting 'roleClaim' here — did you mean 'rolesClaim'?"],
  ])('%j', async (service, problem) => {
    const problems = await problemsOf(service);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  it('by its name', async () => {
    const result = await load({ 'my service': { secret } }, []);
    expect(result.ok ? [] : written(result.problems)).toEqual([
      expect.stringContaining('is not a name for an auth service'),
    ]);
  });

  it('without a word of its secret', async () => {
    expect((await problemsOf({ secret: 'hunter2' })).join()).not.toContain('hunter2');
  });
});

describe('what deserves a look', () => {
  it.each([
    [{ jwks, issuer, audience: 'any' }, 'audience: takes tokens that were made for other services'],
    [{ secret }, 'authServices.main: takes tokens that were made for other services'],
    [{ jwks, issuer, audience, dangerouslyAllowHttp: true }, 'dangerouslyAllowHttp: lets anyone on the way'],
  ])('%j', async (service, warning) => {
    const warnings = await warningsOf(service);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(warning);
  });

  it('is a service that nobody uses', async () => {
    const result = await load({ main: { secret, audience } }, []);
    expect(result.ok && written(result.warnings)).toEqual([
      expect.stringContaining('authServices.main: is used by no policy'),
    ]);
  });
});

describe('the services of policies', () => {
  const services = {
    main: { secret, audience, issuer: 'https://main' },
    same: { secret, audience, issuer: 'https://main' },
    other: { secret, audience, issuer: 'https://other' },
    nameless: { secret, audience },
    partner: { introspection },
    code: { code: './rsa.pem', issuer: 'https://code' },
  };

  it.each([
    ['jwt'],
    [{ jwt: { service: 'other' } }],
    [{ jwt: { services: ['main', 'other', 'code'] } }],
    [{ introspect: { service: 'partner' } }],
    [{ introspect: { service: 'code' } }],
    [{ jwt: { service: 'code' } }],
    [
      {
        any: [
          { jwt: { service: 'other' } },
          { introspect: { service: 'partner', from: { cookie: 'session' } } },
        ],
      },
    ],
  ])('may be: %j', async (policy) => {
    const result = await load(services, [policy]);
    expect(result.ok ? [] : written(result.problems)).toEqual([]);
  });

  it.each([
    [{ jwt: { service: 'mian' } }, "jwt.service: there is no auth service 'mian' — did you mean 'main'?"],
    [
      { jwt: { service: 'corporate' } },
      "there is no auth service 'corporate' — define it under authServices",
    ],
    [{ jwt: { service: 'constructor' } }, "there is no auth service 'constructor'"],
    [{ jwt: { service: 'partner' } }, 'asks the issuer about each token — use introspect for it'],
    [{ introspect: { service: 'main' } }, 'names a service that verifies tokens by secret — use jwt for it'],
    ['introspect', 'names a service that verifies tokens by secret — use jwt for it'],
    [{ any: [{ jwt: { service: 'mian' } }, 'api-key'] }, 'any[0].jwt.service: there is no auth service'],
    [{ jwt: { services: ['main', 'nameless'] } }, 'services[1]: names a service without issuer'],
    [{ jwt: { services: ['main', 'same'] } }, "services[1]: has the same issuer as 'main'"],
    [
      { any: ['jwt', { introspect: { service: 'partner' } }] },
      'any[1].introspect: looks at the header authorization, as does the jwt before it',
    ],
    [{ jwt: { services: ['main'] } }, 'services: names fewer than two — write service for one'],
    [{ jwt: { service: 'main', services: ['main', 'other'] } }, 'services: stands beside service'],
  ])('may not be: %j', async (policy, problem) => {
    const result = await load(services, [policy]);
    const problems = result.ok ? [] : written(result.problems);
    expect(problems).toEqual([expect.stringContaining(problem)]);
  });

  it('have to be there', async () => {
    const result = await load({}, ['jwt']);
    expect(result.ok ? [] : written(result.problems)).toEqual([
      expect.stringContaining("there is no auth service 'main' — define it under authServices"),
    ]);
  });
});
