export interface RetrySettings {
  /** Attempts after the first one. */
  readonly max: number;
  /** Whether an attempt is repeated when no connection came about. */
  readonly onConnectError: boolean;
  /** Statuses that are repeated: of the target, or what the gateway would answer for it (502, 504). */
  readonly statuses: ReadonlySet<number>;
  /** Share of the requests under way that may be retries, 0 to 1. */
  readonly budget: number;
}
