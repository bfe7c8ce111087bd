import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { MemoryCacheStore } from '../../src/stores/cache/memory-cache-store.ts';
import { sharedName } from '../../src/stores/cache/redis-responses.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { cacheStoreContract, newKey, storedResponse } from './cache-store-contract.ts';
import { behindRedis, type CacheNode, openCacheNode } from './open-cache-node.ts';

const MAX_BYTES = 16 * 1024 * 1024;
const NO_SIGNAL = new AbortController().signal;

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.close());

const openNode = (url: string, prefix: string): Promise<CacheNode> => openCacheNode({ url, prefix });

async function openTwo(url = server.url): Promise<[CacheNode, CacheNode, string]> {
  const prefix = `${randomUUID()}:`;
  return [await openNode(url, prefix), await openNode(url, prefix), prefix];
}

/** Whether one finds what the other stores now. */
async function isShared(writer: CacheNode, reader: CacheNode): Promise<boolean> {
  const { key, url } = newKey();
  writer.store.keep(key, url, storedResponse(writer.store));
  await writer.tier.flushed();
  return (await reader.store.find(key)) !== undefined;
}

cacheStoreContract('the store in memory', async () => {
  const store = new MemoryCacheStore(MAX_BYTES, systemClock);
  onTestFinished(() => store.close());
  return { store, settle: async () => {} };
});

cacheStoreContract('the store in Redis', async () => {
  const [writer, reader] = await openTwo();
  return behindRedis(writer, reader);
});

describe('two gateways on one Redis', () => {
  it('find what the other one has stored, and then have it in memory', async () => {
    const [one, other] = await openTwo();
    const { key, url } = newKey();
    one.store.keep(key, url, storedResponse(one.store));
    await one.tier.flushed();
    expect(await other.store.find(key)).toMatchObject({ url });
    expect(other.memory.find(key)).toMatchObject({ url });
  });

  it('have purged in the memory of both when a purge is answered', async () => {
    const [one, other] = await openTwo();
    const { key, url } = newKey();
    other.store.keep(key, url, storedResponse(other.store));
    await other.tier.flushed();
    expect(await one.store.purge({ kind: 'url', value: url, soft: false })).toEqual({
      reached: 2,
      unreached: [],
    });
    expect(other.memory.find(key)).toBeUndefined();
    expect(await other.store.find(key)).toBeUndefined();
    expect(await one.store.find(key)).toBeUndefined();
  });

  it('store nothing as new that was asked for before a purge by the other one', async () => {
    const [one, other] = await openTwo();
    const { key, url } = newKey();
    const underWay = storedResponse(other.store);
    await one.store.purge({ kind: 'all', soft: false });
    other.store.keep(key, url, underWay);
    await other.tier.flushed();
    expect(await one.store.find(key)).toBeUndefined();
    expect(await other.store.find(key)).toBeUndefined();
  });

  it('know the purges from before they started', async () => {
    const [one, other, prefix] = await openTwo();
    const { key, url } = newKey();
    const before = storedResponse(other.store);
    await one.store.purge({ kind: 'url', value: url, soft: false });
    other.store.keep(key, url, before);
    await other.tier.flushed();
    const third = await openNode(server.url, prefix);
    expect(await third.store.find(key)).toBeUndefined();
  });

  it('name the one that does not respond, which hears of the purge later', async () => {
    const [one, other, prefix] = await openTwo();
    const { key, url } = newKey();
    other.store.keep(key, url, storedResponse(other.store));
    // Cut off from Redis, as by its network.
    await other.connection.close();
    const { reached, unreached } = await one.store.purge({ kind: 'url', value: url, soft: false });
    expect(reached).toBe(1);
    expect(unreached).toEqual([
      expect.stringMatching(/^the gateway on .+, process \d+: it has not confirmed before the timeout$/),
    ]);
    expect(other.memory.find(key)).toBeDefined();
    // Nor is it found there by one that comes now.
    expect(await (await openNode(server.url, prefix)).store.find(key)).toBeUndefined();
  });

  it('take turns to fetch, and who waited finds what came of it', async () => {
    const [one, other] = await openTwo();
    const { key, url } = newKey();
    const first = await one.store.acquireFetchLock(key, NO_SIGNAL);
    expect(first?.hasWaited).toBe(false);
    const second = other.store.acquireFetchLock(key, NO_SIGNAL);
    await wait(0);
    one.store.keep(key, url, storedResponse(one.store));
    first?.end([key], true);
    expect((await second)?.hasWaited).toBe(true);
    expect(await other.store.findElsewhere(key)).toMatchObject({ url });
  });

  it('do not wait for what proved not to be shared, nor for who has left', async () => {
    const [one, other] = await openTwo();
    const { key } = newKey();
    (await one.store.acquireFetchLock(key, NO_SIGNAL))?.end([key], false);
    await until(async () => (await other.store.acquireFetchLock(key, NO_SIGNAL)) === undefined);
    const held = newKey().key;
    await one.store.acquireFetchLock(held, NO_SIGNAL);
    const left = new AbortController();
    const waiting = other.store.acquireFetchLock(held, left.signal);
    left.abort();
    expect(await waiting).toBeUndefined();
  });
});

describe('a Redis full of other things', () => {
  it.each([
    ['text', ['SET', '', 'x']],
    ['foreign fields', ['HSET', '', 'a', 'b', 'c', 'SPC1............']],
    ['a list', ['RPUSH', '', 'a']],
    ['nothing but the mark', ['HSET', '', 'a', 'SPC1']],
  ])('is a miss, and makes room: %s', async (_, command) => {
    const [one, , prefix] = await openTwo();
    const { key, url } = newKey();
    const name = sharedName(prefix, key);
    await server.command(...command.map((part) => (part === '' ? name : part)));
    expect(await one.store.find(key)).toBeUndefined();
    await until(async () => (await server.command('EXISTS', name)) === 0);
    await server.command(...command.map((part) => (part === '' ? name : part)));
    one.store.keep(key, url, storedResponse(one.store));
    await one.tier.flushed();
    expect(await one.tier.find(key)).toMatchObject({ url });
  });

  it('is a miss where a bit of a value differs, and where a value lies under another key', async () => {
    const [one, other, prefix] = await openTwo();
    const { key, url } = newKey();
    one.store.keep(key, url, storedResponse(one.store));
    await one.tier.flushed();
    const name = sharedName(prefix, key);
    const elsewhere = newKey().key;
    await server.command('COPY', name, sharedName(prefix, elsewhere));
    expect(await other.store.find(elsewhere)).toBeUndefined();
    const [field] = (await server.command('HKEYS', name)) as string[];
    const damage = `local v = redis.call('HGET', KEYS[1], ARGV[1]); local i = #v - 5
      return redis.call('HSET', KEYS[1], ARGV[1], string.sub(v, 1, i - 1) .. string.char((string.byte(v, i) + 1) % 256) .. string.sub(v, i + 1))`;
    await server.command('EVAL', damage, '1', name, field as string);
    expect(await other.store.find(key)).toBeUndefined();
    await until(async () => (await server.command('EXISTS', name)) === 0);
  });

  it('holds no value that is too large, and none for longer than it is of use', async () => {
    const [one, , prefix] = await openTwo();
    const [large, short] = [newKey(), newKey()];
    const noise = Array.from({ length: 100_000 }, () => randomUUID()).join('');
    one.store.keep(large.key, large.url, storedResponse(one.store, { body: noise }));
    const fields = { 'cache-control': 'max-age=20, stale-if-error=10', etag: [] };
    one.store.keep(short.key, short.url, storedResponse(one.store, { fields }));
    expect(await one.tier.flushed()).toBe(false);
    expect(await server.command('EXISTS', sharedName(prefix, large.key))).toBe(0);
    const left = (await server.command('PTTL', sharedName(prefix, short.key))) as number;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(30_000);
  });

  it('keeps what compresses well in less than it takes', async () => {
    const [one, , prefix] = await openTwo();
    const { key, url } = newKey();
    one.store.keep(key, url, storedResponse(one.store, { body: 'a body '.repeat(100_000) }));
    await one.tier.flushed();
    const size = (await server.command('MEMORY', 'USAGE', sharedName(prefix, key))) as number;
    expect(size).toBeLessThan(10_000);
    expect((await one.tier.find(key))?.responses[0]?.body.length).toBe(700_000);
  });
});

describe('a Redis that goes away', () => {
  it('is memory only, at once, and purges made meanwhile reach the others when it is back', async () => {
    const redis = await RedisServer.start();
    onTestFinished(() => redis.close());
    const [one, other] = await openTwo(redis.url);
    const [kept, missing] = [newKey(), newKey()];
    for (const { store } of [one, other]) store.keep(kept.key, kept.url, storedResponse(store));
    await Promise.all([one.tier.flushed(), other.tier.flushed()]);
    await redis.kill();
    await until(() => !one.connection.isAvailable && !other.connection.isAvailable);
    expect(one.store.find(missing.key)).toBeUndefined();
    expect(one.store.find(kept.key)).toMatchObject({ url: kept.url });
    expect(one.store.together).toBeUndefined();
    const { reached, unreached } = await one.store.purge({ kind: 'url', value: kept.url, soft: false });
    expect(reached).toBe(1);
    expect(unreached).toEqual([
      expect.stringMatching(/^other gateways: Redis at .+; they hear of it when it is back$/),
    ]);
    expect(one.store.find(kept.key)).toBeUndefined();
    expect(other.memory.find(kept.key)).toBeDefined();
    await redis.resume();
    await until(() => other.memory.find(kept.key) === undefined);
    await until(() => isShared(other, one));
  });

  it('tells nothing that was stored before it forgot the purges', async () => {
    const [one, other, prefix] = await openTwo();
    const { key, url } = newKey();
    const before = storedResponse(other.store);
    await one.store.purge({ kind: 'url', value: url, soft: false });
    other.store.keep(key, url, before);
    await other.tier.flushed();
    // As a server that evicts does.
    await server.command('DEL', `${prefix}cache:{purges}:log`);
    // The first call may be about one that was under way.
    for (const { tier } of [one, other, one, other]) await tier.prepare();
    expect(await one.store.find(key)).toBeUndefined();
    const third = await openNode(server.url, prefix);
    expect(await third.store.find(key)).toBeUndefined();
    // What was asked for before, and comes after, belongs to neither time.
    other.store.keep(key, url, before);
    await other.tier.flushed();
    expect(await third.store.find(key)).toBeUndefined();
    await until(() => isShared(other, third));
  });
});
