import type { ConnectionOptions } from 'node:tls';
import type { GatewayConfig, UpstreamConfig } from '../config/schema/schema.ts';
import { readTargetUrl } from '../config/schema/target-url.ts';
import { readTextFile } from '../core/disk/read-text-file.ts';
import type { Target } from '../core/message.ts';
import { idOf } from '../core/user-code/code-value.ts';
import { HttpTarget } from '../proxy/http-target.ts';
import type { HttpTargetOptions } from '../proxy/pool-options.ts';
import { createAppTarget, loadApp } from '../server/app-target.ts';
import type { DiscoveredTarget } from '../upstream/discovery/discovery.ts';
import { UpstreamTarget } from '../upstream/upstream-target.ts';
import { poolServicesOf, type SnapshotContext } from './snapshot-context.ts';
import { holdTargetState } from './target-health.ts';

interface Made {
  readonly target: UpstreamTarget;
  readonly release: () => void;
}

/** Makes the factory of an upstream's targets. Rejects when a file for TLS cannot be read. */
export async function createTargetFactory(
  upstream: string,
  settings: UpstreamConfig,
  config: GatewayConfig,
  context: SnapshotContext,
): Promise<TargetFactory> {
  return new TargetFactory(upstream, settings, config, context, await readTls(settings.tls));
}

/** Makes the targets of one upstream, and lets go of those that are no longer named. */
export class TargetFactory {
  private readonly upstream: string;
  private readonly settings: UpstreamConfig;
  private readonly config: GatewayConfig;
  private readonly context: SnapshotContext;
  private readonly tls: ConnectionOptions;
  private made = new Map<string, Made>();

  constructor(
    upstream: string,
    settings: UpstreamConfig,
    config: GatewayConfig,
    context: SnapshotContext,
    tls: ConnectionOptions,
  ) {
    this.tls = tls;
    this.upstream = upstream;
    this.settings = settings;
    this.config = config;
    this.context = context;
  }

  /** Makes what the configuration itself names: an app, or URLs. */
  async createConfigured(): Promise<UpstreamTarget[]> {
    const { app, targets = [] } = this.settings;
    if (app !== undefined) return [await this.createApp(app)];
    return this.create(targets.map(({ url, weight }) => ({ ...readTargetUrl(url), weight })));
  }

  /** Makes these targets, in this order; those of the last time that are named again stay the same. */
  create(named: readonly DiscoveredTarget[]): UpstreamTarget[] {
    const before = this.made;
    this.made = new Map();
    for (const target of named) {
      const { host, port, isSecure, socketPath, weight, name } = target;
      const key = JSON.stringify([host, port, isSecure, socketPath, weight, name]);
      const made = this.made.get(key) ?? before.get(key) ?? this.createHttp(target);
      this.made.set(key, made);
    }
    for (const [key, { release }] of before) if (!this.made.has(key)) release();
    return [...this.made.values()].map(({ target }) => target);
  }

  close(): void {
    for (const { release } of this.made.values()) release();
    this.made.clear();
  }

  private createHttp(named: DiscoveredTarget): Made {
    const { context } = this;
    const options = this.optionsFor(named);
    const hold = context.kept.hold(
      `target ${JSON.stringify(options)}`,
      () => new HttpTarget(options, poolServicesOf(context)),
      (target) => target.close(),
    );
    return this.equip(hold.value, named.weight ?? 1, options, [hold.release]);
  }

  private optionsFor({ host, port, isSecure, socketPath, name = host }: DiscoveredTarget): HttpTargetOptions {
    const { settings } = this;
    const usesTls = isSecure ?? settings.tls !== undefined;
    const { timeouts, pool } = settings;
    return {
      place: socketPath === undefined ? { kind: 'tcp', host, port } : { kind: 'unix', path: socketPath },
      tls: usesTls ? { ...this.tls, ...serverName(settings, name) } : undefined,
      times: { connectMs: timeouts.connect, idleMs: timeouts.idle, keepAliveMs: pool.idle },
      maxAgeMs: pool.maxAge,
      maxUses: pool.maxUses,
      minIdle: pool.minIdle,
      maxConnections: settings.maxConnections,
      maxQueued: settings.maxQueued,
    };
  }

  private async createApp(file: string): Promise<UpstreamTarget> {
    const { upstream, context } = this;
    const trustedProxies = this.config.trustedProxies.addresses;
    const plugin = await loadApp(file);
    const hold = context.kept.hold(
      `app ${JSON.stringify([upstream, idOf(plugin), trustedProxies])}`,
      () => createAppTarget(upstream, plugin, context.services, { trustedProxies }),
      (app) =>
        void app.then(
          (target) => target.close(),
          () => {},
        ),
    );
    try {
      const made = this.equip(await hold.value, 1, undefined, [hold.release]);
      this.made.set('app', made);
      return made.target;
    } catch (error) {
      hold.release();
      throw error;
    }
  }

  /** Puts to a target what counts it and what is known of its health. */
  private equip(
    target: Target,
    weight: number,
    options: HttpTargetOptions | undefined,
    releases: (() => void)[],
  ): Made {
    const { upstream, context } = this;
    const hold = holdTargetState(
      { upstream, target: target.name, health: this.settings.health, options },
      context,
    );
    releases.push(hold.release);
    const state = hold.value;
    const meter = this.config.metrics ? context.metrics.upstreamTarget(upstream, target.name) : undefined;
    if (meter !== undefined) {
      releases.push(() => meter.release());
      releases.push(
        context.metrics.gauge(
          'gateway_upstream_target_healthy',
          'Whether a target gets requests: 1, or 0 while it is ejected or down.',
          { upstream, target: target.name },
          () => Number(state.isHealthy),
        ),
      );
    }
    const release = (): void => {
      for (const each of releases) each();
    };
    return { target: new UpstreamTarget({ target, meter, weight, state }), release };
  }
}

/** The name that the certificate is checked against. An address is none that could be asked for in TLS. */
function serverName(settings: UpstreamConfig, host: string): ConnectionOptions {
  const name = settings.tls?.serverName ?? host;
  return /^[\d.]+$|:/.test(name) ? {} : { servername: name };
}

async function readTls(tls: UpstreamConfig['tls']): Promise<ConnectionOptions> {
  const read = async (file: string | undefined) =>
    file === undefined ? undefined : await readTextFile(file);
  const [ca, cert, key] = await Promise.all([read(tls?.caFile), read(tls?.certFile), read(tls?.keyFile)]);
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: tls?.dangerouslySkipTlsVerification !== true,
  };
}
