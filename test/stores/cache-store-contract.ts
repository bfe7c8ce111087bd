import { describe, expect, it } from 'vitest';
import type { CachedResource, CacheStore, Purge, StoredResponse } from '../../src/core/stores/cache-store.ts';
import { type Fields, headersOf, rulesOf } from '../cache/cached-response.ts';

let keys = 0;

/** A key that no other test has, and its URL. */
export function newKey(): { key: string; url: string } {
  const n = ++keys;
  return { key: `key ${n} \u{1f511}`, url: `api.example.com/things/${n}?q=1` };
}

/** A response that comes now and is fresh for long, with a body that compresses well. */
export function storedResponse(
  store: CacheStore,
  {
    fields = {},
    body = 'x'.repeat(5000),
    variantKey = '',
  }: { fields?: Fields; body?: string; variantKey?: string } = {},
): StoredResponse {
  const headers = { 'cache-control': 'max-age=600', etag: '"1"', ...fields };
  const tags = String(fields['cache-tag'] ?? '')
    .split(',')
    .filter((tag) => tag !== '');
  return {
    status: 200,
    headers: headersOf(headers),
    body: Buffer.from(body),
    rules: { ...rulesOf(headers), initialAgeMs: 0 },
    variantKey,
    responseTime: Date.now(),
    staleSince: undefined,
    tags,
    requestedAt: store.purges,
  };
}

/** What a store is to do with responses. `settle` waits until what was kept can be found. */
export function cacheStoreContract(
  name: string,
  open: () => Promise<{ store: CacheStore; settle(): Promise<unknown> }>,
): void {
  describe(name, () => {
    it('gives what was kept, all of it, and nothing for another key', async () => {
      const { store, settle } = await open();
      const [one, other] = [newKey(), newKey()];
      const fields = { 'x-a': ['1', '2'], vary: 'accept', 'cache-control': 'max-age=600, private="x-b"' };
      const kept = storedResponse(store, { fields, body: '\u00ff'.repeat(3000), variantKey: '4:text' });
      store.keep(one.key, one.url, kept);
      await settle();
      const found = (await store.find(one.key)) as CachedResource;
      expect(found.url).toBe(one.url);
      const [response] = found.responses as [StoredResponse];
      expect([...response.headers]).toEqual([...kept.headers]);
      expect(response.body.equals(kept.body)).toBe(true);
      expect({ ...response, headers: 0, body: 0, requestedAt: 0, responseTime: 0 }).toEqual({
        ...kept,
        ...{ headers: 0, body: 0, requestedAt: 0, responseTime: 0 },
      });
      expect(Math.abs(response.responseTime - kept.responseTime)).toBeLessThan(60_000);
      expect(await store.find(other.key)).toBeUndefined();
    });

    it('keeps variants beside each other, the newest of each, and drops one', async () => {
      const { store, settle } = await open();
      const { key, url } = newKey();
      const fields = { vary: 'accept-language' };
      for (const [variantKey, body] of [
        ['2:de', 'alt'],
        ['2:en', 'new'],
        ['2:de', 'neu'],
      ] as const) {
        store.keep(key, url, storedResponse(store, { fields, body, variantKey }));
        await settle();
      }
      const bodies = async () =>
        ((await store.find(key))?.responses ?? []).map(({ body }) => body.toString()).sort();
      expect(await bodies()).toEqual(['neu', 'new']);
      const found = (await store.find(key))?.responses.find(({ variantKey }) => variantKey === '2:de');
      store.drop(key, found as StoredResponse);
      await settle();
      expect(await bodies()).toEqual(['new']);
    });

    const purges: readonly (readonly [string, (url: string) => Purge, boolean])[] = [
      ['its URL', (value) => ({ kind: 'url', value, soft: false }), true],
      ['the beginning of its URL', (url) => ({ kind: 'prefix', value: url.slice(0, -4), soft: false }), true],
      ['its tag', () => ({ kind: 'tag', value: 'red', soft: false }), true],
      ['all', () => ({ kind: 'all', soft: false }), true],
      ['another URL', (url) => ({ kind: 'url', value: url.slice(0, -1), soft: false }), false],
      ['a part of its tag', () => ({ kind: 'tag', value: 're', soft: false }), false],
      ['another beginning', () => ({ kind: 'prefix', value: 'example.com', soft: false }), false],
    ];
    it.each(purges)('a purge of %s', async (_, purgeOf, isGone) => {
      const { store, settle } = await open();
      const { key, url } = newKey();
      const before = storedResponse(store, { fields: { 'cache-tag': 'blue,red' } });
      store.keep(key, url, before);
      await settle();
      const { unreached } = await store.purge(purgeOf(url));
      expect(unreached).toEqual([]);
      expect((await store.find(key)) === undefined).toBe(isGone);
      // What was under way then is not stored as if it were new; what is asked for now is.
      store.keep(key, url, before);
      await settle();
      expect((await store.find(key)) === undefined).toBe(isGone);
      store.keep(key, url, storedResponse(store, { fields: { 'cache-tag': 'blue,red' } }));
      await settle();
      expect(await store.find(key)).toBeDefined();
    });

    it('marks stale what is purged softly, once', async () => {
      const { store, settle } = await open();
      const { key, url } = newKey();
      store.keep(key, url, storedResponse(store));
      await settle();
      await store.purge({ kind: 'all', soft: true });
      const since = (await store.find(key))?.responses[0]?.staleSince;
      expect(since).toBeTypeOf('number');
      const found = (await store.find(key)) as CachedResource;
      expect(store.recheck(found)?.responses[0]?.staleSince).toBe(since);
      await store.purge({ kind: 'all', soft: false });
      expect(store.recheck(found)).toBeUndefined();
    });
  });
}
