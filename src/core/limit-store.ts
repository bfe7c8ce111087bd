/** How a limit counts. */
export type LimitAlgorithm = 'token-bucket' | 'leaky-bucket' | 'fixed-window' | 'sliding-window';

/** A limit as it is compiled: `limit` units per `windowMs`. */
export interface LimitRule {
  readonly algorithm: LimitAlgorithm;
  readonly limit: number;
  readonly windowMs: number;
  /** Units that may come at once beyond the even rate, where the algorithm knows such. */
  readonly burst: number;
  /** `leaky-bucket` as a queue: how long a request may be made to wait. 0: it is refused instead. */
  readonly maxDelayMs: number;
}

/** One thing to be counted: so many units of one client under one rule. */
export interface LimitCharge {
  /** The counter: the name of the limit and the client's key. */
  readonly counter: string;
  readonly rule: LimitRule;
  /** Units, a whole number; 0 asks only how things stand. */
  readonly cost: number;
}

/** How one counter stands after a decision. */
export interface LimitStanding {
  readonly isAllowed: boolean;
  /** Units left now. */
  readonly remaining: number;
  /** Milliseconds until the counter is as new. */
  readonly resetMs: number;
  /** Milliseconds until this charge would be allowed; 0 where it is. */
  readonly retryAfterMs: number;
  /** Milliseconds that the request must wait before it goes on; only of a queue. */
  readonly delayMs: number;
}

/** Keeps the counters of limits: in memory, in Redis, or with the supervisor of several workers. */
export interface LimitStore {
  /**
   * Decides about all charges of one request together: where one is refused, none is counted. Gives a standing for
   * each, in their order. At once where the counters are here. Rejects where they cannot be reached.
   */
  charge(charges: readonly LimitCharge[]): readonly LimitStanding[] | Promise<readonly LimitStanding[]>;
  /** Counts what is only known afterwards, such as the tokens of an answer; a counter may fall below zero by it. */
  chargeAfterwards(charges: readonly LimitCharge[]): void;
}
