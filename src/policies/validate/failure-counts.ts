import type { Counter, Metrics } from '../../core/services.ts';
import type { InputPlace } from './input-error.ts';

const NAME = 'gateway_validation_failures_total';
const HELP = 'Requests and responses that are not as they are described.';

/** Where something was found that is not as described. */
export type FailurePlace = InputPlace | 'response';

/** Counts what is not as described, by route. */
export class FailureCounts {
  private readonly metrics: Metrics;
  private readonly counters = new Map<string, Counter>();

  constructor(metrics: Metrics) {
    this.metrics = metrics;
  }

  /** Counts one. */
  add(route: string, where: FailurePlace): void {
    const key = `${where} ${route}`;
    let counter = this.counters.get(key);
    if (counter === undefined) {
      counter = this.metrics.counter(NAME, HELP, { route, where });
      this.counters.set(key, counter);
    }
    counter.add();
  }
}
