import { joinPolicies } from '../config/join-policies.ts';
import type { GatewayConfig } from '../config/schema/schema.ts';
import type { Policy } from '../core/policy.ts';
import type { Logs } from '../observability/logs.ts';
import { builtInPolicies } from '../policies/index.ts';
import type { HandedPort } from '../server/connection-source.ts';
import { buildSnapshot, type Snapshot } from '../snapshot/snapshot.ts';
import type { SnapshotContext } from '../snapshot/snapshot-context.ts';
import type { Listeners } from './listeners.ts';
import type { ConfigToPrepare } from './load-configuration.ts';
import type { PreparedConfig } from './worker-role.ts';

export interface RunningConfigOptions {
  /** What the gateway is started with. */
  readonly loaded: ConfigToPrepare;
  /** What Snapshots are built with, but for the policies. */
  readonly context: Omit<SnapshotContext, 'policies'>;
  readonly listeners: Listeners;
  /** Gets the stores that outlive Snapshots ready for a configuration. */
  readonly prepareStores: (config: GatewayConfig) => Promise<unknown>;
  readonly logs: Logs;
  /** Told the version that is in force. */
  readonly onVersion: (version: number) => void;
  /** Throws where nothing is to be opened any more. */
  readonly check: () => void;
}

/** The configuration that runs, as written and as the Snapshot that requests are handled by. */
export class RunningConfig {
  private readonly options: RunningConfigOptions;
  private written: GatewayConfig;
  private policies: readonly Policy[];
  private current: Snapshot | undefined = undefined;
  private preparing: Promise<void> | undefined = undefined;

  constructor(options: RunningConfigOptions) {
    this.options = options;
    this.written = options.loaded.config;
    this.policies = joinPolicies(builtInPolicies, options.loaded.customPolicies);
  }

  get config(): GatewayConfig {
    return this.written;
  }

  /** Throws before the first one is ready. */
  get snapshot(): Snapshot {
    if (this.current === undefined) throw new TypeError('the gateway has not been started');
    return this.current;
  }

  get snapshotIfAny(): Snapshot | undefined {
    return this.current;
  }

  /**
   * Makes a configuration ready, of which `commit` then is the rest of a reload. Rejects, with nothing changed, when a part
   * cannot be made.
   */
  async prepare(
    { config, customPolicies }: ConfigToPrepare,
    version: number,
    handed?: readonly HandedPort[],
  ): Promise<PreparedConfig> {
    const { listeners, check, logs, onVersion } = this.options;
    const former = this.current;
    const policies = joinPolicies(builtInPolicies, customPolicies);
    const snapshot = await this.build(config, policies, version);
    // At the start the first port may be asked something while the second one is still being opened.
    this.current ??= snapshot;
    try {
      const ports = await listeners.prepare(config.listeners, {
        check,
        handed,
        trusted: config.trustedProxies.addresses,
      });
      const commit = (): void => {
        this.current = snapshot;
        this.written = config;
        this.policies = policies;
        ports.commit();
        logs.use(config.logs);
        onVersion(version);
        void former?.drain();
      };
      return { commit, discard: () => Promise.all([ports.discard(), snapshot.drain()]).then(() => {}) };
    } catch (error) {
      this.current = former;
      await snapshot.drain();
      throw error;
    }
  }

  /** Builds the first Snapshot without opening a port, for requests that need none. */
  prepareWithoutPorts(): Promise<void> {
    this.preparing ??= this.current === undefined ? this.buildFirst() : Promise.resolve();
    return this.preparing;
  }

  async drain(): Promise<void> {
    await this.current?.drain();
  }

  private async buildFirst(): Promise<void> {
    const snapshot = await this.build(this.written, this.policies, 1);
    if (this.current === undefined) this.current = snapshot;
    else await snapshot.drain();
  }

  private async build(
    config: GatewayConfig,
    policies: readonly Policy[],
    version: number,
  ): Promise<Snapshot> {
    await this.options.prepareStores(config);
    return buildSnapshot(config, version, { ...this.options.context, policies });
  }
}
