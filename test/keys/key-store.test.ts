/** One suite for all stores: what a store of API keys promises, two processes at a time. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { redisSchema } from '../../src/config/schema/redis-schema.ts';
import { text } from '../../src/config/schema/scalars.ts';
import { systemClock } from '../../src/core/clock.ts';
import { openKeyRedis } from '../../src/gateway/open-key-redis.ts';
import type { KeyStore, StoredKey } from '../../src/keys/key-store.ts';
import { createRedisKeyStore } from '../../src/keys/redis-key-store.ts';
import { openSqliteKeyStore } from '../../src/keys/sqlite-key-store.ts';
import { MemoryLog } from '../admin/memory-log.ts';
import { RedisServer } from '../support/redis-server.ts';

const FINGERPRINT = 'of-the-pepper';

/** Opens a store at a place that is new for each test, as another process would. */
type Open = (fingerprint?: string) => Promise<KeyStore>;

function sqlitePlace(): Open {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-keys-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return (fingerprint = FINGERPRINT) => openSqliteKeyStore(join(folder, 'api-keys.db'), fingerprint);
}

let redis: RedisServer;
let places = 0;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis.close());

function redisPlace(): Open {
  const prefix = `test-${places++}:`;
  return async (fingerprint = FINGERPRINT) => {
    const config = redisSchema(text).parse({ url: redis.url, commandTimeout: '1s', prefix });
    const metrics = { counter: () => ({ add() {} }), gauge: () => () => {} };
    const services = { log: new MemoryLog(), clock: systemClock, metrics, random: Math.random };
    return createRedisKeyStore(await openKeyRedis(config, services), prefix, fingerprint);
  };
}

function key(id: string, more: Partial<StoredKey['record']> = {}): StoredKey {
  const record = {
    id,
    owner: 'acme',
    roles: ['partner'],
    permissions: [],
    metadata: { contract: '4711', nested: { ü: [1, null] } },
    createdAt: 1_700_000_000_000,
    isDisabled: false,
    ...more,
  };
  return { record, secrets: [{ hash: 'h1' }, { hash: 'h2', endsAt: 5 }] };
}

describe.each([
  ['the embedded store', sqlitePlace],
  ['the Redis store', redisPlace],
])('%s', (_, place) => {
  async function open(opening: Open): Promise<KeyStore> {
    const store = await opening();
    onTestFinished(() => store.close());
    return store;
  }

  async function openTwo(): Promise<[one: KeyStore, other: KeyStore]> {
    const opening = place();
    return [await open(opening), await open(opening)];
  }

  it('gives back what it was given, to every process', async () => {
    const [one, other] = await openTwo();
    expect(await one.insert(key('a'))).toBe(true);
    for (const store of [one, other]) expect(await store.find('a')).toMatchObject(key('a'));
    expect(await other.find('b')).toBeUndefined();
  });

  it('keeps an id that is taken as it is', async () => {
    const [one, other] = await openTwo();
    await one.insert(key('a'));
    expect(await other.insert(key('a', { owner: 'mallory' }))).toBe(false);
    expect(await other.find('a')).toMatchObject({ record: { owner: 'acme' } });
  });

  it('lists all keys, however many', async () => {
    const [one, other] = await openTwo();
    const ids = Array.from({ length: 450 }, (_, i) => `key${i}`);
    for (const id of ids) await one.insert(key(id));
    expect((await other.list()).map(({ record }) => record.id).sort()).toEqual(ids.sort());
  });

  it('replaces a key only as it was found', async () => {
    const [one, other] = await openTwo();
    await one.insert(key('a'));
    const revision = (await one.find('a'))?.revision as number;
    expect(await other.replace(key('a', { owner: 'first' }), revision)).toBe(true);
    expect(await one.replace(key('a', { owner: 'second' }), revision)).toBe(false);
    expect(await one.find('a')).toMatchObject({ record: { owner: 'first' } });
    expect(await one.replace(key('gone'), 1)).toBe(false);
    expect(await one.find('gone')).toBeUndefined();
  });

  it('deletes a key once', async () => {
    const [one, other] = await openTwo();
    await one.insert(key('a'));
    expect([await other.delete('a'), await one.delete('a')]).toEqual([true, false]);
    expect(await one.find('a')).toBeUndefined();
    expect(await one.list()).toEqual([]);
  });

  it('tells what was changed, by whom ever', async () => {
    const [one, other] = await openTwo();
    await one.insert(key('before'));
    const first = await one.changesSince(undefined);
    expect(first.ids).toBe('all');
    expect(await one.changesSince(first.position)).toEqual({ position: first.position, ids: [] });
    await one.insert(key('own'));
    await other.insert(key('a'));
    await other.insert(key('b'));
    await other.replace(key('b', { isDisabled: true }), (await other.find('b'))?.revision as number);
    const second = await one.changesSince(first.position);
    expect([...(second.ids as string[])].sort()).toEqual(['a', 'b', 'own']);
    await other.delete('a');
    const third = await one.changesSince(second.position);
    expect(third.ids).toEqual(['a']);
    expect(await one.changesSince(third.position)).toEqual({ position: third.position, ids: [] });
  });

  it('says that everything may be different where it does not remember', async () => {
    const store = await open(place());
    await store.insert(key('a'));
    const { position } = await store.changesSince(undefined);
    const lost = { ...position, revision: position.revision + 1 };
    const refilled = { ...position, epoch: 'another' };
    for (const at of [undefined, lost, refilled]) expect((await store.changesSince(at)).ids).toBe('all');
  });

  it('writes down last uses in one go, without a change, and never an earlier one', async () => {
    const [one, other] = await openTwo();
    for (const id of ['a', 'b']) await one.insert(key(id));
    const { position } = await one.changesSince(undefined);
    await one.markUsed(
      new Map([
        ['a', 2000],
        ['b', 3000],
        ['gone', 1],
      ]),
    );
    await other.markUsed(new Map([['a', 1000]]));
    expect((await other.find('a'))?.lastUsedAt).toBe(2000);
    expect((await other.list()).map(({ lastUsedAt }) => lastUsedAt).sort()).toEqual([2000, 3000]);
    expect(await one.changesSince(position)).toEqual({ position, ids: [] });
    expect(await one.find('gone')).toBeUndefined();
    expect(await one.replace(key('a'), (await one.find('a'))?.revision as number)).toBe(true);
    expect((await one.find('a'))?.lastUsedAt).toBe(2000);
  });

  it('refuses to be used with another pepper, under which every key would seem wrong', async () => {
    const opening = place();
    const store = await open(opening);
    await store.insert(key('a'));
    const misuse = async () => (await opening('of-another')).find('a');
    await expect(misuse()).rejects.toThrow(/pepper/);
  });

  it('loses no change of several writers at a time', async () => {
    const stores = await openTwo();
    await stores[0].insert(key('a', { roles: [] }));
    const addRole = async (store: KeyStore, role: string): Promise<void> => {
      const found = await store.find('a');
      if (found === undefined) throw new Error('the key is gone');
      const { record, secrets, revision } = found;
      const changed = { record: { ...record, roles: [...record.roles, role] }, secrets };
      if (!(await store.replace(changed, revision))) return addRole(store, role);
    };
    const roles = Array.from({ length: 20 }, (_, i) => `role${i}`);
    await Promise.all(roles.map((role, i) => addRole(stores[i % 2] as KeyStore, role)));
    expect([...((await stores[0].find('a'))?.record.roles ?? [])].sort()).toEqual(roles.sort());
  });
});
