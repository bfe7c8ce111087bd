import type { Job, Queue, Worker } from 'bullmq';
import type { RedisConfig } from '../../config/schema/redis-schema.ts';
import type { Clock } from '../../core/clock.ts';
import { withinTime } from '../../core/pipeline/within-time.ts';
import type { Log, Metrics } from '../../core/services.ts';
import type { AsyncJob, AsyncJobs, JobStanding, StoredResult } from '../../core/stores/async-jobs.ts';
import { describeRedis } from '../redis-settings.ts';
import { type BullClient, createBullClient } from './bull-connection.ts';
import { findDurabilityProblem } from './job-durability.ts';
import { WebhookQueue, type WebhookSettings } from './webhook-queue.ts';

/** What came of running a job once: its result, or that it has to go back to the queue since this process ends. */
export type RunOutcome =
  | { readonly kind: 'result'; readonly result: StoredResult; readonly isRetryable: boolean }
  | { readonly kind: 'interrupted' };

export type RunJob = (job: AsyncJob) => Promise<RunOutcome>;

export interface BullJobsOptions {
  readonly config: RedisConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** How long results are kept, in milliseconds. */
  readonly resultsMs: number;
  /** Jobs that this process runs at a time. */
  readonly concurrency: number;
  readonly run: RunJob;
  /** How results are delivered to webhooks; left out: to none. */
  readonly webhooks?: { readonly origins: readonly string[]; readonly settings: WebhookSettings } | undefined;
  readonly metrics: Pick<Metrics, 'counter'>;
  /** How long a job belongs to a process that does not say that it is alive. Default: 10 seconds. */
  readonly lockMs?: number;
}

/** What jobs are counted by. */
export type JobCounts = Readonly<Record<'queued' | 'running' | 'retrying' | 'done' | 'failed', number>>;

const QUEUE = 'requests';
const LOCK_MS = 10_000;
/** Pause before the second attempt, which doubles for each further one. */
const BACKOFF_MS = 1000;
/** How long a command to Redis may take. */
const COMMAND_MS = 2000;
const COUNT_INTERVAL_MS = 5000;
/** Old results are taken out so many at a time. */
const CLEAN_AT_A_TIME = 10_000;
const NO_JOBS: JobCounts = { queued: 0, running: 0, retrying: 0, done: 0, failed: 0 };

/** What a job that failed for good has for a result: nobody knows what came of it. */
const FAILED: StoredResult = {
  status: 500,
  fields: ['Content-Type', 'application/problem+json'],
  body: Buffer.from(
    JSON.stringify({ title: 'The gateway failed', status: 500, code: 'GW_INTERNAL' }),
  ).toString('base64'),
};

/**
 * Requests that run later, in BullMQ's queue in Redis. Two connections with two settings: who accepts fails fast, who works
 * waits. Loaded only where it is used.
 */
export class BullJobs implements AsyncJobs {
  /** Why it cannot be used, where it cannot. */
  problem: string | undefined;
  /** Whether that is since it would lose what it stores. */
  isUnfit = false;
  counts: JobCounts = NO_JOBS;
  private readonly options: BullJobsOptions;
  private readonly name: string;
  private readonly producer: BullClient;
  private readonly consumer: BullClient;
  private readonly queue: Queue<AsyncJob, StoredResult>;
  private readonly worker: Worker<AsyncJob, StoredResult>;
  private readonly webhooks: WebhookQueue | undefined;
  private readonly stopCounting: () => void;
  private checkedFirst: () => void = () => {};
  private closing: Promise<void> | undefined = undefined;

  /** Resolves when it is known whether Redis keeps what it stores, or that it is away. */
  readonly firstCheck: Promise<void>;

  private constructor(
    options: BullJobsOptions,
    bullmq: typeof import('bullmq'),
    clients: readonly [BullClient, BullClient],
  ) {
    const { config, clock, resultsMs, lockMs = LOCK_MS } = options;
    this.options = options;
    this.name = describeRedis(config);
    this.problem = `Redis at ${this.name} is not connected yet`;
    [this.producer, this.consumer] = clients;
    this.firstCheck = new Promise((resolve) => {
      this.checkedFirst = resolve;
    });
    this.producer.on('ready', () => void this.check());
    this.producer.on('error', (error: Error) => this.goDown(error.message));
    const forQueue = {
      prefix: `${config.prefix}jobs`,
      skipVersionCheck: true,
      connection: bullmq.createNodeRedisClient(this.producer),
      skipMetasUpdate: true,
      defaultJobOptions: {
        removeOnComplete: { age: Math.ceil(resultsMs / 1000) },
        removeOnFail: { age: Math.ceil(resultsMs / 1000) },
        backoff: { type: 'exponential', delay: BACKOFF_MS, jitter: 0.5 },
      },
    };
    const forWorker = {
      prefix: `${config.prefix}jobs`,
      skipVersionCheck: true,
      connection: bullmq.createNodeRedisClient(this.consumer),
      autorun: false,
      lockDuration: lockMs,
      stalledInterval: Math.ceil(lockMs / 3),
      // A job is lost by no number of crashes.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    };
    this.queue = new bullmq.Queue(QUEUE, forQueue);
    this.worker = new bullmq.Worker<AsyncJob, StoredResult>(
      QUEUE,
      (job, token) => this.process(job, token, bullmq.WaitingError),
      { ...forWorker, concurrency: options.concurrency },
    );
    this.webhooks =
      options.webhooks &&
      new WebhookQueue(bullmq, options.webhooks.settings, options, { queue: forQueue, worker: forWorker });
    const { log } = options;
    this.queue.on('error', () => {});
    this.worker.on('error', (err) => log.debug({ err }, 'the queue of requests that run later failed'));
    this.stopCounting = clock.every(COUNT_INTERVAL_MS, () => void this.look());
  }

  /** Connects, and begins to connect where Redis is away. Rejects where BullMQ is not installed. */
  static async open(options: BullJobsOptions): Promise<BullJobs> {
    const bullmq = await importBullmq();
    const { config, random } = options;
    const clients = await Promise.all([
      createBullClient(config, true, random),
      createBullClient(config, false, random),
    ]);
    return new BullJobs(options, bullmq, clients);
  }

  /** Begins to run jobs. */
  start(): void {
    if (this.closing === undefined) this.webhooks?.start();
    if (this.worker.isRunning() || this.closing !== undefined) return;
    this.worker.run().catch((err: unknown) => {
      if (this.closing === undefined) this.options.log.error({ err }, 'requests do not run later any more');
    });
  }

  async add(id: string, job: AsyncJob, retries: number): Promise<void> {
    this.requireRedis();
    await this.inTime(this.queue.add('request', job, { jobId: id, attempts: retries + 1 }));
  }

  allowsWebhook(url: string): boolean | undefined {
    const { webhooks } = this.options;
    if (webhooks === undefined) return undefined;
    if (!URL.canParse(url)) return false;
    const { origin, username, password } = new URL(url);
    return username === '' && password === '' && webhooks.origins.includes(origin);
  }

  async find(id: string): Promise<JobStanding | undefined> {
    this.requireRedis();
    const job = await this.inTime(this.queue.getJob(id));
    if (job === undefined) return undefined;
    const { owner } = job.data;
    const { finishedOn } = job;
    if (finishedOn === undefined) {
      const isRunning = (await this.inTime(job.getState())) === 'active';
      return { owner, state: isRunning ? 'running' : 'queued', result: undefined };
    }
    if (this.options.clock.now() - finishedOn > this.options.resultsMs) return undefined;
    return { owner, state: 'done', result: job.returnvalue ?? FAILED };
  }

  /** Takes no more jobs. Resolves when those under way are done, or went back. */
  drain(): Promise<void> {
    this.closing ??= this.worker.close().then(() => this.webhooks?.drain());
    return this.closing;
  }

  async close(): Promise<void> {
    this.stopCounting();
    await this.drain().catch(() => {});
    await Promise.allSettled([this.queue.close(), this.webhooks?.close()]);
    for (const client of [this.producer, this.consumer]) if (client.isOpen) client.destroy();
  }

  private async process(
    job: Job<AsyncJob, StoredResult>,
    token: string | undefined,
    Waiting: new () => Error,
  ): Promise<StoredResult> {
    const outcome = await this.options.run(job.data);
    if (outcome.kind === 'interrupted') {
      await job.moveToWait(token);
      throw new Waiting();
    }
    const isLast = job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
    if (outcome.isRetryable && !isLast) throw new Error(`the service answered ${outcome.result.status}`);
    const { webhook } = job.data;
    // Before the job is done: it runs again where this fails.
    if (webhook !== undefined) await this.webhooks?.add(job.id as string, webhook, outcome.result);
    return outcome.result;
  }

  private async check(): Promise<void> {
    try {
      const found = findDurabilityProblem(await this.inTime(this.producer.info()));
      this.problem = found && `Redis at ${this.name} ${found}`;
      this.isUnfit = found !== undefined;
      if (found !== undefined) this.options.log.error({ problem: this.problem }, 'requests cannot run later');
    } catch (error) {
      this.goDown(error instanceof Error ? error.message : String(error));
    }
    this.checkedFirst();
  }

  private goDown(reason: string): void {
    this.problem = `Redis at ${this.name} cannot be used for requests that run later (${reason})`;
    this.checkedFirst();
  }

  private requireRedis(): void {
    if (this.problem !== undefined) throw new Error(this.problem);
  }

  private inTime<T>(answer: Promise<T>): Promise<T> {
    const late = (): Promise<T> =>
      Promise.reject(new Error(`Redis at ${this.name} does not answer within ${COMMAND_MS} ms`));
    return withinTime<T | Promise<T>>(answer, COMMAND_MS, this.options.clock, late) as Promise<T>;
  }

  /** Counts all jobs, and takes out results that are old: BullMQ does so only when another job ends. */
  private async look(): Promise<void> {
    if (this.problem !== undefined) return;
    try {
      const {
        waiting = 0,
        active = 0,
        delayed = 0,
        completed = 0,
        failed = 0,
      } = await this.queue.getJobCounts('waiting', 'active', 'delayed', 'completed', 'failed');
      this.counts = { queued: waiting, running: active, retrying: delayed, done: completed, failed };
      for (const state of ['completed', 'failed'] as const)
        await this.queue.clean(this.options.resultsMs, CLEAN_AT_A_TIME, state);
    } catch {
      // They are counted again soon.
    }
  }
}

async function importBullmq(): Promise<typeof import('bullmq')> {
  try {
    return await import('bullmq');
  } catch (cause) {
    throw new Error('respond-async needs the package bullmq — run: npm install bullmq@6', { cause });
  }
}
