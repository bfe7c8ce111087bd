// What people write from habit, with what it has to be here. Only what has the form of a number and a unit is quoted:
// another text may be a secret in the wrong place.

const DURATION_UNITS: Readonly<Record<string, string>> = {
  ...{ millisecond: 'ms', milliseconds: 'ms', millis: 'ms', msec: 'ms' },
  ...{ sec: 's', secs: 's', second: 's', seconds: 's', min: 'm', mins: 'm', minute: 'm', minutes: 'm' },
  ...{ hr: 'h', hrs: 'h', hour: 'h', hours: 'h', day: 'd', days: 'd' },
};
const SIZE_UNITS: Readonly<Record<string, string>> = {
  ...{ b: 'B', byte: 'B', bytes: 'B', k: 'KiB', kb: 'KiB', kib: 'KiB' },
  ...{ m: 'MiB', mb: 'MiB', mib: 'MiB', g: 'GiB', gb: 'GiB', gib: 'GiB' },
};
const NUMBER_AND_UNIT = /^(\d+(?:\.\d+)?)\s*([A-Za-z]{0,12})$/;
const SECONDS_PER_UNIT: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Says what is wrong with a text that is not a duration, and what to write. */
export function describeBadDuration(written: unknown): string {
  const text = textOf(written);
  const [, number, unit] = NUMBER_AND_UNIT.exec(text) ?? [];
  if (number !== undefined && unit !== undefined) {
    if (unit === '') return `has no unit — write ${number}s for seconds, ${number}ms for milliseconds`;
    if (unit === 'M') return `has the unit M, which is not known — write ${number}m for minutes`;
    if (/^(?:w|weeks?)$/i.test(unit)) return `has weeks as its unit — write ${Number(number) * 7}d`;
    const known =
      DURATION_UNITS[unit.toLowerCase()] ?? (/^(?:ms|[smhd])$/i.test(unit) ? unit.toLowerCase() : '');
    if (known !== '') return `is not written as durations are here — write ${number}${known}`;
  }
  const parts = [...text.matchAll(/(\d+)([smhd])/g)];
  if (parts.length > 1 && parts.map(([part]) => part).join('') === text) {
    const seconds = parts.reduce(
      (sum, [, n, u]) => sum + Number(n) * (SECONDS_PER_UNIT[u as string] ?? 0),
      0,
    );
    return `is made of several parts — write one: ${seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`}`;
  }
  return 'is not a duration — write a number and a unit: 250ms, 5s, 1m, 1h or 1d';
}

/** Says what is wrong with a text that is not a size, and what to write. */
export function describeBadSize(written: unknown): string {
  const [, number, unit] = NUMBER_AND_UNIT.exec(textOf(written)) ?? [];
  const known = unit === undefined ? undefined : SIZE_UNITS[unit.toLowerCase()];
  if (unit === '') return `has no unit — write ${number}KiB, or ${number}B for bytes`;
  if (known !== undefined) return `is not written as sizes are here — write ${number}${known}`;
  return 'is not a size — write a number and a unit: 512B, 16KiB, 1MiB or 1GiB';
}

/** Says what is wrong with a value that is not a share, and what to write. */
export function describeBadShare(written: unknown): string {
  const text = textOf(written);
  if (/^0?\.\d+$/.test(text))
    return `is a fraction — write a percentage: ${+(Number(text) * 100).toFixed(4)}%`;
  if (/^\d+(\.\d+)?$/.test(text) && Number(text) <= 100) return `lacks its sign — write ${text}%`;
  return 'is not a share — write a percentage between 0% and 100%, such as 20%';
}

/** Says why a text that holds a number is none, or nothing where it is something else. */
export function describeBadNumber(written: unknown): string | undefined {
  if (typeof written !== 'string') return undefined;
  if (/^\d+$/.test(written)) return `is text — write ${written} without quotes`;
  const percentage = /^(\d+)%$/.exec(written);
  return percentage === null ? undefined : `is a share where a number counts — write ${percentage[1]}`;
}

function textOf(written: unknown): string {
  return typeof written === 'number' || typeof written === 'string' ? String(written) : '';
}
