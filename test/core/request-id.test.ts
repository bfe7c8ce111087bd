import { expect, test } from 'vitest';
import { newRequestId } from '../../src/core/request-id.ts';
import { fc } from '../support/fast-check.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('is a UUID of version 7 that begins with the time', () => {
  const now = Date.now() + 60_000;
  const id = newRequestId(now);
  expect(id).toMatch(UUID_V7);
  expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(now);
});

test('rises strictly, within a millisecond, beyond its counter, and when the clock goes back', () => {
  const start = Date.now() + 120_000;
  const step = fc.integer({ min: -5, max: 5 });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      let now = start;
      const ids = steps.map((by) => {
        now += by;
        return newRequestId(now);
      });
      expect(ids).toEqual(ids.toSorted());
    }),
    { numRuns: 50 },
  );
  const ids = Array.from({ length: 20_000 }, () => newRequestId(start));
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual(ids.toSorted());
  for (const id of ids) expect(id).toMatch(UUID_V7);
});
