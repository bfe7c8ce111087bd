import { describe, expect, onTestFinished, test } from 'vitest';
import type { RedisConfig } from '../../src/config/schema/redis-schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { MemoryOnceStore } from '../../src/stores/memory-once-store.ts';
import { RedisConnection } from '../../src/stores/redis-connection.ts';
import { RedisOnceStore } from '../../src/stores/redis-once-store.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { recordLog } from './record-log.ts';

describe('names that this process remembers', () => {
  test('are new once, for as long as was asked', () => {
    const clock = new StubClock();
    const store = new MemoryOnceStore(clock);
    expect([store.note('a', 1000), store.note('a', 1000), store.note('b', 1000)]).toEqual([
      'new',
      'seen',
      'new',
    ]);
    clock.advance(999);
    expect(store.note('a', 1000)).toBe('seen');
    clock.advance(2000);
    expect(store.note('a', 1000)).toBe('new');
  });

  test('are remembered for the longest time that anybody asks for', () => {
    const clock = new StubClock();
    const store = new MemoryOnceStore(clock);
    store.note('short', 1000);
    clock.advance(500);
    store.note('long', 60_000);
    for (let i = 0; i < 59; i++) {
      clock.advance(1000);
      expect(store.note('long', 1000)).toBe('seen');
    }
  });

  test('are so many at most, and then nobody can say', () => {
    const store = new MemoryOnceStore(new StubClock(), 2);
    expect(['a', 'b', 'c', 'a'].map((name) => store.note(name, 1000))).toEqual([
      'new',
      'new',
      'full',
      'seen',
    ]);
  });
});

async function connectTo(server: RedisServer) {
  const config: RedisConfig = {
    ...{ url: server.url, database: 0, commandTimeout: 10_000, connectTimeout: 10_000 },
    ...{ prefix: 'test:', onStoreFailure: 'fair-share' },
  };
  const metrics = createMetrics({ version: 'test' });
  const services = { log: recordLog(), clock: systemClock, metrics, random: Math.random };
  const connection = new RedisConnection({ config, services });
  onTestFinished(async () => {
    await connection.close();
    metrics.close();
  });
  await connection.firstAttempt;
  return { connection, store: new RedisOnceStore(connection, systemClock) };
}

async function startRedis(): Promise<RedisServer> {
  const server = await RedisServer.start();
  onTestFinished(() => server.close());
  return server;
}

describe('names that Redis remembers', () => {
  test('are new once among all gateways, however many ask at a time, and are forgotten in time', async () => {
    const server = await startRedis();
    const gateways = [await connectTo(server), await connectTo(server)];
    const asked = Array.from({ length: 100 }, (_, i) => gateways[i % 2]?.store.note('a', 60_000, 'closed'));
    const verdicts = await Promise.all(asked);
    expect(verdicts.filter((verdict) => verdict === 'new')).toHaveLength(1);
    expect(verdicts.filter((verdict) => verdict === 'seen')).toHaveLength(99);
    const left = await gateways[0]?.connection.send('test:once:a', ['PTTL', 'test:once:a']);
    expect(Number(left)).toBeGreaterThan(0);
    expect(Number(left)).toBeLessThanOrEqual(60_000);
  });

  test('are nobody’s to take while Redis is away', async () => {
    const server = await startRedis();
    const { connection, store } = await connectTo(server);
    await server.kill();
    await until(() => !connection.isAvailable);
    await expect(store.note('a', 1000, 'closed')).rejects.toThrow('Redis');
  });

  test('are new once at each gateway while Redis is away, where that is wanted, and not again when it is back', async () => {
    const server = await startRedis();
    const { connection, store } = await connectTo(server);
    await server.kill();
    await until(() => !connection.isAvailable);
    expect([await store.note('a', 60_000, 'local'), await store.note('a', 60_000, 'local')]).toEqual([
      'new',
      'seen',
    ]);
    await server.resume();
    await until(() => connection.isAvailable);
    expect([await store.note('a', 60_000, 'local'), await store.note('b', 60_000, 'local')]).toEqual([
      'seen',
      'new',
    ]);
  });
});
