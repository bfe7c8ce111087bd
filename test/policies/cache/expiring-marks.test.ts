import { describe, expect, it } from 'vitest';
import { ExpiringMarks } from '../../../src/policies/cache/expiring-marks.ts';

function marksAt(max: number) {
  const clock = { time: 0, now: () => clock.time };
  return { clock, marks: new ExpiringMarks(clock, 1000, max) };
}

describe('marks', () => {
  it('hold for their time, and no longer', () => {
    const { clock, marks } = marksAt(10);
    marks.add('a', 500);
    marks.add('b', 1000);
    expect([marks.has('a'), marks.has('b'), marks.has('c')]).toEqual([true, true, false]);
    clock.time = 500;
    expect([marks.has('a'), marks.has('b')]).toEqual([false, true]);
    marks.delete('b');
    expect(marks.has('b')).toBe(false);
  });

  it('do not hold longer than allowed after the clock was put back', () => {
    const { clock, marks } = marksAt(10);
    clock.time = 10_000;
    marks.add('a', 1000);
    clock.time = 0;
    expect(marks.has('a')).toBe(false);
  });

  it('are bounded, and the newest half of them is always there', () => {
    const { marks } = marksAt(100);
    for (let i = 0; i < 1000; i++) {
      marks.add(`${i}`, 1000);
      for (let j = Math.max(0, i - 49); j <= i; j++) expect(marks.has(`${j}`)).toBe(true);
    }
    const held = Array.from({ length: 1000 }, (_, i) => marks.has(`${i}`)).filter(Boolean);
    expect(held.length).toBeLessThanOrEqual(100);
  });

  it('are taken out wherever they stand', () => {
    const { marks } = marksAt(4);
    for (const key of ['a', 'b', 'c']) marks.add(key, 1000);
    marks.add('a', 1000);
    marks.delete('a');
    expect([marks.has('a'), marks.has('b'), marks.has('c')]).toEqual([false, true, true]);
  });
});
