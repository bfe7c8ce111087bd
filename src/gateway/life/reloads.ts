import { setTimeout as wait } from 'node:timers/promises';
import type { LoadResult } from '../../config/load.ts';
import { formatProblem } from '../../config/problem.ts';
import type { GatewayConfig } from '../../config/schema/schema.ts';
import type { ReloadResult } from '../../core/control.ts';
import type { Log } from '../../core/services.ts';
import type { GatewayMetrics } from '../../observability/metrics.ts';
import type { ConfigToPrepare, LoadedConfig } from '../load-configuration.ts';
import type { Life } from './life.ts';
import { findRestartSettings, keepRestartSettings } from './reload-config.ts';

export interface ReloadsOptions {
  /** What the gateway was started with, and the way to load it again. */
  readonly loaded: Pick<LoadedConfig, 'fingerprint' | 'file' | 'reload'>;
  readonly life: Pick<Life, 'state' | 'started' | 'watchDocuments'>;
  readonly log: Log;
  readonly metrics: Pick<GatewayMetrics, 'configReloaded'>;
  /** The version and the configuration that run. */
  readonly running: () => { readonly version: number; readonly config: GatewayConfig };
  /** Puts a configuration in force. Rejects, with nothing changed, where that cannot be. */
  readonly takeUp: (next: ConfigToPrepare, version: number) => Promise<void>;
}

/** An editor or a copy that is under way when it is told of has time to end. */
const LOOK_AGAIN_MS = 250;

/**
 * Takes up a configuration file as it is when asked to. One reload runs and one waits, for all who ask meanwhile: it
 * begins after they asked, so that it sees what they mean.
 */
export class Reloads {
  private readonly options: ReloadsOptions;
  private running: Promise<ReloadResult> | undefined = undefined;
  private waiting: Promise<ReloadResult> | undefined = undefined;
  private fingerprint: string | undefined;
  private isRejected = false;

  constructor(options: ReloadsOptions) {
    this.options = options;
    this.fingerprint = options.loaded.fingerprint;
  }

  /** What is amiss, a sentence each. */
  get problems(): readonly string[] {
    return this.isRejected ? ['the last reload was rejected; the configuration before it runs'] : [];
  }

  /** Takes up the file, or changes nothing and says why. What runs already is not taken up again. */
  reload(): Promise<ReloadResult> {
    if (this.running === undefined) return this.run();
    this.waiting ??= this.running.then(() => {
      this.waiting = undefined;
      return this.run();
    });
    return this.waiting;
  }

  private run(): Promise<ReloadResult> {
    const running = this.reloadNow().finally(() => {
      if (this.running === running) this.running = undefined;
    });
    this.running = running;
    return running;
  }

  private async reloadNow(): Promise<ReloadResult> {
    const { life } = this.options;
    await life.started;
    if (life.state !== 'ready') return { ok: false, problems: [`the gateway is ${life.state}`] };
    try {
      const loaded = await this.load();
      // Also those of one that is rejected, since it is them that will be corrected.
      life.watchDocuments(loaded.documents);
      if (!loaded.ok) return this.reject(loaded.problems.map(formatProblem));
      const isNew = loaded.fingerprint === undefined || loaded.fingerprint !== this.fingerprint;
      return isNew ? await this.takeUp(loaded) : this.leave();
    } catch (error) {
      return this.reject([error instanceof Error ? error.message : String(error)]);
    }
  }

  /** Looks at a file that is rejected once more, since it may have been half written. */
  private async load(): Promise<LoadResult> {
    const { loaded } = this.options;
    const first = await loaded.reload();
    if (first.ok || loaded.file === undefined) return first;
    await wait(LOOK_AGAIN_MS);
    return loaded.reload();
  }

  private async takeUp(loaded: LoadResult & { ok: true }): Promise<ReloadResult> {
    const { running, takeUp, log, metrics } = this.options;
    const former = running();
    const version = former.version + 1;
    const settings = findRestartSettings(former.config, loaded.config);
    // What is made later, a worker or a port, must not have another store than what runs.
    const config = keepRestartSettings(former.config, loaded.config);
    await takeUp({ config, customPolicies: loaded.customPolicies }, version);
    this.fingerprint = loaded.fingerprint;
    this.isRejected = false;
    metrics.configReloaded('success');
    if (settings.length > 0) log.warn({ settings }, 'some changed settings take effect at the next start');
    log.info({ version }, 'configuration reloaded');
    return { ok: true, version };
  }

  private leave(): ReloadResult {
    const { running, log } = this.options;
    const { version } = running();
    this.isRejected = false;
    log.info({ version }, 'the configuration is the one that runs; nothing was changed');
    return { ok: true, version };
  }

  private reject(problems: readonly string[]): ReloadResult {
    this.isRejected = true;
    this.options.metrics.configReloaded('failure');
    this.options.log.error({ problems }, 'the configuration was not reloaded; the one before it goes on');
    return { ok: false, problems };
  }
}
