import { describe, expect, it } from 'vitest';
import { builtInPolicies } from '../../src/policies/index.ts';
import { loadText, problemsOf } from './load-text.ts';

const HEAD = 'listeners: [{ port: 8080 }]\n';
const ROUTE = 'routes: [{ id: a, path: /a, respond: { status: 200 }, policies: [POLICIES] }]\n';
const configOf = (policies: string, more = ''): string => HEAD + more + ROUTE.replace('POLICIES', policies);
const problems = (text: string) => problemsOf(text, { policies: builtInPolicies });

describe('respond-async', () => {
  it.each([
    ['a name', 'respond-async'],
    ['a map', '{ respond-async: { when: always } }'],
  ])('without Redis is rejected with what to do, written as %s', async (_, policies) => {
    expect(await problems(configOf(policies))).toEqual([
      expect.stringMatching(/routes\[0\]\.policies\[0\].*needs a Redis.*set redis: \{ url: … \}/),
    ]);
    expect(await problems(`${configOf('')}policies: [respond-async]\n`)).toEqual([
      expect.stringContaining('policies[0]: needs a Redis'),
    ]);
  });

  it('with one server is good, and with Sentinels or a Cluster rejected', async () => {
    const url = 'redis: { url: "redis://127.0.0.1:6379" }\n';
    expect((await loadText(configOf('respond-async', url), { policies: builtInPolicies })).ok).toBe(true);
    for (const place of ['cluster: { nodes: ["a:1"] }', 'sentinel: { master: m, nodes: ["a:1"] }'])
      expect(await problems(configOf('respond-async', `redis: { ${place} }\n`))).toEqual([
        expect.stringContaining('needs one Redis server, not Sentinels or a Cluster — set redis.url'),
      ]);
  });

  it.each([
    [
      'webhooks: [partner.example.com]',
      'webhooks[0]: is not an origin — write it like https://partner.example.com',
    ],
    ['webhooks: ["https://partner.example.com/path"]', 'webhooks[0]: is not an origin'],
    ['webhooks: ["https://user@partner.example.com"]', 'webhooks[0]: is not an origin'],
    ['webhookSecret: short', 'webhookSecret: is not a secret of Standard Webhooks'],
  ])('with a mistake in respondAsync is rejected with what to write: %s', async (written, problem) => {
    expect((await problems(`${configOf('')}respondAsync: { ${written} }\n`))[0]).toContain(problem);
  });

  it('on a batch is rejected, its own or that of the top level', async () => {
    const redis = 'redis: { url: "redis://127.0.0.1:6379" }\n';
    const batch = (own: string) =>
      `${HEAD}${redis}routes: [{ id: b, path: /b, methods: [POST], batch: {}, policies: [${own}] }]\n`;
    for (const text of [batch('respond-async'), `${batch('')}policies: [respond-async]\n`])
      expect((await problems(text)).join()).toContain('routes[0].batch: cannot run later as a whole');
  });

  it('in front of what identifies is rejected', async () => {
    const text = configOf('respond-async, api-key', 'redis: { url: "redis://127.0.0.1:6379" }\n');
    expect((await problems(text))[0]).toContain('put it before respond-async');
  });

  it.each([
    ['{ respond-async: { when: often } }', 'when: is not known — write prefer or always'],
    ['{ respond-async: { retries: 100 } }', 'retries: is too many — write at most 20'],
    ['{ respond-async: { retry: 1 } }', "there is no setting 'retry' here"],
  ])('with a mistake is rejected with what to write: %s', async (own, problem) => {
    const text = configOf(own, 'redis: { url: "redis://127.0.0.1:6379" }\n');
    expect((await problems(text))[0]).toContain(problem);
  });
});
