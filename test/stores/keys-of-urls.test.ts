import { describe, expect, it } from 'vitest';
import { KeysOfUrls } from '../../src/stores/cache/keys-of-urls.ts';
import { fc } from '../support/fast-check.ts';

describe('keys by URL', () => {
  it('are those that were added and not deleted, whatever the order', () => {
    const step = fc.record({
      isAdded: fc.boolean(),
      url: fc.constantFrom('/a', '/b'),
      key: fc.constantFrom('1', '2', '3'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const keys = new KeysOfUrls();
        const model = new Map<string, Set<string>>();
        for (const { isAdded, url, key } of steps) {
          const known = model.get(url) ?? new Set();
          model.set(url, known);
          if (isAdded) known.add(key);
          else known.delete(key);
          if (isAdded) keys.add(url, key);
          else keys.delete(url, key);
          for (const [each, all] of model) expect([...keys.of(each)].sort()).toEqual([...all].sort());
        }
      }),
    );
  });
});
