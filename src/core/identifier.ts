import type { GatewayError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { Identity } from './identity.ts';

/**
 * What came of looking for a credential: who presented it; a failure, where it is bad or cannot be checked;
 * `undefined` where the request carries none of this kind.
 */
export type Identification = Identity | GatewayError | undefined;

/** One way to find out who is calling. It looks for its own kind of credential and never lets a bad one pass. */
export interface Identifier {
  /** Value of `WWW-Authenticate` for a request without credentials (RFC 9110 §11.6.1). */
  readonly challenge: string;
  /** Whether a request without credentials goes on, as nobody's. A bad credential is refused nevertheless. */
  readonly isOptional: boolean;
  /** May throw or reject; that denies with 500. */
  identify(exchange: Exchange): Identification | Promise<Identification>;
  /** Runs when the Snapshot retires. */
  close?(): void | Promise<void>;
}
