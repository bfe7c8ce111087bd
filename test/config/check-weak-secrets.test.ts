import { expect, it } from 'vitest';
import { loadText } from './load-text.ts';

async function warningsOf(rest: string, env: Record<string, string> = {}): Promise<string[]> {
  const result = await loadText(`listeners: [{ port: 0 }]\n${rest}\n`, { env });
  if (!result.ok) return result.problems.map(({ path, message }) => `${path}: ${message}`);
  const warnings = result.warnings.map(({ path, message }) => `${path}: ${message}`);
  return warnings.filter((warning) => !warning.includes('used by no'));
}

const secret = (value: string): string =>
  `authServices: { a: { secret: "${value}", audience: a } }\nroutes: []`;

it.each([
  'changeme-changeme-changeme-changeme',
  'CHANGE_ME_CHANGE_ME_CHANGE_ME_CHANGE_ME',
  'replace-me-with-32-random-bytes!!',
  'your-256-bit-secret-your-256-bit-secret',
  'my-super-secret-key-my-super-secret-key',
  'secretsecretsecretsecretsecretsecret',
  'password1234567890password1234567890',
  'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx',
  '01010101010101010101010101010101010101',
])('a secret that everybody can guess deserves a look: %s', async (value) => {
  const warned = ['authServices.a.secret: can be guessed'];
  expect(await warningsOf(secret(value))).toEqual(warned);
  // Wherever it comes from, and without a word of it.
  expect(await warningsOf(secret(`\${SECRET}`), { SECRET: value })).toEqual(warned);
});

it.each([
  'rzV5p0m7Wq2Xb9Tn4Lk8Yd6Hs3Gf1Jc0aEuZoQ==',
  'correct horse battery staple 4711 times',
  'ffffffff0123456789abcdef01234567',
])('one that is not is good: %s', async (value) => {
  expect(await warningsOf(secret(value))).toEqual([]);
});

it('so does one in base64, and a password of Redis', async () => {
  const base64 = Buffer.from('changeme-changeme-changeme-changeme').toString('base64');
  expect(await warningsOf(secret('x').replace('secret: "x"', `base64Secret: "${base64}"`))).toEqual([
    'authServices.a.base64Secret: can be guessed',
  ]);
  expect(await warningsOf('redis: { url: redis://a:1, password: changeme }')).toEqual([
    'redis.password: can be guessed',
  ]);
});

it.each([
  [
    'upstreams: { a: { targets: ["http://a:0"] } }',
    'upstreams.a.targets[0]: has port 0, on which nothing listens',
  ],
  [
    'upstreams: { a: { targets: ["https://a:0/"] } }',
    'upstreams.a.targets[0]: has port 0, on which nothing listens',
  ],
  [
    'upstreams: { a: { targets: [{ url: "http://a:0" }] } }',
    'upstreams.a.targets[0].url: has port 0, on which nothing listens',
  ],
  [
    'upstreams: { a: { discovery: { consul: { url: "http://a:0", service: s } } } }',
    'upstreams.a.discovery.consul.url: is not the URL of Consul',
  ],
  ['redis: { url: "redis://a:0" }', 'redis.url: is not the URL of a Redis'],
  ['redis: { cluster: { nodes: ["a:0"] } }', 'redis.cluster.nodes[0]: is not a host with its port'],
  [
    'authServices: { a: { jwks: "https://a:0/keys", issuer: a, audience: a } }',
    'authServices.a.jwks: is not the URL of a key set',
  ],
])('port 0 is a problem where something is to be reached: %s', async (text, problem) => {
  expect(await warningsOf(`${text}\nroutes: []`)).toContain(problem);
});
