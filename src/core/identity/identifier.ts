import type { GatewayError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { Reply } from '../message.ts';
import type { Identity } from './identity.ts';

/**
 * What came of looking for a credential: who presented it; a failure or a response, where it is bad or cannot be
 * checked; `undefined` where the request carries none of this kind. `admitted` is who may pass without being named.
 */
export type Identification = Identity | GatewayError | Reply | 'admitted' | undefined;

/** One way to find out who is calling. It looks for its own kind of credential and never lets a bad one pass. */
export interface Identifier {
  /** Value of `WWW-Authenticate` for a request without credentials (RFC 9110 §11.6.1). */
  readonly challenge: string;
  /** Whether a request without credentials goes on, as nobody's. A bad credential is refused nevertheless. */
  readonly isOptional: boolean;
  /** Whether what it waits for is bounded elsewhere, as the request body is. */
  readonly hasOwnDeadlines?: boolean;
  /**
   * Fields besides `Authorization` and `Cookie` by which it decides and that have one value: a request in which one stands
   * twice is rejected before `identify`.
   */
  readonly singleFields?: readonly string[];
  /**
   * Tells whether its credential in this request is one that browsers add by themselves, such as a cookie: then pages of
   * other origins may not send unsafe methods or upgrades with it. Left out: never.
   */
  isAmbient?(exchange: Exchange): boolean;
  /** Tells whether pages of an origin may do so nevertheless. Left out: none beside those that `cors` lets in. */
  admitsOrigin?(origin: string): boolean;
  /** Whether it may have set `exchange.responseFields`, which the client then gets with the response. */
  readonly writesResponse?: boolean;
  /** May throw or reject, which denies with 500; one that is not settled before the timeout denies with 503. */
  identify(exchange: Exchange): Identification | Promise<Identification>;
  /**
   * Takes its kind of credential off the request. Called where another way in has decided, so that what nobody has
   * verified is not forwarded.
   */
  dropCredential(exchange: Exchange): void;
  /** Runs when the Snapshot retires. */
  close?(): void | Promise<void>;
}
