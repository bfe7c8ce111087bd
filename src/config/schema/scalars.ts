import { z } from 'zod';
import { findRangeFault } from '../../core/address-blocks.ts';
import { describeBadDuration, describeBadNumber, describeBadShare, describeBadSize } from './bad-scalars.ts';

// An issue's message may carry its remedy behind ' — ': 'is not a duration — write a number and a unit'.

const DURATION = /^\d+(\.\d+)?(ms|s|m|h|d)$/;
const SIZE = /^\d+(\.\d+)?(B|KiB|MiB|GiB)$/;
const SHARE = /^(100|\d{1,2}(\.\d+)?)%$/;
const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const BYTES_PER_UNIT: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/**
 * Takes an amount of time such as `250ms`, `5s`, `1m`, `1h`, `1d` and gives milliseconds; `0s` is none of it. For what may
 * take no longer, use `timeLimit`; for what has to take some time, `period`.
 */
export function duration() {
  return measured(
    'duration',
    DURATION,
    (text) => Math.round(measure(text, MS_PER_UNIT)),
    describeBadDuration,
  );
}

/** What a timer can wait for at the most, some 24 days. */
export const NO_LIMIT_MS = 2 ** 31 - 1;

/** Takes the longest time that something may take, in milliseconds; `0s` for no limit, as for Envoy and HAProxy. */
export function timeLimit() {
  return duration().transform((ms) => (ms === 0 ? NO_LIMIT_MS : Math.min(ms, NO_LIMIT_MS)));
}

/** Takes a time of at least `leastMs`, for what makes no sense without one, in milliseconds. */
export function period(leastMs = 1) {
  return duration().refine((ms) => ms >= leastMs, { error: `is too short — write at least ${leastMs}ms` });
}

/**
 * Takes how long something unused is kept, in milliseconds. `0s` is refused: nginx closes at once then, Envoy and HAProxy
 * never do.
 */
export function idleTime() {
  const error = 'could mean at once or never — write a time of at least 10ms, such as 1s or 1d';
  return duration()
    .refine((ms) => ms >= 10, { error })
    .transform((ms) => Math.min(ms, NO_LIMIT_MS));
}

/** Takes a size such as `512B`, `16KiB`, `1MiB` and gives bytes. */
export function size() {
  return measured('size', SIZE, (text) => Math.round(measure(text, BYTES_PER_UNIT)), describeBadSize);
}

/** Takes a share such as `20%` and gives a fraction between 0 and 1. */
export function share() {
  return measured('share', SHARE, (text) => Number.parseFloat(text) / 100, describeBadShare);
}

function measured(
  title: string,
  form: RegExp,
  read: (text: string) => number,
  describeBad: (written: unknown) => string,
) {
  const error = (issue: { readonly input?: unknown }) => describeBad(issue.input);
  // What is none must not reach the checks of what it belongs to, which would find a second problem in it.
  return z.string({ error }).regex(form, { error, abort: true }).transform(read).meta({ title });
}

/** Takes text that is not empty. */
export function text() {
  return z.string().min(1, { error: 'is empty — write a value, or leave the key out' });
}

/** Takes a port to listen on; 0 lets the system choose. */
export function listenPort() {
  const error = numberError('is not a port — write a whole number from 0 to 65535');
  return z.int({ error }).min(0, { error }).max(65535, { error });
}

/** Takes a whole number of at least `minimum`. */
export function wholeNumber(minimum = 0) {
  const error = numberError(`is not a whole number of at least ${minimum} — write one`);
  return z.int({ error }).min(minimum, { error, abort: true });
}

/** Takes the name of a header. */
export function headerName() {
  return z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, {
    error: 'is not a header name — use letters, digits and hyphens',
  });
}

/** Takes the value of a header. */
export function headerValue() {
  return z.string().regex(/^([\x21-\x7e\x80-\xff]([\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/, {
    error: 'is not a header value — use one line without control characters or spaces at the ends',
  });
}

/** Takes an address (`192.0.2.7`, `2001:db8::1`) or a range of them (`10.0.0.0/8`). */
export function addressRange() {
  return z
    .string()
    .check((context) => {
      const message = findRangeFault(context.value);
      if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
    })
    .meta({ title: 'address or range' });
}

/** Takes a host name or address to listen on. */
export function listenHost() {
  return z
    .string()
    .regex(/^[0-9A-Za-z.:_-]+$/, {
      error: 'is not a host to listen on — write an address such as 0.0.0.0, 127.0.0.1 or ::',
    })
    .meta({ examples: ['0.0.0.0', '127.0.0.1', '::', '::1'] });
}

function measure(text: string, units: Readonly<Record<string, number>>): number {
  const unit = text.replace(/^[\d.]+/, '');
  return Number.parseFloat(text) * (units[unit] ?? 1);
}

function numberError(otherwise: string) {
  return (issue: { readonly input?: unknown }): string => describeBadNumber(issue.input) ?? otherwise;
}

/** Takes headers with the values that they have, by their names in lower case. */
export function headerFields() {
  return z
    .record(headerName(), headerValue())
    .transform((fields) =>
      Object.fromEntries(Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value])),
    );
}

/** No template is nested deeper, and what contains itself is. */
const MAX_JSON_DEPTH = 200;

/** Takes whatever JSON can say. Its schema is a plain one, so that it can stand in the options of policies. */
export function jsonData() {
  return z.unknown().refine((data) => isJson(data, 0), {
    error: 'is not JSON — use text, numbers, true, false, null, lists and maps',
  });
}

function isJson(data: unknown, depth: number): boolean {
  switch (typeof data) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return true;
    case 'number':
      return Number.isFinite(data);
    case 'object':
      if (data === null) return true;
      if (depth > MAX_JSON_DEPTH) return false;
      if (Array.isArray(data)) return data.every((item) => isJson(item, depth + 1));
      return isPlain(data) && Object.values(data).every((item) => isJson(item, depth + 1));
    default:
      return false;
  }
}

function isPlain(data: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(data);
  return prototype === null || prototype === Object.prototype;
}
