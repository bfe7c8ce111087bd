import { describe, expect, it } from 'vitest';
import { NO_LIMIT_MS } from '../../src/config/schema/scalars.ts';
import { gatewaySchema } from '../../src/config/schema/schema.ts';
import { builtInPolicies } from '../../src/policies/index.ts';
import { RawClient, startGateway, startTarget } from '../support/harness.ts';

const LIMITS = ['headerTimeout', 'bodyIdle', 'requestTimeout'] as const;
const TIMEOUTS = ['connect', 'response', 'idle'] as const;

function parse(more: object) {
  return gatewaySchema(builtInPolicies).safeParse({
    listeners: [{ port: 8080 }],
    upstreams: { x: { targets: ['http://127.0.0.1:1'] } },
    routes: [{ id: 'r', path: '/', upstream: 'x' }],
    ...more,
  });
}

const upstream = (more: object) => ({ upstreams: { x: { targets: ['http://127.0.0.1:1'], ...more } } });

describe('0s', () => {
  it('sets no limit wherever a time limits something', () => {
    for (const written of ['0s', '0ms', '0d']) {
      const limits = Object.fromEntries(LIMITS.map((key) => [key, written]));
      const timeouts = Object.fromEntries(TIMEOUTS.map((key) => [key, written]));
      const { success, data } = parse({
        listeners: [{ port: 8080, limits }],
        ...upstream({ timeouts, pool: { maxAge: written } }),
        routes: [{ id: 'r', path: '/', upstream: 'x', timeout: written }],
      });
      expect(success).toBe(true);
      for (const key of LIMITS) expect(data?.listeners[0]?.limits[key]).toBe(NO_LIMIT_MS);
      for (const key of TIMEOUTS) expect(data?.upstreams.x?.timeouts[key]).toBe(NO_LIMIT_MS);
      expect(data?.upstreams.x?.pool.maxAge).toBe(NO_LIMIT_MS);
      expect(data?.routes[0]?.timeout).toBe(NO_LIMIT_MS);
    }
  });

  it('is what more than a timer can wait for is taken for', () => {
    expect(parse(upstream({ timeouts: { response: '30d' } })).data?.upstreams.x?.timeouts.response).toBe(
      NO_LIMIT_MS,
    );
  });

  it.each([
    ['the idle time of pools', upstream({ pool: { idle: '0s' } }), 'could mean at once or never'],
    [
      'the idle time of clients',
      { listeners: [{ port: 1, limits: { keepAlive: '0s' } }] },
      'could mean at once or never',
    ],
    ['the interval of checks', upstream({ health: { active: { interval: '0s' } } }), 'at least 10ms'],
    ['the time of checks', upstream({ health: { active: { timeout: '0s' } } }), 'at least 10ms'],
    ['the time of an ejection', upstream({ health: { passive: { ejectFor: '0s' } } }), 'at least 10ms'],
    ['the window of a breaker', upstream({ circuitBreaker: { window: '0s' } }), 'at least 10ms'],
    ['the time that a breaker is open', upstream({ circuitBreaker: { openFor: '0s' } }), 'at least 10ms'],
  ])('is refused with the remedy for %s', (_, config, remedy) => {
    const { success, error } = parse(config);
    expect(success).toBe(false);
    expect(JSON.stringify(error?.issues)).toContain(remedy);
  });

  it('for every limit at once lets requests through', async () => {
    const target = await startTarget();
    const { port } = await startGateway({
      listeners: [{ port: 0, limits: Object.fromEntries(LIMITS.map((key) => [key, '0s'])) }],
      upstreams: { x: { targets: [target.url], timeouts: { connect: '0s', response: '0s', idle: '0s' } } },
      routes: [{ id: 'r', path: '/*', upstream: 'x', timeout: '0s' }],
    });
    const client = await RawClient.connect(port);
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello');
    expect(await client.ended()).toMatch(/^HTTP\/1\.1 200 .*"body":"hello"/s);
  });
});
