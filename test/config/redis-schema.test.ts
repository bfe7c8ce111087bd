import { describe, expect, it } from 'vitest';
import { configOf, problemsOf } from './load-text.ts';

const FILES = { 'ca.pem': '' };
const gateway = (redis: string): string => `listeners: [{ port: 0 }]\nredis: ${redis}\n`;

describe('redis', () => {
  it('is memory where it is left out', async () => {
    expect((await configOf('listeners: [{ port: 0 }]\n')).redis).toBeUndefined();
  });

  it('needs no more than a URL', async () => {
    expect((await configOf(gateway('{ url: "redis://127.0.0.1:6379" }'))).redis).toEqual({
      url: 'redis://127.0.0.1:6379',
      database: 0,
      commandTimeout: 50,
      connectTimeout: 1000,
      prefix: 'sallyport:',
      onStoreFailure: 'fair-share',
    });
  });

  it.each([
    ['{ url: "rediss://user:word@redis.test/3" }', { url: 'rediss://user:word@redis.test/3' }],
    ['{ url: "unix:///run/redis.sock" }', { url: 'unix:///run/redis.sock' }],
    [
      '{ sentinel: { master: limits, nodes: ["10.0.0.1", "[::1]:26380", "a.test:1"] } }',
      {
        sentinel: {
          master: 'limits',
          nodes: [
            { host: '10.0.0.1', port: 26379 },
            { host: '::1', port: 26380 },
            { host: 'a.test', port: 1 },
          ],
        },
      },
    ],
    [
      '{ cluster: { nodes: ["10.0.0.1", "10.0.0.2:7000"] }, tls: { caFile: ./ca.pem, serverName: r.test } }',
      {
        cluster: {
          nodes: [
            { host: '10.0.0.1', port: 6379 },
            { host: '10.0.0.2', port: 7000 },
          ],
        },
        tls: { caFile: '/etc/sallyport/ca.pem', serverName: 'r.test' },
      },
    ],
    ['{ url: "redis://a", nodes: 3, onStoreFailure: closed, sync: 100ms }', { nodes: 3, sync: 100 }],
  ])('may be %s', async (redis, meaning) => {
    expect((await configOf(gateway(redis), { files: FILES })).redis).toMatchObject(meaning);
  });

  it.each([
    ['{}', /redis: needs exactly one place — set one of url, sentinel and cluster/],
    ['{ url: "redis://a", cluster: { nodes: [a] } }', /redis: needs exactly one place/],
    ['{ url: "http://a" }', /redis\.url: is not the URL of a Redis/],
    ['{ url: "redis://a?x=1" }', /redis\.url: is not the URL of a Redis/],
    ['{ cluster: { nodes: ["a:65536"] } }', /redis\.cluster\.nodes\[0\]: is not a host with its port/],
    ['{ cluster: { nodes: [] } }', /redis\.cluster\.nodes: is empty/],
    ['{ cluster: { nodes: ["redis://a"] } }', /redis\.cluster\.nodes\[0\]: is not a host with its port/],
    ['{ url: "redis://a", commandTimeout: 6s }', /redis\.commandTimeout: is out of range/],
    ['{ url: "redis://a", sync: 1ms }', /redis\.sync: is out of range/],
    ['{ url: "redis://a", prefix: "a{b}" }', /redis\.prefix: is not a prefix/],
    ['{ url: "redis://a", onStoreFailure: fail }', /redis\.onStoreFailure: is not one of the ways out/],
    [
      '{ url: "redis://a", tls: { caFile: ./gone.pem } }',
      /redis\.tls\.caFile: names a file that cannot be read/,
    ],
  ])('refuses %s', async (redis, problem) => {
    expect((await problemsOf(gateway(redis), { files: FILES })).join('\n')).toMatch(problem);
  });

  it('does not tell the password of a URL that it refuses', async () => {
    const problems = await problemsOf(gateway('{ url: "redis://user:hunter2@a/not-a-number" }'));
    expect(problems).toHaveLength(1);
    expect(problems.join('\n')).not.toContain('hunter2');
  });
});
