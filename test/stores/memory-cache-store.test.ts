import { describe, expect, it } from 'vitest';
import { HeaderList } from '../../src/core/header-list.ts';
import type { StoredResponse } from '../../src/core/stores/cache-store.ts';
import { MemoryCacheStore } from '../../src/stores/cache/memory-cache-store.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { fc } from '../support/fast-check.ts';

const MIB = 1024 * 1024;
/** `CACHE_KEYS=1000000` for the whole of it. */
const KEYS = Number(process.env.CACHE_KEYS ?? 50_000);

const RULES: StoredResponse['rules'] = {
  scope: 'everybody',
  isForAll: false,
  isSilent: false,
  initialAgeMs: 0,
  lifetimeMs: 60_000,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  alwaysValidate: false,
  neverStale: false,
  hiddenFields: [],
  vary: [],
};

function response(bytes: number, variantKey = ''): StoredResponse {
  return {
    status: 200,
    headers: HeaderList.from({ 'cache-control': 'max-age=60' }),
    body: Buffer.alloc(bytes),
    rules: RULES,
    variantKey,
    responseTime: 0,
    staleSince: undefined,
    tags: [],
    requestedAt: 0,
  };
}

describe('the store of responses in memory', () => {
  it('stays within its bound under any number of keys', () => {
    const store = new MemoryCacheStore(8 * MIB, new StubClock());
    for (let i = 0; i < KEYS; i++) {
      store.keep(`key ${i}`, `host/${i}`, response(i % 500));
      if (i % 1000 === 0) expect(store.standing().bytes).toBeLessThanOrEqual(8 * MIB);
    }
    const { bytes, resources } = store.standing();
    expect(bytes).toBeLessThanOrEqual(8 * MIB);
    expect(resources).toBeGreaterThan(1000);
  });

  it('keeps what is asked for often while a scan goes by', () => {
    const store = new MemoryCacheStore(4 * MIB, new StubClock());
    const hot = Array.from({ length: 200 }, (_, i) => `hot ${i}`);
    for (const key of hot) store.keep(key, key, response(1000));
    for (let i = 0; i < 20_000; i++) {
      store.keep(`scan ${i}`, `scan/${i}`, response(1000));
      if (i % 50 === 0) for (const key of hot) store.find(key);
    }
    expect(hot.filter((key) => store.find(key) !== undefined)).toHaveLength(hot.length);
  });

  it('lends no more than a quarter of its memory to bodies on their way, and takes it from what is stored', () => {
    const store = new MemoryCacheStore(8 * MIB, new StubClock());
    for (let i = 0; i < 8000; i++) store.keep(`key ${i}`, `host/${i}`, response(1000));
    let lent = 0;
    for (let i = 0; i < 1000; i++) if (store.reserve(64 * 1024)) lent += 64 * 1024;
    expect(lent).toBeLessThanOrEqual(2 * MIB);
    expect(lent).toBeGreaterThan(MIB);
    expect(store.standing().bytes).toBeLessThanOrEqual(8 * MIB);
    store.release(lent);
    expect(store.reserve(2 * MIB)).toBe(true);
  });

  it('keeps count whatever is kept, dropped, purged and found', () => {
    const step = fc.record({
      kind: fc.constantFrom('keep', 'keep', 'keep', 'find', 'drop', 'purge', 'all'),
      key: fc.nat(30),
      bytes: fc.constantFrom(0, 1000, 100_000, 700_000),
      variant: fc.constantFrom('', 'a', 'b'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const store = new MemoryCacheStore(MIB, new StubClock());
        for (const { kind, key, bytes, variant } of steps) {
          const [name, url] = [`key ${key}`, `host/${key}`];
          const found = store.find(name);
          if (kind === 'keep')
            store.keep(name, url, { ...response(bytes, variant), requestedAt: store.purges });
          else if (kind === 'drop' && found !== undefined)
            store.drop(name, found.responses[0] as StoredResponse);
          else if (kind === 'purge') void store.purge({ kind: 'url', value: url, soft: false });
          else if (kind === 'all') void store.purge({ kind: 'all', soft: false });
          if (kind === 'purge' || kind === 'all') expect(store.find(name)).toBeUndefined();
          expect(store.standing().bytes).toBeLessThanOrEqual(MIB);
          expect(store.standing().bytes).toBeGreaterThanOrEqual(0);
        }
        void store.purge({ kind: 'all', soft: false });
        for (let key = 0; key <= 30; key++) store.find(`key ${key}`);
        expect(store.standing()).toMatchObject({ bytes: 0, resources: 0 });
      }),
    );
  });
});
