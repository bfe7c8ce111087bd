import type { LimitPeriod } from '../core/stores/limit-store.ts';

/** What a quota is for. Weeks begin on Monday (ISO 8601). */
export type CalendarUnit = 'day' | 'week' | 'month';

/** Year, month (0 to 11) and day; days beyond a month's end are those of the next. */
type CalendarDate = readonly [year: number, month: number, day: number];

const DAY_MS = 86_400_000;
/** No place is further from UTC. */
const FARTHEST_MS = 15 * 3_600_000;

/** Days, weeks or months as they are in one place, where a day may have 23 or 25 hours. */
export class Calendar {
  readonly unit: CalendarUnit;
  readonly timeZone: string;
  private readonly format: Intl.DateTimeFormat;
  private period: LimitPeriod = { startsAt: 0, endsAt: 0 };

  /** Throws `RangeError` for a time zone that does not exist. */
  constructor(unit: CalendarUnit, timeZone: string) {
    this.unit = unit;
    this.timeZone = timeZone;
    this.format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'iso8601',
      numberingSystem: 'latn',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
    });
  }

  /** Gives the period that `now`, in milliseconds since 1970, is in. */
  periodAt(now: number): LimitPeriod {
    if (now >= this.period.startsAt && now < this.period.endsAt) return this.period;
    const first = firstDayOf(this.unit, this.dateAt(now));
    this.period = { startsAt: this.startOf(first), endsAt: this.startOf(nextFirstDay(this.unit, first)) };
    return this.period;
  }

  private dateAt(instant: number): CalendarDate {
    let [year, month, day] = [0, 0, 0];
    for (const { type, value } of this.format.formatToParts(instant)) {
      if (type === 'year') year = Number(value);
      if (type === 'month') month = Number(value) - 1;
      if (type === 'day') day = Number(value);
    }
    return [year, month, day];
  }

  /** Finds the first moment of a day by halving, since midnight is not to be had everywhere each day. */
  private startOf(date: CalendarDate): number {
    const due = Date.UTC(...date);
    let before = due - FARTHEST_MS;
    let after = due + FARTHEST_MS;
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (Date.UTC(...this.dateAt(middle)) < due) before = middle;
      else after = middle;
    }
    return after;
  }
}

function firstDayOf(unit: CalendarUnit, [year, month, day]: CalendarDate): CalendarDate {
  if (unit === 'month') return [year, month, 1];
  if (unit === 'day') return [year, month, day];
  const weekday = new Date(Date.UTC(year, month, day)).getUTCDay();
  return plainDate(Date.UTC(year, month, day) - ((weekday + 6) % 7) * DAY_MS);
}

function nextFirstDay(unit: CalendarUnit, [year, month, day]: CalendarDate): CalendarDate {
  if (unit === 'month') return plainDate(Date.UTC(year, month + 1, 1));
  return plainDate(Date.UTC(year, month, day + (unit === 'week' ? 7 : 1)));
}

function plainDate(utc: number): CalendarDate {
  const date = new Date(utc);
  return [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
}
