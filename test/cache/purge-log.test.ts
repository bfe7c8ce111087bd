import { describe, expect, it } from 'vitest';
import { afterPurges, PurgeLog } from '../../src/cache/purge-log.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import type { Purge, StoredResponse } from '../../src/core/stores/cache-store.ts';
import { MemoryCacheStore } from '../../src/stores/cache/memory-cache-store.ts';
import { PurgePositions } from '../../src/stores/cache/purge-positions.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { rulesOf } from './cached-response.ts';

const rules = rulesOf({ 'cache-control': 'max-age=60' });

function response(requestedAt: number, tags: readonly string[] = []): StoredResponse {
  return {
    status: 200,
    headers: HeaderList.from(),
    body: Buffer.alloc(0),
    rules,
    variantKey: '',
    responseTime: 0,
    staleSince: undefined,
    tags,
    requestedAt,
  };
}

const url = (value: string, soft = false): Purge => ({ kind: 'url', value, soft });
const tag = (value: string, soft = false): Purge => ({ kind: 'tag', value, soft });

function purgeMany(note: (purge: Purge) => void, count: number, make: (value: string) => Purge = url): void {
  for (let i = 0; i < count; i++) note(make(`host/${i}`));
}

describe('the log of purges', () => {
  it('forgets no purge of a URL or a tag, however many others there were', () => {
    const log = new PurgeLog();
    log.note(url('host/mine'), 1);
    log.note(tag('mine'), 1);
    purgeMany((purge) => log.note(purge, 2), 30_000);
    purgeMany((purge) => log.note(purge, 2), 30_000, tag);
    expect(log.effectOn('host/mine', response(0)).effect).toBe('gone');
    expect(log.effectOn('other', response(1, ['mine'])).effect).toBe('gone');
    expect(log.effectOn('host/mine', response(1)).effect).toBeUndefined();
  });

  it('takes few others for purged when there were many', () => {
    const log = new PurgeLog();
    purgeMany((purge) => log.note(purge, 1), 15_000);
    const others = Array.from({ length: 1000 }, (_, i) => `other/${i}`);
    const gone = others.filter((other) => log.effectOn(other, response(0)).effect !== undefined);
    // Five thousand of 65,536 groups.
    expect(gone.length).toBeLessThan(150);
  });

  it('tells long URLs apart, and keeps none of them whole', () => {
    const log = new PurgeLog();
    const long = `host/${'x'.repeat(8000)}`;
    log.note(url(`${long}a`), 1);
    expect(log.effectOn(`${long}a`, response(0)).effect).toBe('gone');
    expect(log.effectOn(`${long}b`, response(0)).effect).toBeUndefined();
    expect(
      JSON.stringify(log, (_, value) => (value instanceof Map ? [...value.keys()] : value)).length,
    ).toBeLessThan(2000);
  });

  it('has a soft purge of what was purged hard before, and forgotten, stay hard', () => {
    const log = new PurgeLog();
    log.note(url('host/mine'), 1);
    purgeMany((purge) => log.note(purge, 2), 20_000);
    log.note(url('host/mine', true), 3);
    expect(log.effectOn('host/mine', response(0)).effect).toBe('gone');
    expect(afterPurges({ url: 'host/mine', responses: [response(0)] }, log)).toBeUndefined();
  });
});

describe('the store in memory', () => {
  it('keeps what is stored while 50,000 other URLs are purged, as by a busy writer', () => {
    const store = new MemoryCacheStore(64 * 1024 * 1024, new StubClock());
    const keys = Array.from({ length: 500 }, (_, i) => `key ${i}`);
    for (const key of keys) store.keep(key, `kept/${key}`, response(store.purges));
    purgeMany((purge) => void store.purge(purge), 50_000);
    expect(keys.filter((key) => store.find(key) === undefined)).toEqual([]);
    void store.purge(url('kept/key 7'));
    expect(keys.filter((key) => store.find(key) === undefined)).toEqual(['key 7']);
  });

  it('keeps what is stored while 50,000 other tags are purged, which it goes round for as often as it takes', () => {
    const clock = new StubClock();
    const store = new MemoryCacheStore(64 * 1024 * 1024, clock);
    const keys = Array.from({ length: 500 }, (_, i) => `key ${i}`);
    for (const key of keys) store.keep(key, `kept/${key}`, response(store.purges, [`tag ${key}`]));
    for (let round = 0; round < 50; round++) {
      purgeMany(
        (purge) => void store.purge(purge),
        1000,
        (value) => tag(`${round} ${value}`),
      );
      clock.advance(1);
    }
    expect(keys.filter((key) => store.find(key) === undefined)).toEqual([]);
    void store.purge(tag('tag key 7'));
    clock.advance(10);
    expect(store.standing().resources).toBe(keys.length - 1);
  });

  it('holds back what was under way when its URL was purged, and 20,000 others behind it', () => {
    const store = new MemoryCacheStore(64 * 1024 * 1024, new StubClock());
    const { purges } = store;
    void store.purge(url('host/mine'));
    purgeMany((purge) => void store.purge(purge), 20_000);
    store.keep('mine', 'host/mine', response(purges));
    expect(store.find('mine')).toBeUndefined();
  });

  it('marks stale what is softly purged by its URL, and nothing that a hard purge of its tag has taken', () => {
    const store = new MemoryCacheStore(64 * 1024 * 1024, new StubClock());
    store.keep('one', 'host/one', response(0, ['red']));
    store.keep('two', 'host/two', response(0));
    void store.purge(tag('red'));
    void store.purge(url('host/one', true));
    void store.purge(url('host/two', true));
    expect(store.find('one')).toBeUndefined();
    expect(store.find('two')?.responses[0]?.staleSince).toBeTypeOf('number');
  });
});

describe('the positions of purges', () => {
  it('know of each purge of Redis a point here that is no later, however many there were', () => {
    const positions = new PurgePositions();
    positions.reset(5, 100);
    for (let i = 1; i <= 100_000; i++) positions.add(5 + i, 100 + i);
    for (const seq of [100, 101, 5000, 50_000, 99_999, 100_100]) {
      const count = positions.countOf(seq) as number;
      expect(count).toBeLessThanOrEqual(seq - 95);
      expect(count).toBeGreaterThan(4);
    }
    expect(positions.countOf(100_100)).toBe(100_005);
    expect(positions.countOf(99)).toBeUndefined();
  });
});
