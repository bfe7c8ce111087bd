import type { OperatorServer } from '../admin/http-app.ts';
import { joinPolicies } from '../config/join-policies.ts';
import { formatProblem } from '../config/problem.ts';
import type { GatewayConfig } from '../config/schema/schema.ts';
import { BufferBudget } from '../core/buffer-budget.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import type {
  GatewayControl,
  GatewayDescription,
  GatewayState,
  Readiness,
  ReloadResult,
} from '../core/control.ts';
import type { GatewayError } from '../core/errors.ts';
import type { ApiKeyAdministration } from '../core/identity/api-keys.ts';
import { KeptResources } from '../core/kept-resources.ts';
import type { LimitStore } from '../core/limit-store.ts';
import type { ClientInfo, ClientRequest, ClientSink, Reply } from '../core/message.ts';
import type { Policy } from '../core/policy.ts';
import { problemReply } from '../core/problem.ts';
import { newRequestId } from '../core/request-id.ts';
import type { Log } from '../core/services.ts';
import { Deadlines } from '../http1/deadlines.ts';
import { createAccessLog } from '../observability/access-log.ts';
import { createLog, type LogLevel } from '../observability/log.ts';
import { type LogDestination, openLogDestination } from '../observability/log-destination.ts';
import { createMetrics, type GatewayMetrics } from '../observability/metrics.ts';
import { builtInPolicies } from '../policies/index.ts';
import type { HandedPort } from '../server/connection-source.ts';
import { buildSnapshot, type Snapshot } from '../snapshot/snapshot.ts';
import type { SnapshotContext } from '../snapshot/snapshot-context.ts';
import { VERSION } from '../version.ts';
import type { AuthService } from './auth-service.ts';
import { watchConfigFile } from './config-watch.ts';
import { describeSnapshot, troublesOf } from './describe-snapshot.ts';
import { useLimits } from './gateway-limits.ts';
import { createServices, type GatewayServices } from './gateway-services.ts';
import { handleRequest, type ListenerRules, type RequestContext } from './handle-request.ts';
import { Listeners, servingRules } from './listeners.ts';
import {
  type ConfigSource,
  type ConfigToPrepare,
  type LoadedConfig,
  loadConfiguration,
} from './load-configuration.ts';
import { openOperatorPorts } from './operator-ports.ts';
import { findLateSettings, loadBeside } from './reload-config.ts';
import { RequestsAsValues, type ServingRules } from './requests-as-values.ts';
import { OpenReplies } from './run-rest.ts';
import { stayAlive } from './stay-alive.ts';
import type { DrainTimes, PreparedConfig, WorkerRole } from './worker-role.ts';

export interface GatewayOptions extends ConfigSource {
  /** The least weight of a log line. Default: `info`. */
  readonly logLevel?: LogLevel;
  /** Whether a changed configuration file is taken up by itself. Default: true. */
  readonly watch?: boolean;
  /** Where log lines go. Default: standard output. */
  readonly logDestination?: LogDestination;
  /** Where time comes from, for tests of what takes long. Default: the machine. */
  readonly clock?: Clock;
}

/**
 * Makes a gateway of a configuration file. Nothing is open before `start`.
 * Rejects with a `ConfigError` that holds all problems of the file.
 */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const loaded = await loadConfiguration(options);
  return new Gateway(options, loaded, options.logDestination ?? (await openLogDestination()));
}

/** An API gateway: listens, handles requests, changes its configuration under way. */
export class Gateway extends RequestsAsValues implements GatewayControl {
  private readonly options: GatewayOptions;
  protected readonly clock: Clock;
  private readonly destination: LogDestination;
  private readonly log: Log;
  private readonly requestContext: RequestContext;
  private readonly metrics_: GatewayMetrics = createMetrics({ version: VERSION });
  private readonly deadlines: Deadlines;
  private readonly kept = new KeptResources();
  private readonly budget = new BufferBudget();
  private readonly listeners: Listeners;
  private readonly services: GatewayServices;
  private readonly loaded: LoadedConfig;
  private readonly role: WorkerRole | undefined;
  private config: GatewayConfig;
  private policies: readonly Policy[];
  private snapshot: Snapshot | undefined = undefined;
  private currentState: GatewayState = 'starting';
  private reloading: Promise<unknown> = Promise.resolve();
  private preparing: Promise<void> | undefined = undefined;
  private closing: Promise<void> | undefined = undefined;
  private stopWatching: () => void = () => {};
  private operatorServers: OperatorServer[] = [];
  private lastProblems: readonly string[] = [];

  constructor(options: GatewayOptions, loaded: LoadedConfig, destination: LogDestination, role?: WorkerRole) {
    super();
    this.options = options;
    this.clock = options.clock ?? systemClock;
    this.deadlines = new Deadlines(this.clock);
    this.role = role;
    this.config = loaded.config;
    this.loaded = loaded;
    this.policies = joinPolicies(builtInPolicies, loaded.customPolicies);
    this.destination = destination;
    const level = options.logLevel ?? 'info';
    this.log = createLog({ level, destination });
    const accessLog = createAccessLog({ destination, level, clock: this.clock });
    this.requestContext = { clock: this.clock, log: this.log, accessLog, detached: new OpenReplies() };
    const { clock, log, kept, config, metrics_: metrics } = this;
    this.services = createServices({
      configFile: options.configFile,
      config,
      kept,
      log,
      clock,
      metrics,
      limits: role?.limits && role.once && useLimits(role.limits, role.once),
    });
    this.listeners = new Listeners({
      services: this.services,
      descriptors: this.services.descriptors,
      clock: this.clock,
      deadlines: this.deadlines,
      ticketSecret: role?.ticketSecret,
      handle: (request, client, rules) => this.handle(request, client, rules),
      refuse: (error, client) => this.refuse(error, client),
    });
    this.metrics_.watchConnections('client', () => this.listeners.connectionCount);
    this.metrics_.watchConnections('target', () => this.services.targetConnections.open);
    this.requestContext.detached.watch(this.metrics_);
    this.metrics_.watchDroppedLogLines(() => destination.droppedLines);
  }

  get state(): GatewayState {
    return this.currentState;
  }

  /** The ports that are open, in the order of `listeners`. */
  get ports(): readonly number[] {
    return this.listeners.ports;
  }

  /** The ports for operators: `admin`, then `status` if there is one. */
  get operatorPorts(): readonly number[] {
    return this.operatorServers.map(({ port }) => port);
  }

  /**
   * Builds the first Snapshot and opens all ports. Rejects, with nothing left open, when a part cannot be made.
   * Closed meanwhile, it resolves with nothing left open.
   */
  async start(): Promise<void> {
    try {
      (await stayAlive(this.prepare(this.loaded, this.role?.version ?? 1, this.role?.ports))).commit();
      if (this.role === undefined)
        this.operatorServers = await openOperatorPorts(this.config, this, this.log);
    } catch (error) {
      if (this.closing !== undefined) return this.closing;
      await this.abandon();
      throw error;
    }
    if (this.closing !== undefined) return this.closing.then(() => this.abandon());
    this.currentState = 'ready';
    this.tellStage({ ports: this.ports, version: VERSION }, 'gateway started');
    if (this.role !== undefined) return;
    if (this.options.watch !== false) {
      const { configFile } = this.options;
      this.stopWatching = watchConfigFile(
        configFile,
        this.loaded.contentKey,
        this.clock,
        () => void this.reload(),
      );
    }
  }

  /** Takes up the configuration file as it is now, or changes nothing and says why. One at a time. */
  reload(): Promise<ReloadResult> {
    const turn = this.reloading.then(() => this.reloadNow());
    this.reloading = turn.catch(() => {});
    return turn;
  }

  /**
   * Makes a configuration ready, of which `commit` then is the rest of a reload. For a supervisor, which has all its
   * workers prepare before any commits. Rejects, with nothing changed, when a part cannot be made.
   */
  async prepare(
    { config, customPolicies }: ConfigToPrepare,
    version: number,
    handed?: readonly HandedPort[],
  ): Promise<PreparedConfig> {
    const former = this.snapshot;
    const policies = joinPolicies(builtInPolicies, customPolicies);
    await this.services.gatewayLimits.prepare(config);
    const snapshot = await buildSnapshot(config, version, this.snapshotContext(policies));
    // At the start the first port may be asked something while the second one is still being opened.
    this.snapshot ??= snapshot;
    try {
      const ports = await this.listeners.prepare(config.listeners, () => this.refuseWhenStopping(), handed);
      const commit = (): void => {
        this.snapshot = snapshot;
        this.config = config;
        this.policies = policies;
        ports.commit();
        this.metrics_.setConfigVersion(version);
        void former?.retire();
      };
      return { commit, discard: () => Promise.all([ports.discard(), snapshot.retire()]).then(() => {}) };
    } catch (error) {
      this.snapshot = former;
      await snapshot.retire();
      throw error;
    }
  }

  /**
   * Drains: not ready, then no new connections, then the end of what is under way. A supervisor waits by itself until
   * load balancers have noticed, and spares idle connections for longer when another worker goes on.
   */
  close(times: DrainTimes = {}): Promise<void> {
    this.closing ??= this.drain(times);
    return this.closing;
  }

  readiness(): Readiness {
    const isReady = this.currentState === 'ready';
    const details = isReady ? [] : [`the gateway is ${this.currentState}`];
    if (this.lastProblems.length > 0)
      details.push('the last reload was refused; the configuration before it runs');
    return { isReady, details: [...details, ...troublesOf(this.snapshot, this.services)] };
  }

  metrics(): Promise<{ readonly contentType: string; readonly text: string }> {
    return this.metrics_.render();
  }

  async readQuotas(keys: readonly string[]): Promise<readonly object[]> {
    return this.running.quotas.readFor(keys);
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

  protected handle(request: ClientRequest, client: ClientSink, rules: ListenerRules): void {
    handleRequest(request, client, rules, this.running, this.requestContext);
  }

  /** How the first listener that does not only redirect takes requests; there need be no port for it yet. */
  protected async prepareToServe(): Promise<ServingRules> {
    if (this.currentState === 'closed') throw new TypeError('the gateway is closed');
    this.preparing ??= this.snapshot === undefined ? this.prepareToInject() : Promise.resolve();
    await this.preparing;
    return servingRules(this.config.listeners);
  }

  /** Of workers, the supervisor says it once for all. */
  private tellStage(fields: object, message: string): void {
    this.log[this.role === undefined ? 'info' : 'debug'](fields, message);
  }

  private get isStopping(): boolean {
    return this.currentState === 'draining' || this.currentState === 'closed';
  }

  protected get running(): Snapshot {
    if (this.snapshot === undefined) throw new TypeError('the gateway has not been started');
    return this.snapshot;
  }

  protected refuse(error: GatewayError, client: ClientInfo): Reply {
    this.metrics_.requestRefused(error.code);
    const { code, message: reason } = error;
    if (this.config.accessLog)
      this.requestContext.accessLog?.malformed({ code, client: client.remoteAddress, reason });
    return problemReply(error, newRequestId(this.clock.now()));
  }

  private async reloadNow(): Promise<ReloadResult> {
    if (this.currentState !== 'ready')
      return { ok: false, problems: [`the gateway is ${this.currentState}`] };
    try {
      const loaded = await loadBeside(this.options.configFile, this.options.env ?? process.env);
      if (!loaded.ok) return this.refuseReload(loaded.problems.map(formatProblem));
      const former = this.config;
      const prepared = await this.prepare(loaded, this.running.version + 1);
      prepared.commit();
      this.warnOfLateSettings(former);
    } catch (error) {
      return this.refuseReload([error instanceof Error ? error.message : String(error)]);
    }
    this.lastProblems = [];
    this.metrics_.configReloaded('success');
    const { version } = this.running;
    this.log.info({ version }, 'configuration reloaded');
    return { ok: true, version };
  }

  /** The operators' ports and the data folder stay as they are until the next start. */
  private warnOfLateSettings(former: GatewayConfig): void {
    const settings = findLateSettings(former, this.config);
    if (settings.length === 0) return;
    this.log.warn({ settings }, 'some changed settings take effect at the next start');
  }

  private refuseReload(problems: readonly string[]): ReloadResult {
    this.lastProblems = problems;
    this.metrics_.configReloaded('failure');
    this.log.error({ problems }, 'the configuration was not reloaded; the one before it goes on');
    return { ok: false, problems };
  }

  /** A reload must not open ports behind the end of the gateway. */
  private refuseWhenStopping(): void {
    if (this.isStopping) throw new Error(`the gateway is ${this.currentState}`);
  }

  /** Builds the first Snapshot without opening a port. */
  private async prepareToInject(): Promise<void> {
    await this.services.gatewayLimits.prepare(this.config);
    const snapshot = await buildSnapshot(this.config, 1, this.snapshotContext(this.policies));
    if (this.snapshot === undefined) this.snapshot = snapshot;
    else await snapshot.retire();
  }

  private snapshotContext(policies: readonly Policy[]): SnapshotContext {
    const { services, clock, log, metrics_: metrics, deadlines, kept, budget } = this;
    const { targetConnections } = services;
    return { services, clock, log, metrics, deadlines, kept, budget, policies, targetConnections };
  }

  private async drain({ delayMs = this.config.drain.delay, spareIdleMs }: DrainTimes): Promise<void> {
    this.currentState = 'draining';
    this.stopWatching();
    this.tellStage({}, 'draining');
    // Without an open port there is no load balancer that has to notice.
    if (this.ports.length > 0) await new Promise<void>((resolve) => setTimeout(resolve, delayMs));
    await this.listeners.drain(this.config.drain.timeout, spareIdleMs);
    await this.abandon();
    this.tellStage({}, 'gateway stopped');
    await this.destination.close();
  }

  /** Frees everything at once. */
  private async abandon(): Promise<void> {
    this.currentState = 'closed';
    await this.listeners.drain(0);
    this.requestContext.detached.leave('GW_SHUTTING_DOWN');
    await Promise.all(this.operatorServers.splice(0).map((server) => server.close()));
    await this.snapshot?.retire();
    await Promise.all([this.services.apiKeys.close(), this.services.gatewayLimits.close()]);
    this.deadlines.close();
    this.metrics_.close();
  }
}
