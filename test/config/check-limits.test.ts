import { describe, expect, it } from 'vitest';
import { builtInPolicies } from '../../src/policies/index.ts';
import { loadText } from './load-text.ts';

async function problemsOf(rest: string): Promise<string[]> {
  const result = await loadText(`listeners: [{ port: 0 }]\n${rest}`, { policies: builtInPolicies });
  return result.ok ? [] : result.problems.map(({ path, message }) => `${path}: ${message}`);
}

const limit = (options: string) => `{ rate-limit: { limit: 5, window: 1m${options} } }`;

describe('limits that share a name', () => {
  it.each([
    ['two in one list', `policies: [${limit('')}, ${limit(', burst: 2')}]`, 'policies[1].rate-limit'],
    [
      'two with one id',
      `policies: [${limit(', id: a')}]\nroutes: [{ id: r, path: /, respond: {}, policies: [${limit(', id: a, key: route')}] }]`,
      'routes[0].policies[0].rate-limit',
    ],
    [
      "an id that is another's name",
      `routes:\n  - { id: r, path: /r, respond: {}, policies: [${limit('')}] }\n  - { id: s, path: /s, respond: {}, policies: [${limit(', id: r/rate-limit, cost: 2')}] }`,
      'routes[1].policies[0].rate-limit',
    ],
    [
      'a quota by the id of a rate limit',
      `policies: [${limit(', id: a')}, { quota: { limit: 5, period: day, id: a } }]`,
      'policies[1].quota',
    ],
  ])('are refused unless they are alike: %s', async (_, text, path) => {
    const problems = await problemsOf(text);
    expect(problems).toEqual([expect.stringContaining(`${path}: shares its counters, by the name`)]);
  });

  it('may be one limit, written in several places, observed in some', async () => {
    expect(
      await problemsOf(
        `policies: [${limit(', id: a')}]\nroutes: [{ id: r, path: /, respond: {}, policies: [{ rate-limit: { window: 1m, limit: 5, id: a, observe: true } }] }]`,
      ),
    ).toEqual([]);
  });
});

describe('a route that reads quotas', () => {
  it('counts none', async () => {
    const route = (own: string) => `routes: [{ id: q, path: /q, respond: quota, policies: [${own}] }]`;
    expect(await problemsOf(route(limit('')))).toEqual([]);
    expect(await problemsOf(route('{ quota: { limit: 5, period: day } }'))).toEqual([
      expect.stringContaining('has no effect where quotas are read'),
    ]);
    expect(await problemsOf('routes: [{ id: q, path: /q, respond: quotas }]')).toEqual([
      expect.stringContaining('is not a response'),
    ]);
  });
});
