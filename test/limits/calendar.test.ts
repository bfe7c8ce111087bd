import { describe, expect, it } from 'vitest';
import { Calendar, type CalendarUnit } from '../../src/limits/calendar.ts';
import { fc } from '../support/fast-check.ts';

const HOUR_MS = 3_600_000;

function periodOf(unit: CalendarUnit, timeZone: string, now: string): [from: string, to: string] {
  const { startsAt, endsAt } = new Calendar(unit, timeZone).periodAt(Date.parse(now));
  return [new Date(startsAt).toISOString(), new Date(endsAt).toISOString()];
}

describe('periods', () => {
  it.each<[CalendarUnit, string, string, string, string]>([
    ['day', 'UTC', '2026-11-26T12:00:00Z', '2026-11-26T00:00:00.000Z', '2026-11-27T00:00:00.000Z'],
    ['day', 'UTC', '2026-11-26T00:00:00Z', '2026-11-26T00:00:00.000Z', '2026-11-27T00:00:00.000Z'],
    ['day', 'Asia/Kathmandu', '2026-11-26T18:14:59Z', '2026-11-25T18:15:00.000Z', '2026-11-26T18:15:00.000Z'],
    ['week', 'UTC', '2026-11-26T12:00:00Z', '2026-11-23T00:00:00.000Z', '2026-11-30T00:00:00.000Z'],
    ['week', 'UTC', '2026-11-29T23:59:59Z', '2026-11-23T00:00:00.000Z', '2026-11-30T00:00:00.000Z'],
    [
      'month',
      'Europe/Berlin',
      '2026-12-31T23:30:00Z',
      '2026-12-31T23:00:00.000Z',
      '2027-01-31T23:00:00.000Z',
    ],
    [
      'month',
      'America/New_York',
      '2028-02-29T12:00:00Z',
      '2028-02-01T05:00:00.000Z',
      '2028-03-01T05:00:00.000Z',
    ],
    // Clocks forwards, backwards: a day of 23 and one of 25 hours.
    ['day', 'Europe/Berlin', '2026-03-29T10:00:00Z', '2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z'],
    ['day', 'Europe/Berlin', '2026-10-25T10:00:00Z', '2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z'],
    [
      'month',
      'Europe/Berlin',
      '2026-10-25T10:00:00Z',
      '2026-09-30T22:00:00.000Z',
      '2026-10-31T23:00:00.000Z',
    ],
    // Where clocks go forwards at midnight, the day begins at one.
    ['day', 'Africa/Cairo', '2026-04-24T10:00:00Z', '2026-04-23T22:00:00.000Z', '2026-04-24T21:00:00.000Z'],
    // Samoa had no 30 December 2011.
    ['day', 'Pacific/Apia', '2011-12-30T09:00:00Z', '2011-12-29T10:00:00.000Z', '2011-12-30T10:00:00.000Z'],
  ])('%s in %s at %s', (unit, timeZone, now, from, to) => {
    expect(periodOf(unit, timeZone, now)).toEqual([from, to]);
  });

  it('follow each other without a gap, wherever and whenever', () => {
    const instants = fc.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2060, 0) });
    const zones = fc.constantFrom(
      ...['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Africa/Cairo', 'Asia/Tehran'],
      ...['America/Sao_Paulo', 'Pacific/Kiritimati', 'Pacific/Chatham', 'Pacific/Apia', 'America/St_Johns'],
    );
    const units = fc.constantFrom<CalendarUnit>('day', 'week', 'month');
    fc.assert(
      fc.property(instants, zones, units, (now, zone, unit) => {
        const calendar = new Calendar(unit, zone);
        const period = calendar.periodAt(now);
        expect(period.startsAt).toBeLessThanOrEqual(now);
        expect(period.endsAt).toBeGreaterThan(now);
        const next = new Calendar(unit, zone).periodAt(period.endsAt);
        expect(next.startsAt).toBe(period.endsAt);
        expect(new Calendar(unit, zone).periodAt(period.endsAt - 1)).toEqual(period);
        expect(calendar.periodAt(period.startsAt)).toEqual(period);
      }),
      { numRuns: 60 },
    );
  });

  it('begin at midnight on the clock of the place, where there is one', () => {
    const { startsAt } = new Calendar('month', 'Asia/Tokyo').periodAt(Date.parse('2026-11-26T12:00:00Z'));
    expect(new Date(startsAt + 9 * HOUR_MS).toISOString()).toBe('2026-11-01T00:00:00.000Z');
  });

  it('need a time zone that exists', () => {
    expect(() => new Calendar('day', 'Mars/Olympus')).toThrow(RangeError);
  });
});
