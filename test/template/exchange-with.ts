import type { Exchange } from '../../src/core/exchange.ts';
import type { Identity } from '../../src/core/identity/identity.ts';
import { stubExchange } from '../core/stub-exchange.ts';

export interface Known {
  readonly query?: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly headers?: readonly (readonly [string, string])[];
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** Makes an exchange of which templates may know something. */
export function exchangeWith({ query = '', params = {}, headers = [], claims }: Known = {}): Exchange {
  const exchange = stubExchange({ headers });
  exchange.query = query;
  exchange.params = params;
  exchange.requestId = 'request-1';
  if (claims !== undefined) {
    const identity: Identity = { subject: 'ada', roles: [], permissions: [], method: 'jwt', claims };
    exchange.identity = identity;
  }
  return exchange;
}
