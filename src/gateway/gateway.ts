import type { GatewayConfig } from '../config/schema/schema.ts';
import { BufferBudget } from '../core/buffer-budget.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import type {
  GatewayControl,
  GatewayDescription,
  GatewayState,
  PurgeResult,
  Readiness,
  ReloadResult,
} from '../core/control.ts';
import type { GatewayError } from '../core/errors.ts';
import type { ApiKeyAdministration } from '../core/identity/api-keys.ts';
import type { ClientInfo, ClientRequest, ClientSink, Reply } from '../core/message.ts';
import { problemReply } from '../core/problem.ts';
import { newRequestId } from '../core/request-id.ts';
import { SharedResources } from '../core/shared-resources.ts';
import type { Purge, PurgeReach } from '../core/stores/cache-store.ts';
import type { LimitStore } from '../core/stores/limit-store.ts';
import { Deadlines } from '../http1/deadlines.ts';
import type { AreaLog, LogLevel } from '../observability/log.ts';
import type { LogDestination } from '../observability/log-destination.ts';
import { Logs } from '../observability/logs.ts';
import { createMetrics, type GatewayMetrics } from '../observability/metrics.ts';
import { SelfWatch } from '../observability/self-watch.ts';
import type { HandedPort } from '../server/connection-source.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import { VERSION } from '../version.ts';
import type { AuthService } from './auth-service.ts';
import type { GatewayInput } from './define-gateway.ts';
import { describeSnapshot, snapshotProblems } from './describe-snapshot.ts';
import { createServices, type GatewayServices } from './gateway-services.ts';
import { Life, type Service } from './life/life.ts';
import { Reloads } from './life/reloads.ts';
import { Listeners, servingRules } from './listeners.ts';
import type { ConfigToPrepare, LoadedConfig } from './load-configuration.ts';
import { handleRequest } from './request/handle-request.ts';
import type { ListenerRules, RequestContext } from './request/request-context.ts';
import { runJob } from './request/run-job.ts';
import { OpenReplies } from './request/run-rest.ts';
import { RequestsAsValues, type ServingRules } from './requests-as-values.ts';
import { RunningConfig } from './running-config.ts';
import { useIdempotency } from './stores/gateway-idempotency.ts';
import { useLimits } from './stores/gateway-limits.ts';
import type { DrainTimes, PreparedConfig, WorkerRole } from './worker-role.ts';

/** How a gateway runs, whatever its configuration says. */
export interface RunOptions {
  /** The least weight of a log line, whatever `logs` in the configuration says. Default: what it says. */
  readonly logLevel?: LogLevel | undefined;
  /** Whether a changed configuration file is taken up by itself. Default: true. */
  readonly watch?: boolean;
  /** Where log lines go. Default: standard output. */
  readonly logDestination?: LogDestination;
  /** Where time comes from, for tests of what takes long. Default: the machine. */
  readonly clock?: Clock;
}

const BUFFERED_HELP = 'Bytes of bodies that are buffered for slow clients, retries and policies.';

/** An API gateway: listens, handles requests, changes its configuration under way. */
export class Gateway extends RequestsAsValues implements GatewayControl, Service {
  protected readonly clock: Clock;
  private readonly log: AreaLog;
  private readonly requestContext: RequestContext;
  private readonly selfWatch: SelfWatch;
  private readonly ownMetrics: GatewayMetrics = createMetrics({ version: VERSION });
  private readonly deadlines: Deadlines;
  private readonly services: GatewayServices;
  private readonly listeners: Listeners;
  private readonly current: RunningConfig;
  private readonly life: Life;
  private readonly reloads: Reloads;
  private readonly role: WorkerRole | undefined;
  private readonly loaded: LoadedConfig;

  constructor(options: RunOptions, loaded: LoadedConfig, destination: LogDestination, role?: WorkerRole) {
    super();
    const { watch = true, logLevel } = options;
    this.clock = options.clock ?? systemClock;
    this.deadlines = new Deadlines(this.clock);
    this.role = role;
    this.loaded = loaded;
    const logs = new Logs({ logs: loaded.config.logs, logLevel, destination, clock: this.clock });
    this.log = logs.log;
    this.requestContext = { clock: this.clock, ...logs.parts, detached: new OpenReplies() };
    const { clock, log, deadlines, ownMetrics: metrics } = this;
    const kept = new SharedResources();
    this.services = createServices({
      configFolder: loaded.folder,
      config: loaded.config,
      kept,
      log,
      clock,
      metrics,
      limits: role?.limits && role.once && useLimits(role.limits, role.once),
      idempotency: role?.idempotency && useIdempotency(role.idempotency),
      spreadPurge: role?.spreadPurge,
    });
    const { services } = this;
    services.gatewayJobs.run = (job) => runJob(job, this.running, this.requestContext);
    const { descriptors, targetConnections, snapshots } = services;
    this.listeners = new Listeners({
      services: { ...services, log: log.of('listeners') },
      descriptors,
      clock,
      deadlines,
      ticketSecret: role?.ticketSecret,
      handle: (request, client, rules) => this.handle(request, client, rules),
      reject: (error, client) => this.reject(error, client),
    });
    const { listeners } = this;
    this.selfWatch = new SelfWatch({ clock, log, metrics, destination, watchesClock: role === undefined });
    const budget = new BufferBudget();
    metrics.gauge('gateway_buffered_bytes', BUFFERED_HELP, {}, () => budget.used);
    this.current = new RunningConfig({
      loaded,
      context: { services, clock, log, metrics, deadlines, kept, budget, targetConnections, snapshots },
      listeners,
      prepareStores: (config) => Promise.all(services.stores.map((store) => store.prepare(config))),
      logs,
      onVersion: (version) => this.takeVersion(version),
      check: () => this.rejectWhenStopping(),
    });
    this.life = new Life({
      service: this,
      control: this,
      watched: watch && role === undefined ? loaded.file : undefined,
      isWorker: role !== undefined,
      clock,
      log,
      destination,
    });
    this.reloads = this.createReloads();
    this.watchMetrics(destination);
  }

  private createReloads(): Reloads {
    const { loaded, life, log, ownMetrics: metrics } = this;
    return new Reloads({
      loaded,
      life,
      log,
      metrics,
      running: () => ({ version: this.running.version, config: this.config }),
      takeUp: async (next, version) => (await this.prepare(next, version)).commit(),
    });
  }

  /** Where it stands in its life. */
  get state(): GatewayState {
    return this.life.state;
  }

  /** The configuration that runs. */
  get config(): GatewayConfig {
    return this.current.config;
  }

  /** The ports that are open, in the order of `listeners`. */
  get ports(): readonly number[] {
    return this.listeners.ports;
  }

  /** The ports for operators: `admin`, then `status` if there is one. */
  get operatorPorts(): readonly number[] {
    return this.life.operatorPorts;
  }

  /**
   * Builds the first Snapshot and opens all ports. Rejects, with nothing left open, when a part cannot be made.
   * Closed meanwhile, it resolves with nothing left open.
   */
  start(): Promise<void> {
    return this.life.start(() => void this.reload());
  }

  /**
   * Takes up the configuration as it is now, or changes nothing and says why: the file, or where it is a value, that value
   * with all that it refers to, or `config` in its place. One runs, and one waits for all who ask meanwhile. Rejects with a
   * `TypeError` where a value is given for a file.
   */
  async reload(config?: GatewayInput): Promise<ReloadResult> {
    if (config !== undefined) {
      const { replace } = this.loaded;
      if (replace === undefined)
        throw new TypeError('this gateway has a configuration file; change the file, and call reload()');
      replace(config);
    }
    return this.reloads.reload();
  }

  /**
   * @internal Makes a configuration ready, of which `commit` then is the rest of a reload. For a supervisor, which has all its
   * workers prepare before any commits. Rejects, with nothing changed, when a part cannot be made.
   */
  prepare(next: ConfigToPrepare, version: number, handed?: readonly HandedPort[]): Promise<PreparedConfig> {
    return this.current.prepare(next, version, handed);
  }

  /**
   * Drains: not ready, then no new connections, then the end of what is under way. A supervisor waits by itself until
   * load balancers have noticed, and spares idle connections for longer when another worker goes on.
   */
  close(times: DrainTimes = {}): Promise<void> {
    return this.life.close(times);
  }

  /** Tells whether it is ready for requests, and what is amiss: what `/readyz` answers by. */
  readiness(): Readiness {
    const isReady = this.state === 'ready';
    const details = isReady ? [] : [`the gateway is ${this.state}`];
    const problems = snapshotProblems(this.current.snapshotIfAny, this.services);
    return {
      isReady,
      details: [...details, ...this.reloads.problems, ...this.selfWatch.problems, ...problems],
    };
  }

  metrics(): Promise<{ readonly contentType: string; readonly text: string }> {
    return this.ownMetrics.render();
  }

  async readQuotas(keys: readonly string[]): Promise<readonly object[]> {
    return this.running.quotas.readFor(keys);
  }

  purgeCache(purge: Purge): Promise<PurgeResult> {
    return this.services.gatewayCache.purge(purge);
  }

  /** Purges in this process, for who tells the others of this gateway too, and where `isSpread`, in other gateways. */
  purgeCacheHere(purge: Purge, isSpread: boolean): Promise<PurgeReach> {
    const { gatewayCache } = this.services;
    return isSpread ? gatewayCache.purgeElsewhere(purge) : gatewayCache.purgeHere(purge);
  }

  administerKeys(): Promise<ApiKeyAdministration> {
    return this.services.apiKeys.administer();
  }

  /** Takes up what another process has changed about the API keys. */
  refreshKeys(): Promise<void> {
    return this.services.apiKeys.refresh();
  }

  async describe(): Promise<GatewayDescription> {
    return describeSnapshot(this.running);
  }

  /** Where the limits of this gateway count, for a `RateLimiter` that shares it. */
  get limits(): LimitStore {
    return this.services.gatewayLimits.store;
  }

  /** Gives one of `authServices`, also after a reload. Throws `TypeError` where there is none of that name. */
  override authService(name: string): AuthService {
    if (Object.hasOwn(this.config.authServices, name)) return super.authService(name);
    throw new TypeError(`there is no auth service '${name}'`);
  }

  /** @internal What `start` does between the beginning and the end of its life. */
  async open(): Promise<object> {
    const { version = 1, ports } = this.role ?? {};
    (await this.prepare(this.loaded, version, ports)).commit();
    return { ports: this.ports, version: VERSION };
  }

  /** @internal */
  hasOpenPorts(): boolean {
    return this.ports.length > 0;
  }

  /** @internal */
  async finish({ gracePeriodMs }: DrainTimes): Promise<void> {
    const { timeout } = this.config.drain;
    const endsAt = this.clock.monotonic() + timeout;
    this.services.gatewayJobs.stopTaking();
    await this.listeners.drain(timeout, gracePeriodMs);
    // A client may have its response already for what still runs.
    await this.requestContext.detached.settle(Math.max(0, endsAt - this.clock.monotonic()), this.clock);
  }

  /** @internal */
  async free(): Promise<void> {
    await this.listeners.drain(0);
    this.requestContext.detached.leave('GW_SHUTTING_DOWN');
    await this.current.drain();
    const { apiKeys, stores } = this.services;
    await Promise.all([apiKeys, ...stores].map((store) => store.close()));
    this.deadlines.close();
    this.selfWatch.close();
    this.ownMetrics.close();
  }

  /** A configuration is in force. */
  private takeVersion(version: number): void {
    this.ownMetrics.setConfigVersion(version);
    this.services.gatewayJobs.start();
  }

  private watchMetrics(destination: LogDestination): void {
    const { ownMetrics: metrics, services } = this;
    metrics.watchConnections('client', () => this.listeners.connectionCount);
    metrics.watchConnections('target', () => services.targetConnections.open);
    this.requestContext.detached.watch(metrics);
    metrics.watchDroppedLogLines(() => destination.droppedLines);
  }

  protected handle(request: ClientRequest, client: ClientSink, rules: ListenerRules): void {
    handleRequest(request, client, rules, this.running, this.requestContext);
  }

  /** How the first listener that does not only redirect takes requests; there need be no port for it yet. */
  protected async prepareToServe(): Promise<ServingRules> {
    if (this.state === 'closed') throw new TypeError('the gateway is closed');
    await this.current.prepareWithoutPorts();
    return servingRules(this.config.listeners);
  }

  protected get running(): Snapshot {
    return this.current.snapshot;
  }

  protected reject(error: GatewayError, client: ClientInfo): Reply {
    this.ownMetrics.requestRejected(error.code);
    const { code, message: reason } = error;
    if (this.config.accessLog)
      this.requestContext.accessLog?.malformed({ code, client: client.remoteAddress, reason });
    return problemReply(error, newRequestId(this.clock.now()));
  }

  /** A reload must not open ports behind the end of the gateway. */
  private rejectWhenStopping(): void {
    if (this.life.isStopping) throw new Error(`the gateway is ${this.state}`);
  }
}
