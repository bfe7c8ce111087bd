import { randomBytes } from 'node:crypto';
import type { OperatorServer } from '../admin/http-app.ts';
import { formatProblem } from '../config/problem.ts';
import type { GatewayConfig } from '../config/schema/schema.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import type {
  GatewayControl,
  GatewayDescription,
  GatewayState,
  Readiness,
  ReloadResult,
} from '../core/control.ts';
import type { ApiKeyAdministration } from '../core/identity/api-keys.ts';
import type { Log } from '../core/services.ts';
import { watchConfigFile } from '../gateway/config-watch.ts';
import type { GatewayOptions } from '../gateway/gateway.ts';
import { createMemoryLimits, type GatewayLimits } from '../gateway/gateway-limits.ts';
import type { LoadedConfig } from '../gateway/load-configuration.ts';
import { createGatewayKeys } from '../gateway/open-api-keys.ts';
import { openOperatorPorts } from '../gateway/operator-ports.ts';
import { findLateSettings, keepLateSettings, loadBeside } from '../gateway/reload-config.ts';
import type { GatewayKeys } from '../keys/gateway-keys.ts';
import { createLog } from '../observability/log.ts';
import type { LogDestination } from '../observability/log-destination.ts';
import { createMetrics, type GatewayMetrics } from '../observability/metrics.ts';
import { VERSION } from '../version.ts';
import { type CodeKeys, isCodeChanged, readCodeKeys } from './code-keys.ts';
import { Crew } from './crew.ts';
import { HandOver } from './hand-over.ts';
import { mergeDescriptions } from './merge-descriptions.ts';
import { MergedMetrics } from './merged-metrics.ts';
import { SharedPorts } from './shared-ports.ts';
import type { MetricsText } from './worker-contract.ts';
import type { SharedConfig, WorkerProcess } from './worker-process.ts';

export interface SupervisorOptions extends GatewayOptions {
  /** How many processes serve. */
  readonly workers: number;
  /** How long an event loop may stand still before its worker is killed and replaced. Default: 10 seconds. */
  readonly hungAfterMs?: number;
}

const HUNG_AFTER_MS = 10_000;
/** How long connections that were accepted may wait for a worker at the end. */
const SETTLE_MS = 1000;

/**
 * Runs a gateway in several processes on the same ports, and speaks for all of them: it owns the configuration, the
 * ports for operators and the metrics, and replaces workers that end.
 */
export class Supervisor implements GatewayControl {
  private readonly options: SupervisorOptions;
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly destination: LogDestination;
  private readonly ownMetrics: GatewayMetrics = createMetrics({ version: VERSION });
  private readonly mergedMetrics = new MergedMetrics();
  private readonly handOver: HandOver;
  private readonly ports: SharedPorts;
  private readonly crew: Crew;
  private readonly keys: GatewayKeys;
  private readonly limits: GatewayLimits;
  private readonly loaded: LoadedConfig;
  private current: SharedConfig;
  private code: CodeKeys = new Map();
  private currentState: GatewayState = 'starting';
  private closing: Promise<void> | undefined = undefined;
  private rendering: Promise<MetricsText> | undefined = undefined;
  private stopWatching: () => void = () => {};
  private operatorServers: OperatorServer[] = [];
  private isReloadRefused = false;

  constructor(options: SupervisorOptions, loaded: LoadedConfig, destination: LogDestination) {
    const { configFile, logLevel = 'info', clock = systemClock } = options;
    this.options = options;
    this.loaded = loaded;
    this.current = { version: 1, config: loaded.config, ports: [] };
    this.clock = clock;
    this.destination = destination;
    this.log = createLog({ level: logLevel, destination });
    this.ownMetrics.setConfigVersion(1);
    this.ownMetrics.watchDroppedLogLines(() => destination.droppedLines);
    const services = { log: this.log, clock, metrics: this.ownMetrics, random: Math.random };
    // With Redis the workers never ask for it.
    this.limits = createMemoryLimits(services);
    this.keys = createGatewayKeys(loaded.config, services);
    this.handOver = new HandOver(clock, this.ownMetrics);
    this.ports = new SharedPorts(this.handOver, this.log);
    this.crew = new Crew({
      count: options.workers,
      setup: { configFile, logLevel, ticketSecret: randomBytes(32) },
      clock,
      log: this.log,
      destination,
      metrics: this.ownMetrics,
      limits: this.limits.store,
      once: this.limits.once,
      handOver: this.handOver,
      hungAfterMs: options.hungAfterMs ?? HUNG_AFTER_MS,
      current: () => this.current,
      onMetricsOfEnded: (text) => this.mergedMetrics.keep(text),
    });
  }

  get state(): GatewayState {
    return this.currentState;
  }

  /** Starts all workers. Rejects, with nothing left open and no process left, when something cannot be had. */
  async start(): Promise<void> {
    process.title = 'sallyport: supervisor';
    try {
      this.code = await readCodeKeys(this.current.config);
      await this.prepareLimits(this.current.config);
      const { ports, commit } = await this.ports.prepare(this.current.config.listeners);
      commit();
      this.current = { ...this.current, ports };
      await this.crew.inTurn(() => this.crew.start());
      this.operatorServers = await openOperatorPorts(this.current.config, this, this.log);
    } catch (error) {
      if (this.closing !== undefined) return this.closing;
      this.crew.kill();
      await this.abandon();
      throw error;
    }
    if (this.closing !== undefined) return this.closing.then(() => this.abandon());
    this.currentState = 'ready';
    const { configFile, watch } = this.options;
    if (watch !== false)
      this.stopWatching = watchConfigFile(
        configFile,
        this.loaded.contentKey,
        this.clock,
        () => void this.reload(),
      );
    const ports = this.current.ports.map(({ port }) => port);
    this.log.info({ ports, version: VERSION, workers: this.crew.count }, 'gateway started');
  }

  /** Has all workers take up the configuration file as it is now, or none, and says why. One at a time. */
  reload(): Promise<ReloadResult> {
    return this.crew.inTurn(() => this.reloadNow());
  }

  /** Drains: not ready, then no new connections, then the end of what is under way in all workers. */
  close(): Promise<void> {
    this.closing ??= this.drain();
    return this.closing;
  }

  /** Ends all workers at once. */
  kill(): void {
    this.crew.kill();
  }

  readiness(): Readiness {
    const { serving, count } = this.crew;
    const details: string[] = [];
    const isReady = this.currentState === 'ready' && serving.length > 0;
    if (this.currentState !== 'ready') details.push(`the gateway is ${this.currentState}`);
    if (this.isReloadRefused) details.push('the last reload was refused; the configuration before it runs');
    if (serving.length < count) details.push(`${serving.length} of ${count} workers serve`);
    details.push(...this.limits.troubles(), ...this.keys.troubles());
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
    const all = await this.askAll(this.crew.serving, (worker) => worker.channel.call('describe'));
    return { ...mergeDescriptions(all), version: this.current.version };
  }

  /** All workers read the same counters. */
  async readQuotas(keys: readonly string[]): Promise<readonly object[]> {
    return (await this.crew.serving[0]?.channel.call('readQuotas', keys)) ?? [];
  }

  /** All workers share the store. What is taken from a key holds in all of them before the change is answered. */
  async administerKeys(): Promise<ApiKeyAdministration> {
    const keys = await this.keys.administer();
    const told = async <Result>(change: Promise<Result>): Promise<Result> => {
      const result = await change;
      await Promise.all(this.crew.started.map((worker) => worker.refreshKeys()));
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
    await this.askAll(this.crew.started, async (worker) => {
      worker.lastMetrics = (await worker.channel.call('metrics')).text;
    });
    const text = await this.mergedMetrics.render(() => [
      own.text,
      ...this.crew.started.flatMap(({ lastMetrics }) => lastMetrics ?? []),
    ]);
    return { contentType: own.contentType, text };
  }

  /** Asks several workers. One that ends meanwhile or does not answer in time is left out. */
  private async askAll<Answer>(
    workers: readonly WorkerProcess[],
    ask: (worker: WorkerProcess) => Promise<Answer>,
  ): Promise<Answer[]> {
    const answers = await Promise.allSettled(workers.map(ask));
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  }

  private async reloadNow(): Promise<ReloadResult> {
    if (this.currentState !== 'ready')
      return { ok: false, problems: [`the gateway is ${this.currentState}`] };
    const former = this.current.config;
    try {
      const loaded = await loadBeside(this.options.configFile, this.options.env ?? process.env);
      if (!loaded.ok) return this.refuseReload(loaded.problems.map(formatProblem));
      const settings = findLateSettings(former, loaded.config);
      // A worker that is started later must not have another store than those that run.
      const config = keepLateSettings(former, loaded.config);
      await this.takeUp(config);
      if (settings.length > 0)
        this.log.warn({ settings }, 'some changed settings take effect at the next start');
    } catch (error) {
      return this.refuseReload([error instanceof Error ? error.message : String(error)]);
    }
    const { version, config } = this.current;
    this.isReloadRefused = false;
    this.ownMetrics.configReloaded('success');
    this.mergedMetrics.forgetRoutesBut(new Set([...config.routes.map(({ id }) => id), '_unmatched']));
    this.log.info({ version }, 'configuration reloaded');
    return { ok: true, version };
  }

  private refuseReload(problems: readonly string[]): ReloadResult {
    this.isReloadRefused = true;
    this.ownMetrics.configReloaded('failure');
    this.log.error({ problems }, 'the configuration was not reloaded; the one before it goes on');
    return { ok: false, problems };
  }

  /** Gives a configuration to all workers, or rejects and leaves them as they are. */
  private async takeUp(config: GatewayConfig): Promise<void> {
    await this.prepareLimits(config);
    const code = await readCodeKeys(config);
    const { ports, commit, discard } = await this.ports.prepare(config.listeners);
    const next = { version: this.current.version + 1, config, ports };
    const putInForce = (): void => {
      this.putInForce(next);
      commit();
    };
    const areReplaced = isCodeChanged(this.code, code) || this.crew.serving.length === 0;
    try {
      if (areReplaced) await this.replaceAll(next, putInForce);
      else await this.switchAll(next, putInForce);
    } catch (error) {
      if (this.current !== next) await discard();
      throw error;
    }
    this.code = areReplaced ? code : new Map([...this.code, ...code]);
  }

  private replaceAll(next: SharedConfig, putInForce: () => void): Promise<void> {
    this.log.info({}, 'code has changed; the workers are replaced one by one');
    return this.crew.replaceAll(next, putInForce);
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
    const workers = this.crew.serving;
    const [first, ...others] = workers as [WorkerProcess, ...WorkerProcess[]];
    try {
      // 1.
      await first.prepare(next);
      // 2.
      const outcomes = await Promise.allSettled(others.map((worker) => worker.prepare(next)));
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
      if (this.currentState !== 'ready') throw new Error(`the gateway is ${this.currentState}`);
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
    this.ownMetrics.setConfigVersion(shared.version);
  }

  private async drain(): Promise<void> {
    const { listeners, drain }: GatewayConfig = this.current.config;
    this.currentState = 'draining';
    this.stopWatching();
    this.log.info({}, 'draining');
    // Without an open port there is no load balancer that has to notice.
    const hasPorts = listeners.length > 0 && this.crew.serving.length > 0;
    if (hasPorts) await new Promise<void>((resolve) => setTimeout(resolve, drain.delay));
    this.ports.stopAccepting();
    await this.handOver.settle(SETTLE_MS);
    await this.crew.drain();
    await this.abandon();
    this.log.info({}, 'gateway stopped');
    await this.destination.close();
  }

  private async abandon(): Promise<void> {
    this.currentState = 'closed';
    this.ports.stopAccepting();
    this.handOver.close();
    await Promise.all(this.operatorServers.splice(0).map((server) => server.close()));
    await Promise.all([this.keys.close(), this.limits.close()]);
    this.ownMetrics.close();
  }
}
