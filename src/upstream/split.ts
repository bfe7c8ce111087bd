import type { Exchange } from '../core/exchange.ts';
import { findFirstCookie } from '../core/fields/cookies.ts';
import { compileRequestKey } from '../core/request-key.ts';
import { hash32 } from './balancing/hash.ts';

/** A part of a route's requests. */
export interface SplitPart<T> {
  readonly value: T;
  /** Its share of the requests that no condition takes, against the other parts. */
  readonly weight: number;
  /** Headers and cookies that all must have these values for a request to be taken, whatever its weight. */
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: Readonly<Record<string, string>>;
}

/** Says to which part a request belongs. */
export type Split<T> = (exchange: Exchange) => T;

export interface SplitSettings<T> {
  /** `request`, or the key of those that are kept with one part. */
  readonly by: string;
  readonly parts: readonly SplitPart<T>[];
}

/**
 * Compiles a split. The first part whose conditions a request meets takes it; else it goes by weight: each request by
 * chance, or the same key (such as a subject, or without one the address) always to the same part, and then a part that
 * grows keeps those that it had. `seed`, such as the route's id, makes others the first to try something on another route.
 */
export function compileSplit<T>(
  { by, parts }: SplitSettings<T>,
  seed: string,
  random: () => number,
): Split<T> {
  const conditional = parts.filter(hasConditions);
  const weighted = parts.filter(({ weight }) => weight > 0);
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
  const last = weighted.at(-1);
  if (last === undefined) throw new TypeError('no part of the split has a weight');
  const shareOf = by === 'request' ? random : compileShare(by, seed);
  return (exchange) => {
    for (const part of conditional) if (isMet(part, exchange)) return part.value;
    let point = shareOf(exchange) * total;
    for (const part of weighted) {
      point -= part.weight;
      if (point < 0) return part.value;
    }
    return last.value;
  };
}

/** Gives each key its place in [0, 1). */
function compileShare(by: string, seed: string): (exchange: Exchange) => number {
  const keyOf = compileRequestKey(by);
  return (exchange) => hash32(`${seed}\0${keyOf(exchange)}`) / 2 ** 32;
}

function hasConditions({ headers, cookies }: SplitPart<unknown>): boolean {
  return Object.keys(headers).length + Object.keys(cookies).length > 0;
}

function isMet({ headers, cookies }: SplitPart<unknown>, exchange: Exchange): boolean {
  for (const name of Object.keys(headers)) {
    if (exchange.headers.get(name) !== headers[name]) return false;
  }
  for (const name of Object.keys(cookies)) {
    if (findFirstCookie(exchange.headers.get('cookie') ?? '', name) !== cookies[name]) return false;
  }
  return true;
}
