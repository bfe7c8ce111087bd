import { describe, expect, it } from 'vitest';
import { Backoff } from '../../../src/upstream/discovery/backoff.ts';
import { fc } from '../../support/fast-check.ts';

describe('the pauses after failures', () => {
  it('double from 1 s and stop growing at 30 s', () => {
    const backoff = new Backoff(() => 0);
    const pauses = Array.from({ length: 7 }, () => backoff.nextMs());
    expect(pauses).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  });

  it('begin again after a success', () => {
    const backoff = new Backoff(() => 0);
    backoff.nextMs();
    backoff.nextMs();
    backoff.reset();
    expect(backoff.nextMs()).toBe(1000);
  });

  it('are spread by chance but never shorter than half a second', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })), (numbers) => {
        const backoff = new Backoff(() => numbers.shift() ?? 0.999);
        for (let i = 0; i < 10; i++) {
          const pause = backoff.nextMs();
          expect(pause).toBeGreaterThanOrEqual(500);
          expect(pause).toBeLessThanOrEqual(30_000);
        }
      }),
    );
  });
});
