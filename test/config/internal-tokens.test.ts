import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { builtInPolicies } from '../../src/policies/index.ts';
import { loadText, problemsOf } from './load-text.ts';

const HEAD = `listeners: [{ port: 0 }]
upstreams: { service: { targets: ["http://127.0.0.1:1"] } }
authServices: { main: { secret: "an HMAC secret of 32 characters!", audience: orders } }
`;
const TOKENS = 'internalTokens: { issuer: "https://gateway.example.com" }\n';
const KEYS = '  - { id: keys, path: /jwks.json, public: true, respond: jwks }\n';
const policies = builtInPolicies;

const pemOf = ({ privateKey }: { privateKey: KeyObject }) =>
  privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const good = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const files = {
  'good.pem': pemOf(good),
  'public.pem': good.publicKey.export({ type: 'spki', format: 'pem' }) as string,
  'weak.pem': pemOf(generateKeyPairSync('rsa', { modulusLength: 1024 })),
  'p384.pem': pemOf(generateKeyPairSync('ec', { namedCurve: 'P-384' })),
  'text.pem': 'no key at all',
};

function routes(policy: string): string {
  return `routes:\n  - { id: all, path: /*, upstream: service, policies: [${policy}] }\n`;
}

async function warningsOf(text: string): Promise<string[]> {
  const result = await loadText(text, { policies });
  if (!result.ok) return ['not good'];
  return result.warnings
    .map(({ path, message }) => `${path}: ${message}`)
    .filter((warning) => warning.startsWith('internalTokens'));
}

describe('internalTokens', () => {
  it.each([
    ['jwt: { forward: exchange }', 'jwt.forward'],
    ['api-key: { forward: exchange }', 'api-key.forward'],
    ['any: [{ jwt: {} }, { api-key: { forward: exchange } }]', 'any[1].api-key.forward'],
  ])('have to be there where a policy wants them: { %s }', async (policy, place) => {
    const problems = await problemsOf(`${HEAD}${routes(`{ ${policy} }`)}${KEYS}`, { policies });
    expect(problems).toEqual([
      expect.stringContaining(
        `routes[0].policies[0].${place}: needs a key of the gateway to sign with — add internalTokens`,
      ),
      expect.stringMatching(/routes\[1\]\.respond: has no keys to show — add internalTokens/),
    ]);
    const whole = `${HEAD}${TOKENS}${routes(`{ ${policy} }`)}${KEYS}`;
    expect(await warningsOf(whole)).toEqual([]);
  });

  it('want a use, and a route by which upstreams find the keys', async () => {
    expect(await warningsOf(`${HEAD}${TOKENS}${routes('jwt')}`)).toEqual([
      expect.stringMatching(/^internalTokens: is used by no policy/),
    ]);
    expect(await warningsOf(`${HEAD}${TOKENS}${routes('{ jwt: { forward: exchange } }')}`)).toEqual([
      expect.stringMatching(/^internalTokens: signs tokens whose keys no upstream can find/),
    ]);
  });

  it('are verified by keys that are not secret', async () => {
    const closed = `${HEAD}${TOKENS}policies: [{ jwt: { forward: exchange } }]\nroutes:\n`;
    const all = '  - { id: all, path: /*, upstream: service }\n';
    const shown = async (text: string) => {
      const result = await loadText(text, { policies });
      return result.ok && result.warnings.map(({ path, message }) => `${path}: ${message}`);
    };
    expect(await shown(`${closed}${all}${KEYS}`)).toEqual([]);
    expect(await shown(`${closed}${all}${KEYS.replace(' public: true,', '')}`)).toEqual([
      expect.stringMatching(/^routes\[1\]: gives keys only to who shows credentials/),
    ]);
  });

  it('want a key that all machines have where several share a Redis', async () => {
    const shared = `${HEAD}${TOKENS}redis: { url: "redis://127.0.0.1:6379" }\n`;
    expect(await warningsOf(`${shared}${routes('{ jwt: { forward: exchange } }')}${KEYS}`)).toEqual([
      expect.stringMatching(/^internalTokens: has a key of its own on each machine/),
    ]);
  });

  it.each([
    ['ttl: 5s', 'ttl: is no such time'],
    ['rotateEvery: 1m', 'rotateEvery: is too short'],
    ['algorithm: HS256', 'algorithm: is not an algorithm for these'],
    ['algorithm: none', 'algorithm: is not an algorithm for these'],
    ['formerKeyFiles: [./good.pem]', 'formerKeyFiles: has no key that came after'],
    ['keyFile: ./good.pem, algorithm: ES256', 'algorithm: has no effect beside keyFile'],
    ['keyFile: ./good.pem, rotateEvery: 1d', 'rotateEvery: has no effect beside keyFile'],
    ['keyFile: ./missing.pem', 'keyFile: names a file that cannot be read'],
    ['keyFile: ./text.pem', 'keyFile: holds no private key that can be read'],
    ['keyFile: ./public.pem', 'keyFile: holds no private key that can be read'],
    ['keyFile: ./weak.pem', 'keyFile: is an RSA key of 1024 bits'],
    ['keyFile: ./p384.pem', 'keyFile: is a key of a kind that is not used for this'],
    ['keyFile: ./good.pem, formerKeyFiles: [./text.pem]', 'formerKeyFiles[0]: holds no key that can be read'],
  ])('are not { %s }', async (setting, problem) => {
    const text = `${HEAD}internalTokens: { issuer: gateway, ${setting} }\n${routes('{ jwt: { forward: exchange } }')}${KEYS}`;
    expect(await problemsOf(text, { policies, files })).toEqual([expect.stringContaining(problem)]);
  });
});
