import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { guardTlsEnd } from './close-notify.ts';
import { giveBuffer, takeBuffer } from './io-buffers.ts';
import type { Link, LinkReader } from './link.ts';
import { llhttp } from './llhttp.ts';
import { readAccepted } from './onread-symbols.ts';
import { SocketWriter, type WriterOwner } from './socket-writer.ts';

/** Hears what happens on a connection. */
export interface TransportOwner {
  /**
   * Takes received bytes, which lie in `bytes` up to `length`. They are valid until this returns, and in the
   * transport's own buffer (`useOwnBuffer`) after a `pause` until `resume`.
   */
  onBytes(bytes: Buffer, length: number): void;
  /** The peer will send no more. */
  onEnd(): void;
  /** What was written, though `write` returned `true`, waits for the system after all. */
  onWriteWaits(): void;
  /** All that was written has been handed to the system, after it had to wait. */
  onDrain(): void;
  /** The connection is gone. */
  onClose(error: Error | undefined): void;
}

/**
 * The bytes of one socket, both ways, with as few copies and wake-ups as Node allows; `SocketWriter` writes them.
 *
 * Reads land in llhttp's input region, which all connections share, since a read is worked off before the next one
 * begins. While a large body flows, the connection reads into a buffer of its own, so that a chunk that the other side
 * could not take at once needs no copy.
 */
export class Transport implements LinkReader, WriterOwner {
  readonly socket: Socket;
  isPaused = false;
  isClosed = false;
  private readonly owner: TransportOwner;
  private readonly writer: SocketWriter;
  private readonly isTls: boolean;
  /** Whether what the peer sent is read to its end though nothing can be sent to it any more. */
  private readonly readsOn: boolean;
  /** What is being delivered right now. */
  private delivering: Buffer | undefined = undefined;
  private usesOwnBuffer = false;
  private own: Buffer | undefined = undefined;
  private lent: Buffer | undefined = undefined;
  private held: Buffer[] = [];
  /** The peer ended while bytes from it still wait. */
  private owesEnd = false;
  private error: Error | undefined = undefined;
  /** Whether the end of what the peer sends must be its own word. */
  private wantsCloseNotify = false;
  private isEndGuarded = false;

  /** Takes over a socket that a server accepted. */
  static accept(socket: Socket, owner: TransportOwner): Transport {
    const transport = new Transport(socket, owner, false);
    readAccepted(socket, transport);
    return transport;
  }

  /** Takes over a connection to a target. */
  static adopt({ socket, reader }: Link, owner: TransportOwner): Transport {
    const transport = new Transport(socket, owner, true);
    reader.current = transport;
    return transport;
  }

  private constructor(socket: Socket, owner: TransportOwner, readsOn: boolean) {
    this.socket = socket;
    this.owner = owner;
    this.readsOn = readsOn;
    this.isTls = socket instanceof TLSSocket;
    this.writer = new SocketWriter(socket, this);
    socket.on('error', (error) => {
      this.error ??= error;
    });
    socket.on('end', () => this.receiveEnd());
    socket.on('close', () => this.close());
  }

  // Writing

  /**
   * Sends bytes, a string as latin1. Returns `true` when the system took them all or will be given them shortly, else
   * `false`: then the bytes must not change until `onDrain`. What lies in the shared input region is copied.
   */
  write(data: string | Uint8Array): boolean {
    return this.writer.write(data);
  }

  /** Sends `text` (latin1) and then `chunk`, as one where the chunk has to be copied anyway. */
  writeBoth(text: string, chunk: Uint8Array): boolean {
    return this.writer.writeBoth(text, chunk);
  }

  /** Whether written bytes still wait for the system to take them. */
  get isWritePending(): boolean {
    return this.writer.isWritePending;
  }

  /** Whether all that was written has been handed to the system. */
  get isAllWritten(): boolean {
    return this.writer.isAllWritten;
  }

  /** Whether the system was given any bytes since this was last set to `false`. */
  get hasHandedOver(): boolean {
    return this.writer.hasHandedOver;
  }

  set hasHandedOver(value: boolean) {
    this.writer.hasHandedOver = value;
  }

  /** Tells whether the system took any of the waiting bytes since the last time it was asked. */
  hasWriteProgressed(): boolean {
    return this.writer.hasProgressed();
  }

  /** Writes what waits for the end of the turn. */
  writeDeferred(): void {
    this.writer.writeDeferred();
  }

  onWriteWaits(): void {
    this.owner.onWriteWaits();
  }

  onAllWritten(wasWaitedFor: boolean): void {
    if (this.wantsCloseNotify) this.guardEnd();
    if (wasWaitedFor && !this.isClosed) this.owner.onDrain();
  }

  onWriteFailed(error: Error): void {
    this.error ??= error;
    if (!this.readsOn) this.socket.destroy();
  }

  // Reading

  /** Stops reading until `resume`. */
  pause(): void {
    if (this.isPaused) return;
    this.isPaused = true;
    if (this.delivering === undefined) this.socket.pause();
    // TLS still hands over the rest of what it has decrypted, which must not land on the chunk that waits.
    else if (this.isTls && this.delivering === this.own) {
      this.lent = this.own;
      this.own = takeBuffer();
    }
  }

  resume(): void {
    if (!this.isPaused || this.isClosed) return;
    this.isPaused = false;
    // Who resumes while being given bytes may still be handed the rest of them.
    if (this.lent !== undefined && this.lent !== this.delivering) giveBuffer(this.lent);
    this.lent = undefined;
    if (this.delivering !== undefined) return;
    while (this.held.length > 0 && !this.isPaused) {
      const chunk = this.held.shift() as Buffer;
      this.deliver(chunk.length, chunk);
    }
    if (this.isPaused || this.isClosed) return;
    if (this.owesEnd) this.receiveEnd();
    else this.socket.resume();
  }

  /** Reads into a buffer of this connection from the next read on: for large bodies. */
  useOwnBuffer(): void {
    this.usesOwnBuffer = true;
  }

  /** Goes back to the shared input region. */
  useSharedBuffer(): void {
    this.usesOwnBuffer = false;
  }

  /** Goes on without the own buffer and does not use it again: what it holds still waits to be sent. */
  forgetOwnBuffer(): void {
    this.own = undefined;
  }

  /** Takes what was read. Answers whether to read on. For who reads. */
  receive(length: number, bytes: Buffer): boolean {
    if (this.isClosed) return true;
    if (this.isPaused) this.held.push(Buffer.from(bytes.subarray(0, length)));
    else this.deliver(length, bytes);
    return !this.isPaused;
  }

  /** The buffer for the next read, for who reads. Node asks right after each read, so what was read before has been worked off. */
  nextBuffer(): Buffer {
    if (this.usesOwnBuffer) {
      this.own ??= takeBuffer();
      return this.own;
    }
    if (this.own !== undefined) giveBuffer(this.own);
    this.own = undefined;
    return llhttp().input;
  }

  private deliver(length: number, bytes: Buffer): void {
    this.delivering = bytes;
    this.owner.onBytes(bytes, length);
    this.delivering = undefined;
  }

  // Ends

  /** Whether the end of the connection is known, though its owner may not have been told yet. */
  get isEnding(): boolean {
    return this.writer.hasFailed || this.socket.destroyed || !this.socket.readable;
  }

  /**
   * From now on a TLS peer ends what it sends by `close_notify` only, and a bare FIN breaks the connection (RFC 9112
   * §9.8). Only where all was written and nothing will be any more.
   */
  requireCloseNotify(): void {
    this.wantsCloseNotify = this.isTls;
    this.guardEnd();
  }

  /** Whether an end that is told now is the peer's own word, as far as the protocol knows one. */
  get isEndAuthentic(): boolean {
    return !this.isTls || this.isEndGuarded;
  }

  /** Sends FIN behind what was written. */
  end(): void {
    if (this.isClosed) return;
    this.writeDeferred();
    // Where both sides end, the second call would make an error, with its stack, that nobody sees.
    if (!this.socket.writableEnded) this.socket.end();
  }

  /** Closes at once, dropping what waits. */
  destroy(): void {
    this.writer.dropDeferred();
    this.socket.destroy();
  }

  /** Breaks the connection so that the peer cannot take what it got as whole. */
  reset(): void {
    if (this.isClosed) return;
    this.writeDeferred();
    if (this.isTls) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  /** TLS tells of the end together with the last bytes, which may have to wait. */
  private receiveEnd(): void {
    this.owesEnd = this.isPaused;
    if (!this.owesEnd) this.owner.onEnd();
  }

  private guardEnd(): void {
    if (!this.wantsCloseNotify || this.isEndGuarded || this.isClosed || !this.isAllWritten) return;
    this.isEndGuarded = guardTlsEnd(this.socket, () => {
      this.error ??= new Error('the connection ended without close_notify');
      this.socket.destroy();
    });
  }

  private close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.writer.close();
    this.held.length = 0;
    this.owner.onClose(this.error);
  }
}
