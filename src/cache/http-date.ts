const DAYS = 'Mon|Tue|Wed|Thu|Fri|Sat|Sun';
const LONG_DAYS = 'Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday';
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH = MONTHS.join('|');
const TIME = '(\\d{2}):(\\d{2}):(\\d{2})';

/**
 * The three forms of RFC 9110 §5.6.7, day, month, year and time in groups. A cache takes them in any case (RFC 9111
 * §4.2).
 */
const FIXED = new RegExp(`^(?:${DAYS}), (\\d{2}) (${MONTH}) (\\d{4}) ${TIME} GMT$`, 'i');
const RFC850 = new RegExp(`^(?:${LONG_DAYS}), (\\d{2})-(${MONTH})-(\\d{2}) ${TIME} GMT$`, 'i');
const ASCTIME = new RegExp(`^(?:${DAYS}) (${MONTH}) ([ \\d]\\d) ${TIME} (\\d{4})$`, 'i');

const FIFTY_YEARS = 50;

/**
 * Parses an HTTP date and gives milliseconds since 1970, or nothing for what is none (RFC 9110 §5.6.7). `now`, in the
 * same unit, decides the century of the form that has two digits for the year.
 */
export function parseHttpDate(text: string, now: number): number | undefined {
  const fixed = FIXED.exec(text);
  if (fixed !== null) return timeOf(Number(fixed[3]), fixed[2]!, fixed[1]!, fixed, 4);
  const rfc850 = RFC850.exec(text);
  if (rfc850 !== null) return timeOf(fullYear(Number(rfc850[3]), now), rfc850[2]!, rfc850[1]!, rfc850, 4);
  const asctime = ASCTIME.exec(text);
  if (asctime !== null) return timeOf(Number(asctime[6]), asctime[1]!, asctime[2]!, asctime, 3);
  return undefined;
}

/** Writes milliseconds since 1970 as an HTTP date. */
export function writeHttpDate(time: number): string {
  return new Date(time).toUTCString();
}

/** A year that seems to be more than 50 years ahead is the last one in the past with these digits. */
function fullYear(twoDigits: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear();
  const year = Math.floor(thisYear / 100) * 100 + twoDigits;
  return year > thisYear + FIFTY_YEARS ? year - 100 : year;
}

function timeOf(
  year: number,
  month: string,
  day: string,
  found: RegExpExecArray,
  timeAt: number,
): number | undefined {
  const [hours, minutes, seconds] = [0, 1, 2].map((i) => Number(found[timeAt + i])) as [
    number,
    number,
    number,
  ];
  // A leap second is 60, which no clock here has.
  if (hours > 23 || minutes > 59 || seconds > 60) return undefined;
  const at = MONTHS.findIndex((name) => name.toLowerCase() === month.toLowerCase());
  const time = Date.UTC(year, at, Number(day), hours, minutes, Math.min(seconds, 59));
  const isReal = new Date(time).getUTCDate() === Number(day);
  return isReal ? time : undefined;
}
