import type { Exchange } from '../core/exchange.ts';
import { findFirstCookie } from '../core/fields/cookies.ts';
import { compileRequestKey } from '../core/request-key.ts';
import { hash32 } from './balancing/hash.ts';

/** A part of a route's requests. */
export interface SplitPart<T> {
  readonly value: T;
  /** Its share of the requests that no condition takes, against the other parts. */
  readonly weight: number;
  /** Header fields and cookies that all must have these values for a request to be taken, whatever its weight. */
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: Readonly<Record<string, string>>;
}

/** Says to which part a request belongs. */
export type Split<T> = (exchange: Exchange) => T;

/**
 * Compiles a split. The first part whose conditions a request meets takes it; else it goes by weight, and the same
 * subject (or, without one, the same address) always to the same part. A part that grows keeps those that it had.
 * `seed`, such as the route's id, makes others the first to try something on another route.
 */
export function compileSplit<T>(parts: readonly SplitPart<T>[], seed: string): Split<T> {
  const conditional = parts.filter(hasConditions);
  const weighted = parts.filter(({ weight }) => weight > 0);
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
  const last = weighted.at(-1);
  if (last === undefined) throw new TypeError('no part of the split has a weight');
  const keyOf = compileRequestKey('subject');
  return (exchange) => {
    for (const part of conditional) if (isMet(part, exchange)) return part.value;
    let point = (hash32(`${seed}\0${keyOf(exchange)}`) / 2 ** 32) * total;
    for (const part of weighted) {
      point -= part.weight;
      if (point < 0) return part.value;
    }
    return last.value;
  };
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
