import type { Socket } from 'node:net';
import type { TLSSocket, Server as TlsServer } from 'node:tls';
import type { ClientCertificate, ClientInfo } from '../core/message.ts';
import type { Descriptors } from '../core/network/descriptors.ts';
import { isOwnFault } from '../core/network/own-fault.ts';
import type { Services } from '../core/services.ts';
import { AddressShares } from './address-shares.ts';
import type { CertificateStore } from './certificates.ts';
import { readClientCertificate } from './client-certificate.ts';
import { MAX_LINGERING, rejectConnection } from './connection-rejection.ts';
import { type ConnectionSource, ListeningPort } from './connection-source.ts';
import { createListenerMetrics, type ListenerMetrics } from './listener-metrics.ts';
import { createHandshaker, type TlsState } from './tls-handshaker.ts';

/** What a listener must be able to do with a connection that it gave away. */
export interface Connection {
  /** Finishes what is in flight, then closes; closes at once if idle. */
  drain(): void;
  /** Lets the next response be the last, or the one in flight; stays open while idle. */
  drainWithGrace(): void;
  destroy(): void;
}

/** Takes a connection over, its TLS handshake done. Handles the socket's errors. */
export type AcceptConnection = (socket: Socket | TLSSocket, info: ClientInfo) => Connection;

export interface ListenerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Makes this an HTTPS listener. */
  readonly certificates?: CertificateStore | undefined;
  /** Open connections; more are rejected. */
  readonly maxConnections: number;
  /** Milliseconds that a client may take for the TLS handshake. Default: 10,000. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** Where connections come from. Default: the port, opened by this process. */
  readonly source?: ConnectionSource | undefined;
  /** 48 bytes that TLS tickets are made with. Default: some that nobody else knows. */
  readonly ticketKeys?: Buffer | undefined;
  /** What keeps some descriptors free. Default: nothing does. */
  readonly descriptors?: Descriptors | undefined;
}

export type ListenerServices = Pick<Services, 'clock' | 'log' | 'metrics'>;

/** How long an idle connection stays open while its listener drains, since a request may be on its way. */
const GRACE_PERIOD_MS = 2000;
/** Accepting fails at every attempt while the system has no file left, thousands of times a second. */
const ACCEPT_ERROR_LOG_INTERVAL_MS = 10_000;

/** Opens a port and gives its connections to `accept`. Rejects with a message that names address and remedy. */
export async function openListener(
  options: ListenerOptions,
  accept: AcceptConnection,
  services: ListenerServices,
): Promise<Listener> {
  const listener = new Listener(options, accept, services);
  await listener.listen();
  return listener;
}

/** An open port and its connections. */
export class Listener {
  readonly host: string;
  private readonly source: ConnectionSource;
  private readonly accept: AcceptConnection;
  private readonly services: ListenerServices;
  private readonly tls: TlsState | undefined;
  private readonly handshaker: TlsServer | undefined;
  private readonly descriptors: Descriptors | undefined;
  private maxConnections: number;
  private readonly shares = new AddressShares();
  private readonly open = new Set<Connection>();
  /** Every accepted socket from its first moment, also those that are being rejected or still shake hands. */
  private readonly sockets = new Set<Socket>();
  private known: ListenerMetrics | undefined = undefined;
  private readonly closed: Promise<void>;
  private onClosed: () => void = () => {};
  private isAccepting = true;
  private isDraining = false;
  /** While it drains: whether idle connections are still open. */
  private isInGracePeriod = false;
  private acceptErrorLoggedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ListenerOptions, accept: AcceptConnection, services: ListenerServices) {
    this.host = options.host;
    this.source = options.source ?? new ListeningPort(options);
    this.accept = accept;
    this.services = services;
    this.descriptors = options.descriptors;
    this.maxConnections = options.maxConnections;
    this.tls = options.certificates && { certificates: options.certificates };
    this.handshaker = this.tls && createHandshaker(options, this.tls);
    this.handshaker?.on('secureConnection', (socket) => this.giveSecure(socket));
    this.handshaker?.on('tlsClientError', (error, socket) => this.noteHandshakeError(error, socket));
    this.closed = new Promise((resolve) => {
      this.onClosed = resolve;
    });
  }

  /** Opens the port. Whatever connects is heard of before anything else can happen. */
  async listen(): Promise<void> {
    const { source } = this;
    await source.open({
      take: (socket) => this.take(socket),
      fail: (error) => this.noteAcceptError(error),
    });
    this.metrics;
  }

  /** The port that is really open. */
  get port(): number {
    return this.source.port;
  }

  get isSecure(): boolean {
    return this.tls !== undefined;
  }

  /** The connections that were given to `accept` and are open. */
  get connections(): ReadonlySet<Connection> {
    return this.open;
  }

  /**
   * Replaces the certificates for new connections. Sessions of the former ones can still be resumed. Where other clients
   * are taken now, open connections end with what is in flight: who they are was said by the former authorities.
   */
  setCertificates(certificates: CertificateStore): void {
    if (!this.tls) throw new TypeError(`listener ${this.host}:${this.port} has no TLS`);
    const isForOthers = this.tls.certificates.clientKey !== certificates.clientKey;
    this.tls.certificates = certificates;
    if (isForOthers) for (const connection of this.open) connection.drain();
    this.handshaker?.setSecureContext(certificates.defaultOptions);
  }

  /** Changes how many connections may be open. Those that are stay. */
  setMaxConnections(maxConnections: number): void {
    this.maxConnections = maxConnections;
  }

  /** Changes how many connections one client address may hold, and which addresses may hold any number. */
  setShares(perAddress: number, exempt: readonly string[]): void {
    this.shares.limit(perAddress, exempt);
  }

  /** Closes the port. Open connections go on. */
  stopAccepting(): void {
    this.isAccepting = false;
    this.source.close();
    this.noteIfClosed();
  }

  /**
   * Closes the port, lets connections finish what they do, and destroys what is left after `timeoutMs`, if that is given.
   * Idle ones end with the next answer, or after `gracePeriodMs`: a client whose next request is on its way gets its answer.
   * Resolves when all are closed, with the number of those that were cut.
   */
  async drain(timeoutMs: number | undefined, gracePeriodMs = GRACE_PERIOD_MS): Promise<number> {
    this.isDraining = true;
    this.stopAccepting();
    this.isInGracePeriod = gracePeriodMs > 0 && timeoutMs !== 0;
    for (const connection of this.open)
      this.isInGracePeriod ? connection.drainWithGrace() : connection.drain();
    const cancelGracePeriod = this.services.clock.after(gracePeriodMs, () => {
      this.isInGracePeriod = false;
      for (const connection of this.open) connection.drain();
    });
    let cut = 0;
    const cutRest = (): void => {
      cut = this.open.size;
      this.destroyAll();
    };
    const cancelTimeout = timeoutMs === undefined ? () => {} : this.services.clock.after(timeoutMs, cutRest);
    await this.closed;
    cancelGracePeriod();
    cancelTimeout();
    return cut;
  }

  /** Closes the port and all connections at once. */
  async close(): Promise<void> {
    this.isDraining = true;
    this.stopAccepting();
    this.destroyAll();
    await this.closed;
  }

  /** On a plain port, those above the limit get a response, which needs a socket for a moment. */
  private take(socket: Socket): void {
    const room = this.descriptors?.roomFor(socket) ?? 'exchange';
    const isOver = this.sockets.size >= this.maxConnections + (this.isSecure ? 0 : MAX_LINGERING);
    // Where a handshake would have to come first, there is no response that rejects.
    if (isOver || room === 'nothing' || (room === 'rejection' && this.isSecure)) {
      this.metrics.refused.add();
      socket.destroy();
      return;
    }
    const free = socket.remoteAddress === undefined ? () => {} : this.shares.take(socket.remoteAddress);
    if (free === undefined && this.isSecure) {
      this.metrics.refused.add();
      socket.destroy();
      return;
    }
    this.sockets.add(socket);
    socket.once('close', () => {
      this.sockets.delete(socket);
      free?.();
      this.noteIfClosed();
    });
    if (this.handshaker === undefined) this.takePlain(socket, room === 'exchange' && free !== undefined);
    else this.handshaker.emit('connection', socket);
  }

  private takePlain(socket: Socket, hasRoom: boolean): void {
    if (hasRoom && this.open.size < this.maxConnections) {
      this.give(socket, undefined);
    } else {
      this.metrics.refused.add();
      rejectConnection(socket, this.services.clock);
    }
  }

  private giveSecure(socket: TLSSocket): void {
    const { clientCertificates } = (this.tls as TlsState).certificates;
    const certificate =
      clientCertificates === undefined ? undefined : readClientCertificate(socket, clientCertificates.name);
    if (clientCertificates?.required === true && certificate === undefined) {
      this.metrics.handshakesFailed.add();
      socket.destroy();
      return;
    }
    this.give(socket, socket.servername || undefined, certificate);
  }

  private give(
    socket: Socket | TLSSocket,
    serverName: string | undefined,
    certificate?: ClientCertificate,
  ): void {
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || remotePort === undefined) {
      // The client left before we came to ask.
      socket.destroy();
      return;
    }
    const connection = this.accept(socket, {
      remoteAddress: plainAddress(remoteAddress),
      remotePort,
      localPort: this.port,
      isSecure: this.isSecure,
      serverName,
      certificate,
    });
    this.open.add(connection);
    socket.once('close', () => this.open.delete(connection));
    if (this.isInGracePeriod) connection.drainWithGrace();
    else if (this.isDraining) connection.drain();
  }

  private destroyAll(): void {
    for (const connection of this.open) connection.destroy();
    for (const socket of this.sockets) socket.destroy();
  }

  private noteIfClosed(): void {
    if (this.isAccepting || this.sockets.size > 0) return;
    this.known?.removeGauge();
    this.onClosed();
  }

  /** Named by the port that is open, which is known by the first connection at the latest. */
  private get metrics(): ListenerMetrics {
    if (this.known !== undefined) return this.known;
    this.known = createListenerMetrics(this.services, `${this.host}:${this.port}`, () => this.open.size);
    return this.known;
  }

  private noteHandshakeError(error: Error, socket: TLSSocket): void {
    this.metrics.handshakesFailed.add();
    this.services.log.debug({ err: error, remoteAddress: socket.remoteAddress }, 'the TLS handshake failed');
    socket.destroy();
  }

  private noteAcceptError(error: Error): void {
    if (isOwnFault(error) && this.descriptors !== undefined) {
      this.descriptors.noteShortage('client', error);
      return;
    }
    const now = this.services.clock.monotonic();
    if (now - this.acceptErrorLoggedAt < ACCEPT_ERROR_LOG_INTERVAL_MS) return;
    this.acceptErrorLoggedAt = now;
    this.services.log.error(
      { err: error, listener: `${this.host}:${this.port}` },
      'cannot accept connections; raise the limit of open files (ulimit -n), or lower limits.connections',
    );
  }
}

/** Gives an address without the wrapping of IPv4 in IPv6 and without the zone of a link-local one. */
function plainAddress(address: string): string {
  if (!address.includes(':')) return address;
  const plain = address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
  const zoneAt = plain.indexOf('%');
  return zoneAt < 0 ? plain : plain.slice(0, zoneAt);
}
