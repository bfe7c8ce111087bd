import type { Exchange } from '../exchange.ts';

/**
 * Names an authenticated caller, so that no two are one: the subject, as its authentication method and issuer name it.
 * `undefined` for an anonymous one.
 */
export function callerName({ identity }: Pick<Exchange, 'identity'>): readonly string[] | undefined {
  if (identity === undefined) return undefined;
  const { iss } = identity.claims;
  return [identity.method, typeof iss === 'string' ? iss : '', identity.subject];
}
