import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import type { GatewayConfig, UpstreamConfig } from '../config/schema.ts';
import type { Target } from '../core/message.ts';
import { HttpTarget } from '../proxy/http-target.ts';
import { createAppTarget, loadApp } from '../server/app-target.ts';
import { Upstream, type UpstreamTarget } from '../upstream/upstream.ts';
import type { SnapshotContext } from './snapshot-context.ts';

/** How long an idle connection to a target is kept when the target gives no hint. */
const TARGET_KEEP_ALIVE_MS = 4000;

type Closers = (() => void | Promise<void>)[];

/** Makes the upstreams of a configuration. Targets that did not change are found again with their connections. */
export async function buildUpstreams(
  config: GatewayConfig,
  context: SnapshotContext,
  closers: Closers,
): Promise<Map<string, Upstream>> {
  const upstreams = new Map<string, Upstream>();
  for (const [name, settings] of Object.entries(config.upstreams)) {
    const found =
      settings.app === undefined
        ? await httpTargets(settings, context, closers)
        : [await appTarget(name, settings.app, config.trustedProxies, context, closers)];
    const targets = found.map((target): UpstreamTarget => {
      const meter = config.metrics ? context.metrics.upstreamTarget(name, target.name) : undefined;
      if (meter !== undefined) closers.push(() => meter.release());
      return { target, meter };
    });
    upstreams.set(name, new Upstream({ name, targets, responseTimeoutMs: settings.timeouts.response }));
  }
  return upstreams;
}

async function httpTargets(
  settings: UpstreamConfig,
  context: SnapshotContext,
  closers: Closers,
): Promise<Target[]> {
  const tls = await readTls(settings.tls);
  return (settings.targets ?? []).map(({ url }) => {
    const { protocol, hostname, port } = new URL(url);
    const host = hostname.replace(/^\[|\]$/g, '');
    const isSecure = protocol === 'https:';
    const options = {
      host,
      port: port === '' ? (isSecure ? 443 : 80) : Number(port),
      tls: isSecure ? { ...tls, ...serverName(settings, host) } : undefined,
      times: {
        connectMs: settings.timeouts.connect,
        idleMs: settings.timeouts.idle,
        keepAliveMs: TARGET_KEEP_ALIVE_MS,
      },
      maxConnections: settings.maxConnections,
      maxQueued: settings.maxQueued,
    };
    const { deadlines, kept } = context;
    const hold = kept.hold(
      `target ${JSON.stringify(options)}`,
      () => new HttpTarget(options, deadlines),
      (target) => target.close(),
    );
    closers.push(hold.release);
    return hold.value;
  });
}

/** The name that the certificate is checked against. An address is none that could be asked for in TLS. */
function serverName(settings: UpstreamConfig, host: string): ConnectionOptions {
  const name = settings.tls?.serverName ?? host;
  return /^[\d.]+$|:/.test(name) ? {} : { servername: name };
}

async function readTls(tls: UpstreamConfig['tls']): Promise<ConnectionOptions> {
  const read = async (file: string | undefined) =>
    file === undefined ? undefined : await readFile(file, 'utf8');
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

async function appTarget(
  name: string,
  file: string,
  trustedProxies: readonly string[],
  context: SnapshotContext,
  closers: Closers,
): Promise<Target> {
  const hold = context.kept.hold(
    `app ${JSON.stringify([name, file, trustedProxies])}`,
    () => loadApp(file).then((plugin) => createAppTarget(name, plugin, context.services, { trustedProxies })),
    (app) => void app.then((target) => target.close()),
  );
  closers.push(hold.release);
  return hold.value;
}
