import type { Job, Queue, QueueOptions, Worker, WorkerOptions } from 'bullmq';
import type { Clock } from '../../core/clock.ts';
import { lookUpName } from '../../core/network/name-lookup.ts';
import type { Counter, Log, Metrics } from '../../core/services.ts';
import type { StoredResult } from '../../core/stores/async-jobs.ts';
import { deliverWebhook } from './deliver-webhook.ts';
import { signWebhook } from './webhook-signature.ts';

/** How results are delivered. */
export interface WebhookSettings {
  readonly secret: string;
  readonly allowsPrivate: boolean;
}

interface Delivery {
  readonly url: string;
  readonly body: string;
}

interface WebhookServices {
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'counter'>;
}

/** Attempts at a receiver, the last one some 17 minutes after the first, and the first pause, which doubles. */
const ATTEMPTS = 10;
const BACKOFF_MS = 2000;
const QUEUE = 'webhooks';
const CONCURRENCY = 8;

/** Delivers results to those who asked for that, at least once, each with the id of its job. */
export class WebhookQueue {
  private readonly settings: WebhookSettings;
  private readonly services: WebhookServices;
  private readonly queue: Queue<Delivery, void>;
  private readonly worker: Worker<Delivery, void>;
  private readonly delivered: Counter;
  private readonly failed: Counter;
  private readonly giveUp: () => Error;

  constructor(
    {
      Queue,
      Worker,
      UnrecoverableError,
    }: Pick<typeof import('bullmq'), 'Queue' | 'Worker' | 'UnrecoverableError'>,
    settings: WebhookSettings,
    services: WebhookServices,
    options: { readonly queue: QueueOptions; readonly worker: WorkerOptions },
  ) {
    this.settings = settings;
    this.services = services;
    const help = 'Deliveries of results to webhooks, by their outcome.';
    const counter = (outcome: string) =>
      services.metrics.counter('gateway_async_webhooks_total', help, { outcome });
    this.delivered = counter('delivered');
    this.failed = counter('failed');
    this.giveUp = () => new UnrecoverableError('the receiver wants no more');
    this.queue = new Queue(QUEUE, options.queue);
    this.worker = new Worker<Delivery, void>(QUEUE, (job) => this.deliver(job), {
      ...options.worker,
      concurrency: CONCURRENCY,
    });
    this.queue.on('error', () => {});
    this.worker.on('error', () => {});
  }

  start(): void {
    if (!this.worker.isRunning()) this.worker.run().catch(() => {});
  }

  /** Has a result delivered, once for each job however often it runs. */
  async add(id: string, url: string, result: StoredResult): Promise<void> {
    const { status, fields, body } = result;
    const headers: Record<string, string> = {};
    for (let i = 0; i < fields.length; i += 2) {
      const name = (fields[i] as string).toLowerCase();
      headers[name] =
        headers[name] === undefined ? (fields[i + 1] as string) : `${headers[name]}, ${fields[i + 1]}`;
    }
    const event = {
      type: 'job.done',
      timestamp: new Date(this.services.clock.now()).toISOString(),
      data: { id, status, headers, body, encoding: 'base64' },
    };
    await this.queue.add(
      'deliver',
      { url, body: JSON.stringify(event) },
      { jobId: id, attempts: ATTEMPTS, backoff: { type: 'exponential', delay: BACKOFF_MS, jitter: 0.5 } },
    );
  }

  drain(): Promise<void> {
    return this.worker.close();
  }

  async close(): Promise<void> {
    await this.queue.close();
  }

  private async deliver({ id = '', data, attemptsMade, opts }: Job<Delivery, void>): Promise<void> {
    const { url, body } = data;
    const { secret, allowsPrivate } = this.settings;
    const { clock, log } = this.services;
    const seconds = Math.floor(clock.now() / 1000);
    let why: object;
    try {
      const headers = signWebhook(secret, id, seconds, body);
      const status = await deliverWebhook({ url, headers, body }, { allowsPrivate, lookUp: lookUpName });
      if (status >= 200 && status < 300) return this.delivered.add();
      why = { status };
    } catch (err) {
      why = { err };
    }
    const isGone = 'status' in why && why.status === 410;
    if (isGone || attemptsMade + 1 >= (opts.attempts ?? 1)) {
      this.failed.add();
      // Its path may hold a secret.
      log.warn(
        { ...why, job: id, origin: new URL(url).origin },
        'a result could not be delivered to its webhook',
      );
    }
    throw isGone ? this.giveUp() : new Error('the receiver did not take it');
  }
}
