import { createHmac } from 'node:crypto';
import type { ListenerConfig } from '../config/schema/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { GatewayError } from '../core/errors.ts';
import type { ClientInfo, ClientRequest, ClientSink, Reply } from '../core/message.ts';
import type { Descriptors } from '../core/network/descriptors.ts';
import type { Services } from '../core/services.ts';
import { ClientConnection } from '../http1/client/client-connection.ts';
import type { ClientLimits, ServeOptions } from '../http1/client/serve-options.ts';
import type { Deadlines } from '../http1/deadlines.ts';
import { llhttp } from '../http1/llhttp.ts';
import { watchCertificates } from '../server/certificate-watch.ts';
import { type CertificateStore, loadCertificates } from '../server/certificates.ts';
import type { HandedPort } from '../server/connection-source.ts';
import { type Listener, openListener } from '../server/listener.ts';
import { type OpenPort, PortSet, portKeyOf } from './port-set.ts';
import type { ListenerRules } from './request/request-context.ts';

export interface ListenersContext {
  readonly services: Services;
  readonly descriptors: Descriptors;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** What the keys of TLS tickets are made from; left out: nobody else knows them. */
  readonly ticketSecret: Uint8Array | undefined;
  readonly handle: (request: ClientRequest, client: ClientSink, rules: ListenerRules) => void;
  readonly reject: (error: GatewayError, client: ClientInfo) => Reply;
}

/** Ports as a configuration asks for them. One of the two functions is to be called. */
export interface PreparedPorts {
  /** Puts them in force, which cannot fail. */
  commit(): void;
  /** Closes what was opened for them. */
  discard(): Promise<void>;
}

/** An open listener and what new connections of it are served with. */
interface OpenListener extends OpenPort {
  readonly listener: Listener;
  serve: ServeOptions;
  /** What requests are judged by, on connections that were open before a reload too. */
  rules: ListenerRules;
  certificates: CertificateStore | undefined;
  stopWatching: () => void;
}

/** What a configuration asks for, with what was read for it. */
interface Wanted {
  readonly config: ListenerConfig;
  readonly certificates: CertificateStore | undefined;
  readonly source: HandedPort | undefined;
}

export interface PrepareOptions {
  /** Called when all is ready, to throw where it is not wanted any more. */
  readonly check?: () => void;
  /** The ports of another process, in the same order, where that one has them. */
  readonly handed?: readonly HandedPort[] | undefined;
  /** Addresses of proxies, behind which many clients are. */
  readonly trusted?: readonly string[];
}

/** How long a response may wait for a client that takes none of it. */
const SEND_IDLE_MS = 60_000;

/** The open ports. They stay open across reloads unless what the port itself is made of changed. */
export class Listeners {
  private readonly context: ListenersContext;
  private readonly set = new PortSet<OpenListener>(({ listener }) => listener.close());
  /** Removed by a reload, with connections that still end. */
  private readonly leaving = new Set<Listener>();

  constructor(context: ListenersContext) {
    this.context = context;
    // The first connection may come when no file can be opened any more.
    llhttp();
  }

  get ports(): number[] {
    return this.set.open.map(({ port }) => port);
  }

  get connectionCount(): number {
    const listeners = [...this.set.open.map(({ listener }) => listener), ...this.leaving];
    return listeners.reduce((count, { connections }) => count + connections.size, 0);
  }

  /**
   * Prepares what `configs` ask for: new ports are open and new certificates read before anything changes. Rejects with
   * the first thing that cannot be done.
   */
  async prepare(
    configs: readonly ListenerConfig[],
    { check = () => {}, handed, trusted = [] }: PrepareOptions = {},
  ): Promise<PreparedPorts> {
    const wanted: Wanted[] = [];
    for (const [i, config] of configs.entries())
      wanted.push({ config, certificates: await this.readCertificates(config), source: handed?.[i] });
    const { ports, commit, discard } = await this.set.prepare(
      wanted.map(({ config, source }) => source?.key ?? portKeyOf(config)),
      (key, i) => this.openPort(key, wanted[i] as Wanted),
      check,
    );
    return {
      commit: () => {
        for (const [i, entry] of ports.entries()) this.applySettings(entry, wanted[i] as Wanted, trusted);
        // Of several processes the one that has the ports says it, once for all.
        if (handed === undefined) this.context.descriptors.compareWith(configs);
        for (const entry of commit()) this.remove(entry);
      },
      discard,
    };
  }

  stopAccepting(): void {
    for (const { listener } of this.set.open) listener.stopAccepting();
  }

  /** Lets connections finish, and cuts what is left after `timeoutMs`. Idle ones end after `gracePeriodMs`, or two seconds. */
  async drain(timeoutMs: number, gracePeriodMs?: number): Promise<void> {
    for (const { stopWatching } of this.set.open) stopWatching();
    const listeners = [...this.set.open.map(({ listener }) => listener), ...this.leaving];
    await Promise.all(listeners.map((listener) => listener.drain(timeoutMs, gracePeriodMs)));
  }

  private remove({ listener, certificates, stopWatching }: OpenListener): void {
    stopWatching();
    this.leaving.add(listener);
    // No further request of whom the authorities of a port have named that is no more.
    const gracePeriodMs = certificates?.clientCertificates === undefined ? undefined : 0;
    // Without a time: a WebSocket goes on where it began.
    void listener.drain(undefined, gracePeriodMs).then(() => this.leaving.delete(listener));
  }

  private async readCertificates({ tls }: ListenerConfig): Promise<CertificateStore | undefined> {
    if (tls === undefined) return undefined;
    const { minVersion, certificates, clientCertificates } = tls;
    return loadCertificates(certificates, {
      minVersion,
      clientCertificates,
      now: this.context.clock.now(),
    });
  }

  private async openPort(key: string, { config, certificates, source }: Wanted): Promise<OpenListener> {
    const { host, port, limits } = config;
    const ticketKeys = deriveTicketKeys(this.context.ticketSecret, portKeyOf(config));
    const { descriptors } = this.context;
    const options = {
      host,
      port,
      certificates,
      maxConnections: limits.connections,
      ticketKeys,
      descriptors,
      source,
    };
    const entry: { current?: OpenListener } = {};
    const rules = rulesOf(config);
    const serve = this.serveOptions(config, () => entry.current?.rules ?? rules);
    const listener = await openListener(
      options,
      (socket, client) => new ClientConnection(socket, client, entry.current?.serve ?? serve, () => {}),
      this.context.services,
    );
    entry.current = {
      key,
      port: listener.port,
      listener,
      serve,
      rules,
      certificates,
      stopWatching: () => {},
    };
    return entry.current;
  }

  private applySettings(
    entry: OpenListener,
    { config, certificates }: Wanted,
    trusted: readonly string[],
  ): void {
    entry.listener.setShares(config.limits.connectionsPerAddress, trusted);
    entry.rules = rulesOf(config);
    entry.serve = this.serveOptions(config, () => entry.rules);
    entry.listener.setMaxConnections(config.limits.connections);
    if (certificates === undefined) return;
    entry.stopWatching();
    const inUse = entry.certificates;
    if (inUse === undefined || !isSameStore(certificates, inUse))
      entry.listener.setCertificates(certificates);
    entry.certificates = certificates;
    for (const warning of certificates.warnings) this.context.services.log.warn({}, warning);
    entry.stopWatching = watchCertificates(
      certificates,
      (replaced) => {
        entry.certificates = replaced;
        entry.listener.setCertificates(replaced);
      },
      this.context.services,
    );
  }

  private serveOptions(config: ListenerConfig, rulesNow: () => ListenerRules): ServeOptions {
    const { clock, deadlines, reject, handle } = this.context;
    return {
      handler: (request, client) => handle(request, client, rulesNow()),
      limits: toClientLimits(config.limits),
      takesRawQuery: config.rawQuery,
      deadlines,
      clock,
      reject,
    };
  }
}

function isSameStore(one: CertificateStore, other: CertificateStore): boolean {
  if (one.contentKey !== other.contentKey || one.minVersion !== other.minVersion) return false;
  return one.clientKey === other.clientKey;
}

function rulesOf({ allowEncoded, mergeSlashes, redirectToHttps }: ListenerConfig): ListenerRules {
  return { spelling: { ...allowEncoded, mergeSlashes }, redirectToHttps };
}

/** How the first listener that does not only redirect takes requests. */
export function servingRules(configs: readonly ListenerConfig[]): {
  limits: ListenerConfig['limits'];
  rules: ListenerRules;
} {
  const serving = configs.find(({ redirectToHttps }) => redirectToHttps === undefined) ?? configs[0];
  const { limits } = serving as ListenerConfig;
  return { limits, rules: { ...rulesOf(serving as ListenerConfig), redirectToHttps: undefined } };
}

/**
 * Keys of a port's own: with those of another one, a session that began without a client certificate could be taken up
 * where one is asked for.
 */
function deriveTicketKeys(secret: Uint8Array | undefined, key: string): Buffer | undefined {
  return secret && createHmac('sha384', secret).update(key).digest();
}

function toClientLimits(limits: ListenerConfig['limits']): ClientLimits {
  return {
    headerBytes: limits.headerBytes,
    urlBytes: limits.urlBytes,
    headerCount: limits.headerCount,
    headerTimeoutMs: limits.headerTimeout,
    bodyIdleMs: limits.bodyIdle,
    bodyMinRate: limits.bodyMinRate,
    bodyMinRateAfterMs: limits.bodyMinRateAfter,
    keepAliveMs: limits.keepAlive,
    requestTimeoutMs: limits.requestTimeout,
    sendIdleMs: SEND_IDLE_MS,
  };
}
