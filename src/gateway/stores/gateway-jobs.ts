import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { findOrMakeSecret } from '../../config/key-material/secret-file.ts';
import type { GatewayConfig, PolicyEntry } from '../../config/schema/schema.ts';
import type { Services } from '../../core/services.ts';
import type { AsyncJobs } from '../../core/stores/async-jobs.ts';
import type { BullJobs, BullJobsOptions, JobCounts, RunJob } from '../../stores/jobs/bull-jobs.ts';
import type { GatewayStore } from './gateway-store.ts';

type JobsConfig = Pick<GatewayConfig, 'redis' | 'respondAsync' | 'dataDir'>;

const STATES: readonly (keyof JobCounts)[] = ['queued', 'running', 'retrying', 'done', 'failed'];

/** The requests of a gateway that run later, which outlive its Snapshots, and the process. */
export class GatewayJobs implements GatewayStore {
  readonly store: AsyncJobs;
  /** Runs a job, which needs a Snapshot. Set by the gateway. */
  run: RunJob = () => Promise.resolve({ kind: 'interrupted' });
  private readonly config: JobsConfig;
  private readonly services: Pick<Services, 'clock' | 'log' | 'metrics' | 'random'>;
  private opened: BullJobs | undefined = undefined;
  private stopMeasuring: readonly (() => void)[] = [];

  constructor(config: JobsConfig, services: Pick<Services, 'clock' | 'log' | 'metrics' | 'random'>) {
    this.config = config;
    this.services = services;
    this.store = {
      add: async (...args) => this.jobs.add(...args),
      find: async (...args) => this.jobs.find(...args),
      allowsWebhook: (url) => this.jobs.allowsWebhook(url),
    };
  }

  /** A Redis that is away keeps no gateway from starting; one that would lose what it stores does. */
  async prepare(config: GatewayConfig): Promise<void> {
    const { redis, respondAsync } = this.config;
    if (this.opened !== undefined || redis === undefined || !usesJobs(config)) return;
    const { BullJobs } = await import('../../stores/jobs/bull-jobs.ts');
    const { clock, log, random, metrics } = this.services;
    const opened = await BullJobs.open({
      ...{ config: redis, clock, log, random, metrics },
      webhooks: await this.findWebhooks(),
      resultsMs: respondAsync.results,
      concurrency: respondAsync.concurrency,
      run: (job) => this.run(job),
    });
    await opened.firstCheck;
    if (opened.isUnfit) {
      await opened.close();
      throw new Error(`respond-async: ${opened.problem}`);
    }
    this.opened = opened;
    const help = 'Requests that run later, by their state, in all gateways that share Redis.';
    this.stopMeasuring = STATES.map((state) =>
      metrics.gauge('gateway_async_jobs', help, { state }, () => opened.counts[state]),
    );
  }

  /** Begins to run jobs, as there is a Snapshot to run them on. */
  start(): void {
    this.opened?.start();
  }

  problems(): readonly string[] {
    const problem = this.opened?.problem;
    return problem === undefined ? [] : [`${problem}; requests that are to run later: 503`];
  }

  /** Takes no more jobs. */
  stopTaking(): void {
    this.opened?.drain().catch(() => {});
  }

  async close(): Promise<void> {
    for (const stop of this.stopMeasuring) stop();
    await this.opened?.close();
  }

  private async findWebhooks(): Promise<BullJobsOptions['webhooks']> {
    const { webhooks, webhookSecret, privateWebhooks } = this.config.respondAsync;
    if (webhooks.length === 0) return undefined;
    const file = path.join(this.config.dataDir, 'webhook-secret');
    const secret =
      webhookSecret ??
      (await findOrMakeSecret(
        {
          file,
          what: 'a secret for webhooks',
          make: () => `whsec_${randomBytes(32).toString('base64')}`,
          remedy: 'make dataDir a folder that this user may write to, or set respondAsync.webhookSecret',
          remedyForContent: 'delete it, or set respondAsync.webhookSecret',
          remedyForRights: 'its rights are taken away; make another one if others may have read it',
        },
        this.services.log,
      ));
    const origins = webhooks.map((written) => new URL(written).origin);
    return { origins, settings: { secret, allowsPrivate: privateWebhooks } };
  }

  private get jobs(): BullJobs {
    if (this.opened === undefined) throw new TypeError('there is no queue');
    return this.opened;
  }
}

function usesJobs({ policies, routes }: Pick<GatewayConfig, 'policies' | 'routes'>): boolean {
  const isUse = ({ name }: PolicyEntry): boolean => name === 'respond-async';
  return policies.some(isUse) || routes.some((route) => route.policies.some(isUse));
}
