import { describe, expect, onTestFinished, test } from 'vitest';
import type { RedisConfig } from '../../src/config/schema/redis-schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { IdempotencyClaim, IdempotencyStore } from '../../src/core/stores/idempotency-store.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { MemoryIdempotencyStore } from '../../src/stores/idempotency/memory-idempotency-store.ts';
import { RedisIdempotencyStore } from '../../src/stores/idempotency/redis-idempotency-store.ts';
import { RedisConnection } from '../../src/stores/redis-connection.ts';
import { serveIdempotency, shareIdempotency } from '../../src/supervisor/shared-idempotency.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { recordLog } from './record-log.ts';

async function connectTo(server: RedisServer) {
  const config: RedisConfig = {
    ...{ url: server.url, database: 0, commandTimeout: 10_000, connectTimeout: 10_000 },
    ...{ prefix: 'test:', onStoreFailure: 'fair-share' },
  };
  const metrics = createMetrics({ version: 'test' });
  const services = { log: recordLog(), clock: systemClock, metrics, random: Math.random };
  const connection = new RedisConnection({ config, services, isGateway: false });
  const store = new RedisIdempotencyStore(connection, systemClock, services.log);
  onTestFinished(async () => {
    store.close();
    await connection.close();
    metrics.close();
  });
  await connection.firstAttempt;
  return { connection, store };
}

async function startRedis(): Promise<RedisServer> {
  const server = await RedisServer.start();
  onTestFinished(() => server.close());
  return server;
}

const claimOf = (owner: string, key = 'k', fingerprint = 'f', caller = 'c'): IdempotencyClaim => ({
  caller,
  key,
  fingerprint,
  owner,
});
const RECORD = Buffer.from([0, 255, 10, 128]);
const LONG_MS = 600_000;

/** The supervisor's store as a worker sees it, through messages that are copied. */
function throughMessages(store: IdempotencyStore): IdempotencyStore {
  const supervisor = serveIdempotency(store);
  return shareIdempotency({
    claimKey: async (...args) => structuredClone(await supervisor.claimKey(...structuredClone(args))),
    finishKey: (claim, record, ttlMs) => supervisor.finishKey(claim, new Uint8Array(record), ttlMs),
    releaseKey: (claim) => supervisor.releaseKey(structuredClone(claim)),
  });
}

describe.each([
  ['in memory', async () => new MemoryIdempotencyStore(1 << 20, new StubClock())],
  ['of a supervisor', async () => throughMessages(new MemoryIdempotencyStore(1 << 20, new StubClock()))],
  ['in Redis', async () => (await connectTo(await startRedis())).store],
] as const)('a store of idempotency keys %s', (_, open) => {
  test('lets one of many claim a key, tells the others of it, and gives them its record', async () => {
    const store: IdempotencyStore = await open();
    const verdicts = await Promise.all(
      Array.from({ length: 50 }, (_, i) => store.claim(claimOf(`owner ${i}`), LONG_MS)),
    );
    expect(verdicts.filter(({ kind }) => kind === 'claimed')).toHaveLength(1);
    expect(verdicts.filter(({ kind }) => kind === 'running')).toHaveLength(49);
    const first = claimOf(`owner ${verdicts.findIndex(({ kind }) => kind === 'claimed')}`);
    expect(await store.finish(first, RECORD, LONG_MS)).toBe(true);
    const done = await store.claim(claimOf('late', 'k', 'another'), LONG_MS);
    expect(done).toMatchObject({ kind: 'done', fingerprint: 'f' });
    expect(done.kind === 'done' && done.record?.equals(RECORD)).toBe(true);
    expect(await store.claim(claimOf('late', 'k 2'), LONG_MS)).toEqual({ kind: 'claimed' });
  });

  test('gives a key back that its owner releases, and to nobody else', async () => {
    const store: IdempotencyStore = await open();
    await store.claim(claimOf('one'), LONG_MS);
    await store.release(claimOf('other'));
    expect(await store.finish(claimOf('other'), RECORD, LONG_MS)).toBe(false);
    expect((await store.claim(claimOf('other'), LONG_MS)).kind).toBe('running');
    expect((await store.claim(claimOf('one'), LONG_MS)).kind).toBe('claimed');
    await store.release(claimOf('one'));
    expect((await store.claim(claimOf('other'), LONG_MS)).kind).toBe('claimed');
  });

  test('stores what came of a claim that was lost meanwhile, unless another one has the key', async () => {
    const store: IdempotencyStore = await open();
    expect(await store.finish(claimOf('one'), RECORD, LONG_MS)).toBe(true);
    expect((await store.claim(claimOf('other'), LONG_MS)).kind).toBe('done');
    await store.release(claimOf('one'));
    expect((await store.claim(claimOf('one'), LONG_MS)).kind).toBe('done');
  });
});

describe('idempotency keys in memory', () => {
  test('are claimed anew where the process that had one has died, and after their time', () => {
    const clock = new StubClock();
    const store = new MemoryIdempotencyStore(1 << 20, clock);
    store.claim(claimOf('one'), 1000);
    clock.advance(900);
    store.claim(claimOf('one'), 1000);
    clock.advance(900);
    expect(store.claim(claimOf('other'), 1000).kind).toBe('running');
    clock.advance(101);
    expect(store.claim(claimOf('other'), 1000).kind).toBe('claimed');
    expect(store.finish(claimOf('one'), RECORD, 1000)).toBe(false);
    store.finish(claimOf('other'), RECORD, 5000);
    clock.advance(4999);
    expect(store.claim(claimOf('third'), 1000).kind).toBe('done');
    clock.advance(1);
    expect(store.claim(claimOf('third'), 1000).kind).toBe('claimed');
    expect(store.standing.keys).toBe(1);
  });

  test('lose the oldest records where room is short, and are never forgotten before their time', () => {
    const clock = new StubClock();
    const store = new MemoryIdempotencyStore(100_000, clock);
    const large = Buffer.alloc(40_000);
    for (const key of ['a', 'b', 'c']) {
      store.claim(claimOf('one', key), LONG_MS);
      store.finish(claimOf('one', key), large, LONG_MS);
    }
    const kept = ['a', 'b', 'c'].map((key) => {
      const verdict = store.claim(claimOf('other', key), LONG_MS);
      return verdict.kind === 'done' && verdict.record !== undefined;
    });
    expect(kept).toEqual([false, true, true]);
    expect(store.standing.bytes).toBeLessThanOrEqual(100_000);
  });

  test('are refused where there is no room, one caller cannot take all of it, and time makes room', () => {
    const clock = new StubClock();
    const store = new MemoryIdempotencyStore(100_000, clock);
    const claimAll = (caller: string): number => {
      for (let i = 0; ; i++) {
        const claim = claimOf('one', `${caller} ${i}`, 'f', caller);
        if (store.claim(claim, 10_000).kind === 'full') return i;
        store.finish(claim, RECORD, 10_000);
      }
    };
    expect(store.isFull).toBe(false);
    const greedy = claimAll('greedy');
    expect(store.isFull).toBe(true);
    expect(claimAll('other')).toBeGreaterThan(greedy / 2);
    expect(store.standing.bytes).toBeLessThanOrEqual(100_000);
    clock.advance(10_000);
    expect(claimAll('greedy')).toBe(greedy);
    clock.advance(60_000);
    expect(store.isFull).toBe(false);
  });
});

describe('idempotency keys in Redis', () => {
  test('are claimed once among gateways, and expire there', async () => {
    const server = await startRedis();
    const [one, other] = [await connectTo(server), await connectTo(server)];
    const verdicts = await Promise.all(
      Array.from({ length: 40 }, (_, i) => (i % 2 ? one : other).store.claim(claimOf(`${i}`), LONG_MS)),
    );
    expect(verdicts.filter(({ kind }) => kind === 'claimed')).toHaveLength(1);
    const name = 'test:idempotency:k';
    const left = async () => Number(await one.connection.send(name, ['PTTL', name]));
    expect(await left()).toBeGreaterThan(0);
    const owner = `${verdicts.findIndex(({ kind }) => kind === 'claimed')}`;
    await one.store.finish(claimOf(owner), RECORD, 5 * LONG_MS);
    expect(await left()).toBeGreaterThan(LONG_MS);
    expect(await other.store.claim(claimOf('late'), 1)).toMatchObject({ kind: 'done', record: RECORD });
  });

  test('cannot be claimed while Redis is away, and what was carried out is stored when it is back', async () => {
    const server = await startRedis();
    const { connection, store } = await connectTo(server);
    await store.claim(claimOf('one'), LONG_MS);
    await server.kill();
    await until(() => !connection.isAvailable);
    await expect(store.claim(claimOf('other'), LONG_MS)).rejects.toThrow('Redis');
    expect(await store.finish(claimOf('one'), RECORD, LONG_MS)).toBe(true);
    await server.resume();
    await until(() => connection.isAvailable);
    expect(await store.claim(claimOf('other'), LONG_MS)).toMatchObject({ kind: 'done', record: RECORD });
  });
});
