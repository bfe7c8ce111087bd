import type { HeaderList } from '../core/header-list.ts';
import type { Directives } from './directives.ts';
import { parseHttpDate } from './http-date.ts';

/** Statuses that may be given a lifetime by heuristics (RFC 9110 §15.1). */
const HEURISTIC: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);
const DAY_MS = 86_400_000;

/** When a response was asked for and when its head came, in milliseconds since 1970. */
export interface ResponseTimes {
  readonly requestTime: number;
  readonly responseTime: number;
}

/** What decides of a lifetime besides the response itself. In milliseconds. */
export interface LifetimeSettings {
  /** The lifetime where the response says nothing; `undefined` for none. */
  readonly maxAgeMs: number | undefined;
  /** Whether `maxAgeMs` wins over what the response says. */
  readonly override: boolean;
  /** Whether a tenth of the time since `Last-Modified` counts where nothing else is said (RFC 9111 §4.2.2). */
  readonly heuristic: boolean;
}

/** Gives the age that a response had when it came, in milliseconds (RFC 9111 §4.2.3, `corrected_initial_age`). */
export function initialAgeOf(headers: HeaderList, times: ResponseTimes): number {
  const date = dateOf(headers, times.responseTime);
  const apparentAge = Math.max(0, times.responseTime - date);
  const delay = Math.max(0, times.responseTime - times.requestTime);
  return Math.max(apparentAge, ageOf(headers) * 1000 + delay);
}

/** Gives the time that `Date` names, or that at which the response came (RFC 9110 §6.6.1). */
export function dateOf(headers: HeaderList, responseTime: number): number {
  const text = headers.get('date');
  return (text === undefined ? undefined : parseHttpDate(text, responseTime)) ?? responseTime;
}

/**
 * Gives the freshness lifetime of a response in milliseconds (RFC 9111 §4.2.1), 0 where it has none. `isTargeted` tells
 * that `directives` are those of `CDN-Cache-Control`, beside which `Expires` says nothing (RFC 9213 §2.2).
 */
export function lifetimeOf(
  response: { readonly status: number; readonly headers: HeaderList },
  directives: Directives,
  isTargeted: boolean,
  responseTime: number,
  settings: LifetimeSettings,
): number {
  const { maxAgeMs, override, heuristic } = settings;
  if (override && maxAgeMs !== undefined) return maxAgeMs;
  const seconds = directives.sMaxage ?? directives.maxAge;
  if (seconds !== undefined) return seconds * 1000;
  if (!isTargeted) {
    const expires = response.headers.getAll('expires');
    if (expires.length > 0) return untilExpiry(expires, response.headers, responseTime);
  }
  if (maxAgeMs !== undefined) return maxAgeMs;
  return heuristic ? heuristicLifetime(response, directives, responseTime) : 0;
}

/** What is not a date has passed, `0` above all (RFC 9111 §5.3); and so have two that differ. */
function untilExpiry(expires: readonly string[], headers: HeaderList, responseTime: number): number {
  const [first] = expires;
  if (first === undefined || expires.some((other) => other !== first)) return 0;
  const time = parseHttpDate(first, responseTime);
  return time === undefined ? 0 : Math.max(0, time - dateOf(headers, responseTime));
}

function heuristicLifetime(
  { status, headers }: { readonly status: number; readonly headers: HeaderList },
  directives: Directives,
  responseTime: number,
): number {
  if (!HEURISTIC.has(status) && !directives.public) return 0;
  const text = headers.get('last-modified');
  const modified = text === undefined ? undefined : parseHttpDate(text, responseTime);
  if (modified === undefined) return 0;
  return Math.min(Math.max(0, dateOf(headers, responseTime) - modified) / 10, DAY_MS);
}

/** The first member counts, and what is not a whole number does not (RFC 9111 §5.1). In seconds. */
function ageOf(headers: HeaderList): number {
  const text = headers.get('age')?.split(',', 1)[0]?.trim();
  return text !== undefined && /^\d+$/.test(text) ? Math.min(Number(text), 2_147_483_648) : 0;
}
