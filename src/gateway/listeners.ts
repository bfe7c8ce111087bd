import { createHmac } from 'node:crypto';
import type { ListenerConfig } from '../config/schema/schema.ts';
import type { Clock } from '../core/clock.ts';
import type { GatewayError } from '../core/errors.ts';
import type { ClientInfo, ClientRequest, ClientSink, Reply } from '../core/message.ts';
import type { Descriptors } from '../core/network/descriptors.ts';
import type { Services } from '../core/services.ts';
import { ClientConnection } from '../http1/client-connection.ts';
import type { Deadlines } from '../http1/deadlines.ts';
import type { ClientLimits, ServeOptions } from '../http1/serve-options.ts';
import { watchCertificates } from '../server/certificate-watch.ts';
import { type CertificateStore, loadCertificates } from '../server/certificates.ts';
import { type Listener, openListener } from '../server/listener.ts';
import type { ListenerRules } from './handle-request.ts';

export interface ListenersContext {
  readonly services: Services;
  readonly descriptors: Descriptors;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  /** What the keys of TLS tickets are made from; left out: nobody else knows them. */
  readonly ticketSecret: Uint8Array | undefined;
  readonly handle: (request: ClientRequest, client: ClientSink, rules: ListenerRules) => void;
  readonly refuse: (error: GatewayError, client: ClientInfo) => Reply;
}

/** Ports as a configuration asks for them. One of the two functions is to be called. */
export interface PreparedPorts {
  /** Puts them in force, which cannot fail. */
  commit(): void;
  /** Closes what was opened for them. */
  discard(): Promise<void>;
}

/** An open listener and what new connections of it are served with. */
interface OpenListener {
  readonly key: string;
  readonly listener: Listener;
  serve: ServeOptions;
  /** What requests are judged by, on connections that were open before a reload too. */
  rules: ListenerRules;
  certificates: CertificateStore | undefined;
  stopWatching: () => void;
}

/** How long an answer may wait for a client that takes none of it. */
const SEND_IDLE_MS = 60_000;

/** The open ports. They stay open across reloads unless what the port itself is made of changed. */
export class Listeners {
  private readonly context: ListenersContext;
  private open: OpenListener[] = [];
  /** Removed by a reload, with connections that still end. */
  private readonly leaving = new Set<Listener>();

  constructor(context: ListenersContext) {
    this.context = context;
  }

  get ports(): number[] {
    return this.open.map(({ listener }) => listener.port);
  }

  get connectionCount(): number {
    const listeners = [...this.open.map(({ listener }) => listener), ...this.leaving];
    return listeners.reduce((count, { connections }) => count + connections.size, 0);
  }

  /**
   * Prepares what `configs` ask for: new ports are open and new certificates read before anything changes. Rejects with the first thing that cannot be done, which may
   * be what `check` throws when all is ready.
   */
  async prepare(configs: readonly ListenerConfig[], check: () => void = () => {}): Promise<PreparedPorts> {
    const next: OpenListener[] = [];
    const changes: (() => void)[] = [];
    const opened: OpenListener[] = [];
    const spare = [...this.open];
    const discard = async (): Promise<void> => {
      await Promise.all(opened.map(({ listener }) => listener.close()));
    };
    try {
      for (const config of configs) {
        const certificates = await this.readCertificates(config);
        const at = spare.findIndex(({ key }) => key === keyOf(config));
        const [known] = at < 0 ? [] : spare.splice(at, 1);
        const entry = known ?? (await this.openPort(config, certificates));
        if (known === undefined) opened.push(entry);
        next.push(entry);
        changes.push(() => this.applySettings(entry, config, certificates));
      }
      check();
    } catch (error) {
      await discard();
      throw error;
    }
    const commit = (): void => {
      for (const change of changes) change();
      this.context.descriptors.compareWith(configs);
      this.open = next;
      for (const entry of spare) this.remove(entry);
    };
    return { commit, discard };
  }

  stopAccepting(): void {
    for (const { listener } of this.open) listener.stopAccepting();
  }

  /** Lets connections finish, and cuts what is left after `timeoutMs`. Idle ones end after `spareIdleMs`, or two seconds. */
  async drain(timeoutMs: number, spareIdleMs?: number): Promise<void> {
    for (const { stopWatching } of this.open) stopWatching();
    const listeners = [...this.open.map(({ listener }) => listener), ...this.leaving];
    await Promise.all(listeners.map((listener) => listener.drain(timeoutMs, spareIdleMs)));
  }

  private remove({ listener, certificates, stopWatching }: OpenListener): void {
    stopWatching();
    this.leaving.add(listener);
    // No further request of whom the authorities of a port have named that is no more.
    const spareIdleMs = certificates?.clientCertificates === undefined ? undefined : 0;
    // Without a time: a WebSocket goes on where it began.
    void listener.drain(undefined, spareIdleMs).then(() => this.leaving.delete(listener));
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

  private async openPort(
    config: ListenerConfig,
    certificates: CertificateStore | undefined,
  ): Promise<OpenListener> {
    const { host, port, limits } = config;
    const ticketKeys = deriveTicketKeys(this.context.ticketSecret, keyOf(config));
    const { descriptors } = this.context;
    const options = { host, port, certificates, maxConnections: limits.connections, ticketKeys, descriptors };
    const accepting: { entry?: OpenListener } = {};
    const listener = await openListener(
      options,
      (socket, client) =>
        new ClientConnection(socket, client, (accepting.entry as OpenListener).serve, () => {}),
      this.context.services,
    ).catch((error: NodeJS.ErrnoException) => {
      const isOurs = error.code === 'EADDRINUSE' && this.ports.includes(port);
      throw isOurs ? new Error(explainOpenPort(port), { cause: error }) : error;
    });
    const rules = rulesOf(config);
    const serve = this.serveOptions(config, () => (accepting.entry as OpenListener).rules);
    accepting.entry = { key: keyOf(config), listener, serve, rules, certificates, stopWatching: () => {} };
    return accepting.entry;
  }

  private applySettings(
    entry: OpenListener,
    config: ListenerConfig,
    certificates: CertificateStore | undefined,
  ): void {
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
    const { clock, deadlines, refuse, handle } = this.context;
    return {
      handler: (request, client) => handle(request, client, rulesNow()),
      limits: toClientLimits(config.limits),
      takesRawQuery: config.rawQuery,
      deadlines,
      clock,
      refuse,
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

/** What cannot be changed while a port is open. */
function keyOf({ host, port, tls }: ListenerConfig): string {
  return JSON.stringify([host, port, tls !== undefined, tls?.clientCertificates?.required]);
}

/**
 * Keys of a port's own: with those of another one, a session that began without a client certificate could be taken up
 * where one is asked for.
 */
function deriveTicketKeys(secret: Uint8Array | undefined, key: string): Buffer | undefined {
  return secret && createHmac('sha384', secret).update(key).digest();
}

function explainOpenPort(port: number): string {
  return `port ${port} is open with another host or without what tls asks for, which cannot change while it is open — use another port, or restart the gateway`;
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
