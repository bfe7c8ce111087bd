import { expect, it } from 'vitest';
import { TokenCache } from '../../src/auth/token-cache.ts';

it('knows nothing any more of what its time is over', () => {
  const cache = new TokenCache<number>();
  cache.set('a', 1, 100);
  expect(cache.get('a', 99)).toBe(1);
  expect(cache.get('a', 100)).toBeUndefined();
});

it('holds only so many characters, and keeps what is in use', () => {
  const cache = new TokenCache<number>(100);
  cache.set('in-use', 0, 1000);
  let known = 0;
  for (let i = 0; i < 1000; i++) {
    cache.set(String(i).padStart(10, '0'), i, 1000);
    expect(cache.get('in-use', 1)).toBe(0);
  }
  for (let i = 0; i < 1000; i++) if (cache.get(String(i).padStart(10, '0'), 1) !== undefined) known++;
  expect(known).toBeLessThanOrEqual(20);
  expect(known).toBeGreaterThan(5);
});

it('forgets what was in the older half by its time as well', () => {
  const cache = new TokenCache<number>(10);
  cache.set('12345678', 1, 100);
  cache.set('abcdefgh', 2, 100);
  expect(cache.get('12345678', 100)).toBeUndefined();
  expect(cache.get('abcdefgh', 99)).toBe(2);
});

it('forgets all at once', () => {
  const cache = new TokenCache<number>(10);
  cache.set('12345678', 1, 100);
  cache.set('abcdefgh', 2, 100);
  cache.clear();
  expect(cache.get('12345678', 1)).toBeUndefined();
  expect(cache.get('abcdefgh', 1)).toBeUndefined();
});

it('takes no token for another one that ends alike', () => {
  const cache = new TokenCache<number>();
  const end = 'x'.repeat(60);
  cache.set(`a${end}`, 1, 100);
  expect(cache.get(`b${end}`, 1)).toBeUndefined();
  expect(cache.get(end, 1)).toBeUndefined();
  expect(cache.get(`aa${end}`, 1)).toBeUndefined();
  cache.set(`b${end}`, 2, 100);
  expect(cache.get(`b${end}`, 1)).toBe(2);
  expect(cache.get(`a${end}`, 1)).toBeUndefined();
});
