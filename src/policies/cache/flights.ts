import type { SharedBody } from '../../cache/shared-body.ts';
import type { Clock } from '../../core/clock.ts';
import type { StoredResponse } from '../../core/stores/cache-store.ts';
import { ExpiringMarks } from './expiring-marks.ts';

/** A response that others may share: stored already, or with its body still coming. */
export interface FlightResponse {
  /** As it is stored, with an empty body where that is still coming. */
  readonly response: StoredResponse;
  readonly body: SharedBody | undefined;
}

/** What came of waiting: a response, or that everybody asks for themselves. */
export type WaitOutcome = FlightResponse | 'alone';

/** How many may wait for one response, and for how long in milliseconds; whoever is beyond that asks too. */
const MAX_WAITERS = 1000;
const MAX_WAIT_MS = 5000;
/** For how long nobody waits for what proved to be nobody else's, in milliseconds. */
const ALONE_MS = 10_000;
const MAX_ALONE = 10_000;

/** One request to the upstream, and those who wait for what comes of it. */
export class Flight {
  readonly key: string;
  /** Ends it: whoever still waits asks for themselves, and whoever comes finds it no more. */
  readonly end: () => void;
  /** `CacheStore.purges` when it began: what was purged since then it must answer nobody who comes later. */
  readonly requestedAt: number;
  private readonly clock: Pick<Clock, 'after'>;
  private readonly waiters = new Set<(outcome: WaitOutcome) => void>();
  private outcome: WaitOutcome | undefined = undefined;

  /** Hears once that it has ended. */
  onEnd: (() => void) | undefined = undefined;

  constructor(
    key: string,
    requestedAt: number,
    clock: Pick<Clock, 'after'>,
    onEnd: (flight: Flight) => void,
  ) {
    this.key = key;
    this.requestedAt = requestedAt;
    this.clock = clock;
    this.end = () => {
      onEnd(this);
      this.settle('alone');
      this.onEnd?.();
      this.onEnd = undefined;
    };
  }

  /** Whether somebody else wants the response, so that it is fetched though its client has left. */
  get isWanted(): boolean {
    return this.waiters.size > 0;
  }

  /** Waits for the head of the response. */
  wait(signal: AbortSignal): Promise<WaitOutcome> {
    if (this.outcome !== undefined) return Promise.resolve(this.outcome);
    if (this.waiters.size >= MAX_WAITERS) return Promise.resolve('alone');
    return new Promise((resolve) => {
      const finish = (outcome: WaitOutcome): void => {
        cancelTimeout();
        signal.removeEventListener('abort', leave);
        this.waiters.delete(finish);
        resolve(outcome);
      };
      const leave = (): void => finish('alone');
      const cancelTimeout = this.clock.after(MAX_WAIT_MS, leave);
      signal.addEventListener('abort', leave);
      this.waiters.add(finish);
    });
  }

  /** Tells all who wait. */
  settle(outcome: WaitOutcome): void {
    this.outcome ??= outcome;
    for (const finish of [...this.waiters]) finish(this.outcome);
  }
}

/** The requests that are under way to the upstream, by the key that they are about. */
export class Flights {
  private readonly clock: Pick<Clock, 'after' | 'now'>;
  private readonly flights = new Map<string, Flight>();
  /** Keys whose responses are nobody else's. */
  private readonly alone: ExpiringMarks;

  constructor(clock: Pick<Clock, 'after' | 'now'>) {
    this.clock = clock;
    this.alone = new ExpiringMarks(clock, ALONE_MS, MAX_ALONE);
  }

  /** Finds one that has seen all of `purges`. */
  find(key: string, purges: number): Flight | undefined {
    const flight = this.flights.get(key);
    return flight !== undefined && flight.requestedAt >= purges ? flight : undefined;
  }

  /** Begins one, in the place of an older one, which only those who wait already wait for. */
  begin(key: string, purges: number): Flight {
    const flight = new Flight(key, purges, this.clock, (ended) => {
      if (this.flights.get(key) === ended) this.flights.delete(key);
    });
    this.flights.set(key, flight);
    return flight;
  }

  /** Whether nobody should wait for this key: its last response was for its request alone. */
  isAlone(key: string): boolean {
    return this.alone.has(key);
  }

  markAlone(key: string, forMs = ALONE_MS): void {
    this.alone.add(key, forMs);
  }

  unmarkAlone(key: string): void {
    this.alone.delete(key);
  }
}
