import { randomBytes } from 'node:crypto';
import type { GatewayConfig } from '../config/schema/schema.ts';
import { systemClock } from '../core/clock.ts';
import type {
  GatewayControl,
  GatewayDescription,
  GatewayState,
  PurgeResult,
  Readiness,
  ReloadResult,
} from '../core/control.ts';
import type { ApiKeyAdministration } from '../core/identity/api-keys.ts';
import type { Purge } from '../core/stores/cache-store.ts';
import { purgeAsWritten } from '../gateway/cache/gateway-cache.ts';
import type { RunOptions } from '../gateway/gateway.ts';
import { Life, type Service } from '../gateway/life/life.ts';
import { Reloads } from '../gateway/life/reloads.ts';
import type { LoadedConfig } from '../gateway/load-configuration.ts';
import { createGatewayKeys } from '../gateway/open-api-keys.ts';
import { createMemoryIdempotency, type GatewayIdempotency } from '../gateway/stores/gateway-idempotency.ts';
import { createMemoryLimits, type GatewayLimits } from '../gateway/stores/gateway-limits.ts';
import type { DrainTimes } from '../gateway/worker-role.ts';
import type { GatewayKeys } from '../keys/gateway-keys.ts';
import type { AreaLog } from '../observability/log.ts';
import type { LogDestination } from '../observability/log-destination.ts';
import { Logs } from '../observability/logs.ts';
import { createMetrics, type GatewayMetrics } from '../observability/metrics.ts';
import { SelfWatch } from '../observability/self-watch.ts';
import { VERSION } from '../version.ts';
import { type CodeKeys, isCodeChanged, readCodeKeys } from './code-keys.ts';
import { HandOver } from './hand-over.ts';
import { mergeDescriptions } from './merge-descriptions.ts';
import { MergedMetrics } from './merged-metrics.ts';
import { purgeAll } from './purge-workers.ts';
import { SharedPorts } from './shared-ports.ts';
import type { MetricsText } from './worker-contract.ts';
import { WorkerPool } from './worker-pool.ts';
import type { SharedConfig, WorkerProcess } from './worker-process.ts';

export interface SupervisorOptions extends RunOptions {
  readonly configFile: string;
  /** How many processes serve. */
  readonly workers: number;
  /** How long an event loop may stand still before its worker is killed and replaced. Default: 10 seconds. */
  readonly stalledAfterMs?: number;
}

const STALLED_AFTER_MS = 10_000;
/** How long connections that were accepted may wait for a worker at the end. */
const SETTLE_MS = 500;

/**
 * Runs a gateway in several processes on the same ports, and speaks for all of them: it owns the configuration, the
 * ports for operators and the metrics, and replaces workers that end.
 */
export class Supervisor implements GatewayControl, Service {
  private readonly log: AreaLog;
  private readonly logs: Logs;
  private readonly life: Life;
  private readonly reloads: Reloads;
  private readonly ownMetrics: GatewayMetrics = createMetrics({ version: VERSION });
  private readonly selfWatch: SelfWatch;
  private readonly mergedMetrics = new MergedMetrics();
  private readonly handOver: HandOver;
  private readonly ports: SharedPorts;
  private readonly pool: WorkerPool;
  private readonly keys: GatewayKeys;
  private readonly limits: GatewayLimits;
  private readonly idempotency: GatewayIdempotency;
  private current: SharedConfig;
  private code: CodeKeys = new Map();
  private rendering: Promise<MetricsText> | undefined = undefined;

  constructor(options: SupervisorOptions, loaded: LoadedConfig, destination: LogDestination) {
    const { configFile, watch = true, logLevel, clock = systemClock } = options;
    this.current = { version: 1, config: loaded.config, ports: [] };
    this.logs = new Logs({ logs: loaded.config.logs, logLevel, destination, clock });
    this.log = this.logs.log;
    this.ownMetrics.setConfigVersion(1);
    this.ownMetrics.watchDroppedLogLines(() => destination.droppedLines);
    this.selfWatch = new SelfWatch({ clock, log: this.log, metrics: this.ownMetrics, destination });
    const services = { log: this.log, clock, metrics: this.ownMetrics, random: Math.random };
    // With Redis the workers never ask for it.
    this.limits = createMemoryLimits({ ...services, log: this.log.of('limits') });
    this.idempotency = createMemoryIdempotency(loaded.config.idempotencyKey.memory, services);
    this.keys = createGatewayKeys(loaded.config, { ...services, log: this.log.of('keys') });
    this.handOver = new HandOver(clock, this.ownMetrics);
    this.ports = new SharedPorts(this.handOver, { ...services, log: this.log.of('listeners') });
    this.pool = new WorkerPool({
      count: options.workers,
      setup: { configFile, logLevel, ticketSecret: randomBytes(32) },
      clock,
      log: this.log.of('workers'),
      destination,
      metrics: this.ownMetrics,
      limits: this.limits.store,
      once: this.limits.once,
      idempotency: this.idempotency.store,
      handOver: this.handOver,
      stalledAfterMs: options.stalledAfterMs ?? STALLED_AFTER_MS,
      current: () => this.current,
      onMetricsOfEnded: (text) => this.mergedMetrics.keep(text),
    });
    this.life = new Life({
      service: this,
      control: this,
      watched: watch ? loaded.file : undefined,
      isWorker: false,
      clock,
      log: this.log,
      destination,
    });
    this.reloads = new Reloads({
      loaded,
      life: this.life,
      log: this.log,
      metrics: this.ownMetrics,
      running: () => this.current,
      takeUp: ({ config }, version) => this.pool.runInOrder(() => this.takeUp(config, version)),
    });
  }

  get state(): GatewayState {
    return this.life.state;
  }

  /** The configuration that all workers run. */
  get config(): GatewayConfig {
    return this.current.config;
  }

  /** Starts all workers. Rejects, with nothing left open and no process left, when something cannot be had. */
  start(): Promise<void> {
    process.title = 'sallyport: supervisor';
    return this.life.start(() => void this.reload());
  }

  /** Has all workers take up the configuration file as it is now, or none, and says why. One runs, and one waits for all who ask meanwhile. */
  reload(): Promise<ReloadResult> {
    return this.reloads.reload();
  }

  /** Drains: not ready, then no new connections, then the end of what is under way in all workers. */
  close(times: DrainTimes = {}): Promise<void> {
    return this.life.close(times);
  }

  /** Ends all workers at once. */
  kill(): void {
    this.pool.kill();
  }

  readiness(): Readiness {
    const { serving, count } = this.pool;
    const details: string[] = [];
    const isReady = this.state === 'ready' && serving.length > 0;
    if (this.state !== 'ready') details.push(`the gateway is ${this.state}`);
    details.push(...this.reloads.problems);
    if (serving.length < count) details.push(`${serving.length} of ${count} workers serve`);
    details.push(
      ...this.selfWatch.problems,
      ...this.ports.problems,
      ...this.limits.problems(),
      ...this.idempotency.problems(),
      ...this.keys.problems(),
    );
    return {
      isReady,
      details: [...new Set([...details, ...serving.flatMap((each) => each.readiness.details)])],
    };
  }

  /** Two scrapes at a time read the same, since each asks all workers. */
  metrics(): Promise<MetricsText> {
    this.rendering ??= this.renderMetrics().finally(() => {
      this.rendering = undefined;
    });
    return this.rendering;
  }

  async describe(): Promise<GatewayDescription> {
    const all = await this.queryAll(this.pool.serving, (worker) => worker.channel.call('describe'));
    return { ...mergeDescriptions(all), version: this.current.version };
  }

  /** All workers read the same counters. */
  async readQuotas(keys: readonly string[]): Promise<readonly object[]> {
    return (await this.pool.serving[0]?.channel.call('readQuotas', keys)) ?? [];
  }

  /** Each worker has a store of its own. Those that drain still serve from it. */
  purgeCache(written: Purge): Promise<PurgeResult> {
    return purgeAsWritten(written, (purge) => purgeAll(this.pool.started, purge));
  }

  /** All workers share the store. What is taken from a key holds in all of them before the change is answered. */
  async administerKeys(): Promise<ApiKeyAdministration> {
    const keys = await this.keys.administer();
    const told = async <Result>(change: Promise<Result>): Promise<Result> => {
      const result = await change;
      await Promise.all(this.pool.started.map((worker) => worker.refreshKeys()));
      return result;
    };
    return {
      ...keys,
      change: (id, change) => told(keys.change(id, change)),
      rotate: (id, graceMs) => told(keys.rotate(id, graceMs)),
      delete: (id) => told(keys.delete(id)),
    };
  }

  private async renderMetrics(): Promise<MetricsText> {
    const own = await this.ownMetrics.render();
    // Those that drain still count.
    await this.queryAll(this.pool.started, async (worker) => {
      worker.lastMetrics = (await worker.channel.call('metrics')).text;
    });
    const text = await this.mergedMetrics.render(() => [
      own.text,
      ...this.pool.started.flatMap(({ lastMetrics }) => lastMetrics ?? []),
    ]);
    return { contentType: own.contentType, text };
  }

  /** Asks several workers. One that ends meanwhile or does not respond before the timeout is left out. */
  private async queryAll<GatewayResponse>(
    workers: readonly WorkerProcess[],
    ask: (worker: WorkerProcess) => Promise<GatewayResponse>,
  ): Promise<GatewayResponse[]> {
    const responses = await Promise.allSettled(workers.map(ask));
    return responses.flatMap((response) => (response.status === 'fulfilled' ? [response.value] : []));
  }

  /** Gives a configuration to all workers, or rejects and leaves them as they are. */
  private async takeUp(config: GatewayConfig, version: number): Promise<void> {
    await this.prepareLimits(config);
    const code = await readCodeKeys(config);
    const { ports, commit, discard } = await this.ports.prepare(config.listeners);
    const next = { version, config, ports };
    const putInForce = (): void => {
      this.putInForce(next);
      commit();
    };
    const areReplaced = isCodeChanged(this.code, code) || this.pool.serving.length === 0;
    try {
      if (areReplaced) await this.replaceAll(next, putInForce);
      else await this.switchAll(next, putInForce);
    } catch (error) {
      if (this.current !== next) await discard();
      throw error;
    }
    this.code = areReplaced ? code : new Map([...this.code, ...code]);
    this.mergedMetrics.forgetRoutesBut(new Set([...config.routes.map(({ id }) => id), '_unmatched']));
  }

  private replaceAll(next: SharedConfig, putInForce: () => void): Promise<void> {
    this.log.info({}, 'code has changed; the workers are replaced one by one');
    return this.pool.replaceAll(next, putInForce);
  }

  private async prepareLimits(config: GatewayConfig): Promise<void> {
    if (config.redis === undefined) await this.limits.prepare(config);
  }

  /**
   * Changes the workers that run.
   *
   * 1. One prepares: what it cannot make, or dies of, costs no other.
   * 2. The others prepare.
   * 3. All commit, which cannot fail.
   */
  private async switchAll(next: SharedConfig, putInForce: () => void): Promise<void> {
    const workers = this.pool.serving;
    const [first, ...others] = workers as [WorkerProcess, ...WorkerProcess[]];
    try {
      // 1.
      await first.prepare(next);
      // 2.
      await Promise.all(others.map((worker) => prepareIfAlive(worker, next)));
      if (this.state !== 'ready') throw new Error(`the gateway is ${this.state}`);
    } catch (error) {
      await Promise.all(workers.map((worker) => worker.discard()));
      throw error;
    }
    // 3.
    putInForce();
    const committed = workers.map((worker) => worker.commit(next));
    this.handOver.resume();
    await Promise.all(committed);
  }

  /** From here on, workers that are started get it. */
  private putInForce(shared: SharedConfig): void {
    this.current = shared;
    this.logs.use(shared.config.logs);
    this.ownMetrics.setConfigVersion(shared.version);
  }

  /** @internal What `start` does between the beginning and the end of its life. */
  async open(): Promise<object> {
    this.code = await readCodeKeys(this.config);
    await this.prepareLimits(this.config);
    const { ports, commit } = await this.ports.prepare(this.config.listeners);
    commit();
    this.current = { ...this.current, ports };
    await this.pool.runInOrder(() => this.pool.start());
    return { ports: ports.map(({ port }) => port), version: VERSION, workers: this.pool.count };
  }

  /** @internal */
  hasOpenPorts(): boolean {
    return this.ports.open.length > 0 && this.pool.serving.length > 0;
  }

  /** @internal */
  async finish({ gracePeriodMs }: DrainTimes): Promise<void> {
    this.ports.stopAccepting();
    await this.handOver.settle(SETTLE_MS);
    await this.pool.drain(gracePeriodMs);
  }

  /** @internal */
  async free(): Promise<void> {
    this.pool.kill();
    this.ports.stopAccepting();
    this.handOver.close();
    await Promise.all([this.keys.close(), this.limits.close(), this.idempotency.close()]);
    this.selfWatch.close();
    this.ownMetrics.close();
  }
}

/** One that ends meanwhile costs no more than itself: the next one in its place starts with `next`. */
async function prepareIfAlive(worker: WorkerProcess, next: SharedConfig): Promise<void> {
  try {
    await worker.prepare(next);
  } catch (error) {
    if (!worker.hasEnded) throw error;
  }
}
