import { describe, expect, it } from 'vitest';
import { apiKey } from '../../src/policies/api-key.ts';
import { loadText, problemsOf } from './load-text.ts';

const HEAD = 'listeners: [{ port: 0 }]\n';
const REDIS = 'redis: { url: "redis://127.0.0.1:6379" }\n';
const PEPPER = 'a pepper of more than enough letters';
const policies = [apiKey];

async function warningsOf(text: string): Promise<string[]> {
  const result = await loadText(text, { policies });
  return result.ok ? result.warnings.map(({ path, message }) => `${path}: ${message}`) : ['not good'];
}

describe('apiKeys', () => {
  it('in Redis need a Redis and a pepper that is shared', async () => {
    expect(await problemsOf(`${HEAD}apiKeys: { store: redis }\n`)).toEqual([
      expect.stringMatching(/apiKeys\.store: needs a Redis — set redis/),
      expect.stringMatching(/apiKeys\.store: needs a pepper .+ — set apiKeys\.pepper/),
    ]);
    expect(await warningsOf(`${HEAD}${REDIS}apiKeys: { store: redis, pepper: ${PEPPER} }\n`)).toEqual([]);
  });

  it.each([
    ['store: file', 'embedded or redis'],
    ['environment: Live', 'small letters'],
    ['environment: a_b', 'small letters'],
    ['pepper: short', 'at least 32'],
    ['peper: x', "'pepper'"],
  ])('are not %s', async (setting, remedy) => {
    const problems = await problemsOf(`${HEAD}apiKeys: { ${setting} }\n`);
    expect(problems).toEqual([expect.stringContaining(remedy)]);
  });

  it('never show their pepper in a problem', async () => {
    const problems = await problemsOf(`${HEAD}apiKeys: { pepper: "\${P}" }\n`, {
      env: { P: 'too-short-pepper' },
    });
    expect(problems.join()).not.toContain('too-short-pepper');
  });

  const route = (policy: string) =>
    `${HEAD}routes: [{ id: a, path: /a, respond: {}, policies: [${policy}] }]\n`;

  it.each(['api-key', '{ api-key: { optional: true } }'])(
    'beside a Redis that they are not kept in deserve a look: %s',
    async (policy) => {
      const warnings = await warningsOf(route(policy) + REDIS);
      expect(warnings).toEqual([expect.stringMatching(/^redis: is not where API keys are kept/)]);
      expect(await warningsOf(`${route(policy)}${REDIS}apiKeys: { store: embedded }\n`)).toEqual([]);
      expect(await warningsOf(route(policy))).toEqual([]);
    },
  );

  it('that no route asks for deserve none', async () => {
    expect(await warningsOf(HEAD + REDIS)).toEqual([]);
  });
});
