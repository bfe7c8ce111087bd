/** How a limit counts. */
export type LimitAlgorithm = 'token-bucket' | 'leaky-bucket' | 'fixed-window' | 'sliding-window';

/** A limit as it is compiled: `limit` units per `windowMs`. Both are whole numbers, as is all arithmetic on them. */
export interface LimitRule {
  /** How it counts. */
  readonly algorithm: LimitAlgorithm;
  /** Units in a window. */
  readonly limit: number;
  /** Length of a window in milliseconds. */
  readonly windowMs: number;
  /** Buckets only: units that may come at once. They are filled up again, or leak, at the even rate. */
  readonly burst: number;
  /** `leaky-bucket` as a queue: how long a request may be made to wait. 0: it is rejected instead. */
  readonly maxDelayMs: number;
}

/** Begin and end of a period of the calendar, in milliseconds since 1970. */
export interface LimitPeriod {
  readonly startsAt: number;
  readonly endsAt: number;
}

/** One thing to be counted: so many units of one client under one rule. Plain data, to be sent anywhere. */
export interface LimitCharge {
  /** Name of the limit, and in what its counters cannot be continued under another rule (`limitOf`). */
  readonly limit: string;
  /** The client, as the limit's key finds it. With `limit` it names the counter. */
  readonly key: string;
  /** By which it is counted. */
  readonly rule: LimitRule;
  /** Units, a whole number; 0 asks only how things stand. */
  readonly cost: number;
  /** `fixed-window` only: a quota's period in place of `windowMs`. Such a counter must outlive the process. */
  readonly period?: LimitPeriod | undefined;
  /** Its rejection is told, but keeps neither the request nor the other charges from being counted. */
  readonly isObserved?: boolean | undefined;
}

/** How one counter stands after a decision. */
export interface LimitStanding {
  /** Whether this charge alone is within its limit. It was counted if all are that are not merely observed. */
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

/** What limits that decided together have counted for one exchange. */
export interface ChargedLimits {
  /** Who decided. */
  readonly owner: object;
  readonly charges: readonly LimitCharge[];
  readonly standings: readonly LimitStanding[];
  /** What was counted before it. */
  readonly before: ChargedLimits | undefined;
}

/** Keeps the counters of limits: in memory, in Redis, or with the supervisor of several workers. */
export interface LimitStore {
  /**
   * Decides about all charges of one request together: where one is rejected, none is counted. Gives a standing for
   * each, in their order. At once where the counters are here. Rejects where they cannot be reached.
   */
  charge(charges: readonly LimitCharge[]): readonly LimitStanding[] | Promise<readonly LimitStanding[]>;
  /**
   * Counts what is only known afterwards, such as the tokens of a response; a counter may exceed its limit by it. A
   * negative cost hands back.
   */
  chargeAfterwards(charges: readonly LimitCharge[]): void;
}
