import { access } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { importCustomPolicies } from '../config/document/custom-policies.ts';
import type { GatewayConfig, RouteConfig } from '../config/schema/schema.ts';
import type { GatewayDescription } from '../core/control.ts';
import { takeOverLookups } from '../core/network/name-lookup.ts';
import type { Purge, PurgeReach } from '../core/stores/cache-store.ts';
import type { IdempotencyStore } from '../core/stores/idempotency-store.ts';
import type { LimitStore } from '../core/stores/limit-store.ts';
import type { OnceStore } from '../core/stores/once-store.ts';
import { isCodeValue } from '../core/user-code/code-value.ts';
import { Gateway, type RunOptions } from '../gateway/gateway.ts';
import type { ConfigToPrepare } from '../gateway/load-configuration.ts';
import type { PreparedConfig } from '../gateway/worker-role.ts';
import { endAtCrash } from '../observability/end-at-crash.ts';
import { openLogDestination } from '../observability/log-destination.ts';
import { Channel } from './channel.ts';
import { HandedConnections } from './handed-connections.ts';
import { shareIdempotency } from './shared-idempotency.ts';
import { SharedLimits } from './shared-limits.ts';
import {
  type MetricsText,
  PULSE_MS,
  type SharedPort,
  type StopOptions,
  SUPERVISOR_LIMITS_MS,
  type SupervisorMethods,
  type WorkerMethods,
  type WorkerSetup,
} from './worker-contract.ts';

/** Serves in this process as its supervisor says, until that one has it stop or is gone. */
export function runWorker(): void {
  process.title = `sallyport: worker ${process.env.SALLYPORT_WORKER ?? ''}`;
  takeOverLookups();
  // Whoever signals the whole group means the supervisor, which tells us.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  const worker = new Worker();
  const { supervisor } = worker;
  setInterval(() => supervisor.report('pulse', worker.readiness), PULSE_MS);
  process.once('disconnect', () => worker.end());
}

/** The worker's side of the contract. */
class Worker implements WorkerMethods {
  readonly supervisor: Channel<SupervisorMethods> = new Channel(process, this, {
    remote: 'the supervisor',
    limitsMs: SUPERVISOR_LIMITS_MS,
  });
  private readonly connections = new HandedConnections(() => this.end());
  private isEnding = false;
  private setup: WorkerSetup | undefined = undefined;
  private config: GatewayConfig | undefined = undefined;
  private routes: RouteConfig[] = [];
  private gateway: Gateway | undefined = undefined;
  private prepared: PreparedConfig | undefined = undefined;

  get readiness() {
    return this.gateway?.readiness() ?? { isReady: false, details: [] };
  }

  setUp(setup: WorkerSetup): void {
    this.setup = setup;
  }

  takeConfig(config: GatewayConfig): void {
    this.config = config;
    this.routes = [];
  }

  takeRoutes(routes: readonly RouteConfig[]): void {
    this.routes.push(...routes);
  }

  async start(version: number, ports: readonly SharedPort[]): Promise<void> {
    if (this.setup === undefined) throw new TypeError('the worker has not been set up');
    const { configFile, logLevel, ticketSecret } = this.setup;
    const folder = dirname(resolve(configFile));
    // The supervisor makes its lines readable where somebody reads them.
    const destination = await openLogDestination({ pretty: false });
    endAtCrash(destination);
    const reload = () => Promise.reject(new TypeError('a worker is given its configuration'));
    const loaded = { ...(await this.takeWhole()), folder, fingerprint: undefined, reload };
    const options: RunOptions = { logLevel, watch: false };
    const shared = loaded.config.redis === undefined ? this.share() : undefined;
    const handed = this.connections.prepare(ports);
    this.gateway = new Gateway(options, loaded, destination, {
      version,
      ticketSecret,
      ports: handed,
      spreadPurge: (purge) => this.spreadPurge(purge),
      ...shared,
    });
    await this.gateway.start();
  }

  async prepare(version: number, ports: readonly SharedPort[]): Promise<void> {
    const handed = this.connections.prepare(ports);
    this.prepared = await this.running.prepare(await this.takeWhole(), version, handed);
  }

  commit(): void {
    this.prepared?.commit();
    this.prepared = undefined;
  }

  async discard(): Promise<void> {
    const { prepared } = this;
    this.prepared = undefined;
    await prepared?.discard();
  }

  describe(): Promise<GatewayDescription> {
    return this.running.describe();
  }

  readQuotas(keys: readonly string[]): Promise<readonly object[]> {
    return this.running.readQuotas(keys);
  }

  refreshKeys(): Promise<void> {
    return this.running.refreshKeys();
  }

  purgeCache(purge: Purge, isSpread: boolean): Promise<PurgeReach> {
    return this.running.purgeCacheHere(purge, isSpread);
  }

  metrics(): Promise<MetricsText> {
    return this.running.metrics();
  }

  countReceived(): number {
    return this.connections.received;
  }

  async stop({ gracePeriodMs }: StopOptions): Promise<MetricsText> {
    await this.discard();
    await this.running.close({ delayMs: 0, gracePeriodMs });
    return this.running.metrics();
  }

  /** Ends what is under way, as there is no supervisor any more, and then the process. */
  end(): void {
    if (this.isEnding) return;
    this.isEnding = true;
    this.supervisor.close('the supervisor is gone');
    (this.gateway?.close({ delayMs: 0 }) ?? Promise.resolve()).finally(() => process.exit(0));
  }

  /** What all workers have in common. Nobody waits for what is only counted. */
  private share(): {
    readonly limits: LimitStore;
    readonly once: OnceStore;
    readonly idempotency: IdempotencyStore;
  } {
    const limits = new SharedLimits({
      charge: (charges) => this.supervisor.call('charge', charges),
      chargeAfterwards: (charges) => this.supervisor.report('chargeAfterwards', charges),
    });
    const { supervisor } = this;
    const idempotency = shareIdempotency({
      claimKey: (...args) => supervisor.call('claimKey', ...args),
      finishKey: (...args) => supervisor.call('finishKey', ...args),
      releaseKey: (...args) => supervisor.call('releaseKey', ...args),
    });
    const once: OnceStore = { note: (name, keepForMs) => supervisor.call('noteOnce', name, keepForMs) };
    return { limits, once, idempotency };
  }

  private async spreadPurge(purge: Purge): Promise<PurgeReach> {
    try {
      return await this.supervisor.call('purgeElsewhere', purge);
    } catch {
      return { reached: 0, unreached: ['the other workers: their supervisor does not respond'] };
    }
  }

  private get running(): Gateway {
    if (this.gateway === undefined) throw new TypeError('the worker has not been started');
    return this.gateway;
  }

  /** Gives the configuration that was taken, with its custom policies, whose code no message can carry. */
  private async takeWhole(): Promise<ConfigToPrepare> {
    if (this.config === undefined || this.setup === undefined)
      throw new TypeError('the worker was given no configuration');
    const config = { ...this.config, routes: this.routes };
    this.config = undefined;
    this.routes = [];
    const folder = dirname(resolve(this.setup.configFile));
    // One that is missing by now would stand there as a policy that lets everything pass.
    for (const file of Object.values(config.customPolicies)) if (!isCodeValue(file)) await access(file);
    const { policies, problems } = await importCustomPolicies(config.customPolicies, folder);
    const [problem] = problems;
    if (problem !== undefined)
      throw new Error(`${problem.path.join('.')} ${problem.message} — ${problem.remedy}`);
    return { config, customPolicies: policies };
  }
}
