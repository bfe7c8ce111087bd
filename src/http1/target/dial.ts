import { isIP, Socket, type TcpNetConnectOpts } from 'node:net';
import tls, { type ConnectionOptions } from 'node:tls';
import { GatewayError } from '../../core/errors.ts';
import { isOwnFault } from '../../core/network/own-fault.ts';
import { SECURE_OPTIONS } from '../../core/tls-options.ts';
import type { Deadlined, Deadlines } from '../deadlines.ts';
import type { Link } from '../link.ts';
import { llhttp } from '../llhttp.ts';
import type { Lookup } from './lookup.ts';

/** Where a target listens: a host and a port, or a socket file. */
export type Place =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** How to connect. */
export interface DialOptions {
  readonly place: Place;
  /** TLS settings, `undefined` for plain TCP. */
  readonly tls: ConnectionOptions | undefined;
  readonly connectMs: number;
  readonly lookup: Lookup;
  /** Hears of each socket that is opened. */
  readonly onSocket?: (socket: Socket) => void;
  /** Hears of TLS sessions that a later connection may go on with. */
  readonly onSession?: (session: Buffer) => void;
}

export interface DialOwner {
  onLink(dial: Dial, link: Link): void;
  onDialFailed(dial: Dial, error: Error): void;
}

/** After how long without success the next address is tried beside the one under way (RFC 8305 §5). */
const NEXT_ADDRESS_MS = 250;
/** How long a connection is silent before the system asks whether the target is still there. */
const TCP_KEEP_ALIVE_MS = 60_000;

/**
 * Opens one connection. Of a name with several addresses the next is tried when one fails or takes long, and none is
 * given up meanwhile: the first that connects is taken, and `connectMs` is for all of it.
 */
export class Dial implements Deadlined {
  deadline: number;
  private readonly options: DialOptions;
  private readonly owner: DialOwner;
  private readonly deadlines: Deadlines;
  private readonly givenUpAt: number;
  /** What is being opened, and how to stop listening to it. */
  private readonly links = new Map<Link, () => void>();
  private waiting: string[] = [];
  private error: Error | undefined = undefined;
  private isOver = false;

  constructor(options: DialOptions, owner: DialOwner, deadlines: Deadlines) {
    this.options = options;
    this.owner = owner;
    this.deadlines = deadlines;
    this.givenUpAt = deadlines.after(options.connectMs);
    this.deadline = this.givenUpAt;
    deadlines.watch(this);
  }

  /** Begins. What comes of it is told later, never before this returns. */
  start(): void {
    const { place, lookup } = this.options;
    if (place.kind === 'unix') return this.open({ path: place.path });
    if (isIP(place.host) !== 0) return this.open({ host: place.host, port: place.port });
    lookup(place.host, (error, addresses) => {
      if (this.isOver) return;
      if (error !== undefined) return this.fail(error);
      this.waiting = byTurns(addresses);
      this.tryNext();
    });
  }

  /** Gives up without a word. */
  cancel(): void {
    this.finish(undefined);
  }

  onDeadline(): void {
    if (this.waiting.length > 0 && this.deadlines.now < this.givenUpAt) return this.tryNext();
    this.fail(new GatewayError('GW_UPSTREAM_UNREACHABLE', { cause: 'connecting took too long' }));
  }

  private tryNext(): void {
    const host = this.waiting.shift();
    if (host === undefined || this.options.place.kind === 'unix') {
      return this.fail(this.error ?? new Error('the name has no address'));
    }
    const next = this.waiting.length > 0 ? this.deadlines.after(NEXT_ADDRESS_MS) : this.givenUpAt;
    this.deadline = Math.min(next, this.givenUpAt);
    this.open({ host, port: this.options.place.port });
  }

  private open(to: { host: string; port: number } | { path: string }): void {
    const { tls: secure } = this.options;
    const link = secure === undefined ? openPlain(to) : openTls(to, secure, this.nameToVerify);
    const { socket } = link;
    const onError = (error: Error): void => {
      this.note(error);
      this.lose(link);
    };
    const onClose = (): void => this.lose(link);
    socket.on('error', onError).on('close', onClose);
    this.options.onSocket?.(socket);
    this.links.set(link, () => socket.off('error', onError).off('close', onClose));
    socket.once('connect', () => this.choose(link));
    if (secure !== undefined) socket.once('secureConnect', () => this.settle(link));
    if (this.options.onSession !== undefined) socket.on('session', this.options.onSession);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEP_ALIVE_MS);
  }

  /** This address answers: the others are not needed, though TLS may still take its time. */
  private choose(link: Link): void {
    if (this.isOver) return;
    this.waiting.length = 0;
    this.deadline = this.givenUpAt;
    this.dropAllBut(link);
    if (this.options.tls === undefined) this.settle(link);
  }

  private settle(link: Link): void {
    if (this.isOver) return;
    this.finish(link);
    this.links.get(link)?.();
    this.owner.onLink(this, link);
  }

  private lose(link: Link): void {
    if (!this.links.delete(link) || this.isOver) return;
    if (this.waiting.length > 0) return this.tryNext();
    if (this.links.size === 0) this.fail(this.error ?? new Error('the connection was closed at once'));
  }

  /** Of several addresses, what says something about the target counts before what says only something about us. */
  private note(error: Error): void {
    if (this.error === undefined || (isOwnFault(this.error) && !isOwnFault(error))) this.error = error;
  }

  private fail(error: Error): void {
    if (this.isOver) return;
    this.finish(undefined);
    this.owner.onDialFailed(this, error);
  }

  private finish(kept: Link | undefined): void {
    this.isOver = true;
    this.deadlines.forget(this);
    this.dropAllBut(kept);
  }

  private dropAllBut(kept: Link | undefined): void {
    for (const link of this.links.keys()) {
      if (link === kept) continue;
      // Still listened to: an error that nobody hears would end the process.
      link.socket.destroy();
      this.links.delete(link);
    }
  }

  private get nameToVerify(): string {
    const { place, tls: secure } = this.options;
    return secure?.servername ?? (place.kind === 'tcp' ? place.host : 'localhost');
  }
}

/** Puts addresses of both families by turns, beginning with the system's first choice (RFC 8305 §4). */
function byTurns(addresses: readonly string[]): string[] {
  const first = addresses.filter((address) => isIP(address) === isIP(addresses[0] as string));
  const others = addresses.filter((address) => !first.includes(address));
  const all: string[] = [];
  for (let i = 0; i < Math.max(first.length, others.length); i++) {
    for (const address of [first[i], others[i]]) if (address !== undefined) all.push(address);
  }
  return all;
}

function openPlain(to: { host: string; port: number } | { path: string }): Link {
  const { reader, onread } = createReader();
  // A server may answer and close while the request is still being sent to it: the response counts.
  const socket = new Socket({ allowHalfOpen: true, onread } as ConstructorParameters<typeof Socket>[0]);
  socket.connect(to as TcpNetConnectOpts);
  return { socket, reader };
}

function openTls(to: object, secure: ConnectionOptions, name: string): Link {
  const { reader, onread } = createReader();
  const options = {
    secureOptions: SECURE_OPTIONS,
    ...secure,
    ...to,
    allowHalfOpen: true,
    onread,
    // The certificate is that of the name, whichever of its addresses is connected to.
    checkServerIdentity: (_: string, certificate: tls.PeerCertificate) =>
      tls.checkServerIdentity(name, certificate),
  };
  return { socket: tls.connect(options as ConnectionOptions), reader };
}

function createReader() {
  const reader: Link['reader'] = {};
  const onread = {
    buffer: () => reader.current?.nextBuffer() ?? llhttp().input,
    // Who speaks before being asked is heard by nobody.
    callback: (length: number, bytes: Uint8Array) => reader.current?.receive(length, bytes as Buffer) ?? true,
  };
  return { reader, onread };
}
