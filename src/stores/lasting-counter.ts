/** A counter that outlives the process. */
export interface LastingCounter {
  readonly limit: string;
  readonly key: string;
  readonly at: number;
  readonly used: number;
  /** Milliseconds since 1970 at which it is as new. */
  readonly endsAt: number;
}

/** A counter as it is to be written down. */
export interface ChangedCounter extends LastingCounter {
  /** Units since it was written down before; negative where some were handed back. */
  readonly added: number;
}

/** A counter as it stands in the file, with what other gateways have counted. */
export interface WrittenCounter {
  readonly at: number;
  readonly used: number;
}

/** Behind which counter a reader goes on. */
export type CounterPosition = Pick<LastingCounter, 'limit' | 'key'>;
