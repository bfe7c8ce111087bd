import type { RouteConfig } from '../config/schema/schema.ts';
import type { BufferBudget } from '../core/buffer-budget.ts';
import type { Clock } from '../core/clock.ts';
import type { Reply } from '../core/message.ts';
import type { Counter, Metrics } from '../core/services.ts';
import type { BatchItem } from './batch-item.ts';

export type BatchConfig = NonNullable<RouteConfig['batch']>;

/** Runs one request of a batch as a request of its own. */
export interface ItemRunner {
  run(item: BatchItem, signal: AbortSignal): Promise<Reply>;
}

/** What a batch is made with. */
export interface BatchPlace {
  readonly route: string;
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'counter'>;
  readonly budget: BufferBudget;
}

/** A route whose requests hold several, as compiled. */
export interface Batch extends BatchPlace {
  readonly config: BatchConfig;
  /** Requests in batches, by whether they got a response of their own. */
  readonly counts: Readonly<Record<'done' | 'timeout' | 'too-large' | 'failed', Counter>>;
}
