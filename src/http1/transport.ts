import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { getSystemErrorName } from 'node:util';
import { guardTlsEnd } from './close-notify.ts';
import { canWriteDirectly, type DirectWriter, ON_ITS_WAY, TAKEN, writeDirectly } from './direct-write.ts';
import { giveBuffer, giveScratch, isBorrowed, takeBuffer, takeScratch } from './io-buffers.ts';
import { type LateWriter, writeAtEndOfTurn } from './late-writes.ts';
import type { Link, LinkReader } from './link.ts';
import { llhttp } from './llhttp.ts';

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

/** The parts of Node that have no public name, used only where they are found (`findSymbols`). */
interface SocketInternals {
  _handle?: { useUserBuffer?: (buffer: Uint8Array) => void; writeQueueSize?: number } | null;
  [symbol: symbol]: unknown;
}

/** Text up to so much waits for the end of the event loop's turn. */
const LATE_BYTES = 16 * 1024;

/**
 * The bytes of one socket, both ways, with as few copies and wake-ups as Node allows.
 *
 * Reads land in llhttp's input region, which all connections share, since a read is worked off before the next one
 * begins. While a large body flows, the connection reads into a buffer of its own, so that a chunk that the other side
 * could not take at once needs no copy.
 */
export class Transport implements DirectWriter, LateWriter, LinkReader {
  readonly socket: Socket;
  /** Whether written bytes still wait for the system to take them. */
  isWritePending = false;
  /** Whether the system was given any bytes since this was last set to `false`. */
  hasHandedOver = false;
  isPaused = false;
  isClosed = false;
  private readonly owner: TransportOwner;
  private readonly isTls: boolean;
  private readonly mayWriteDirectly: boolean;
  /** Known at the first write, when there is a connection. */
  private writesDirectly: boolean | undefined = undefined;
  /** Whether what the peer sent is read to its end though nothing can be sent to it any more. */
  private readonly readsOn: boolean;
  private readonly onWritten: (error?: Error | null) => void;
  /** Text that is written at the end of the turn. */
  private late = '';
  private pendingWrites = 0;
  private needsDrain = false;
  /** What is being delivered right now. */
  private delivering: Buffer | undefined = undefined;
  private usesOwnBuffer = false;
  private own: Buffer | undefined = undefined;
  private lent: Buffer | undefined = undefined;
  private held: Buffer[] = [];
  /** The peer ended while bytes from it still wait. */
  private owesEnd = false;
  private hasWriteFailed = false;
  private error: Error | undefined = undefined;
  /** Whether the end of what the peer sends must be its own word. */
  private wantsCloseNotify = false;
  private isEndGuarded = false;
  private lastQueued = 0;

  /** Takes over a socket that a server accepted. */
  static accept(socket: Socket, owner: TransportOwner): Transport {
    const transport = new Transport(socket, owner, false);
    transport.readAccepted();
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
    this.mayWriteDirectly = onreadSymbols() !== undefined && !this.isTls;
    this.onWritten = (error) => this.finishWrite(error);
    socket.on('error', (error) => {
      this.error ??= error;
    });
    socket.on('end', () => this.receiveEnd());
    socket.on('close', () => this.close());
  }

  /**
   * Sends bytes, a string as latin1. Returns `true` when the system took them all or will be given them shortly, else
   * `false`: then the bytes must not change until `onDrain`. What lies in the shared input region is copied.
   */
  write(data: string | Uint8Array): boolean {
    if (this.isClosed || this.hasWriteFailed) return true;
    if (typeof data !== 'string') return isBorrowed(data) ? this.writeBoth('', data) : this.writeBytes(data);
    if (this.isDirect) return this.writeText(data);
    return this.writeToStream(data);
  }

  /** Sends `text` (latin1) and then `chunk`, as one where the chunk has to be copied anyway. */
  writeBoth(text: string, chunk: Uint8Array): boolean {
    if (this.isClosed || this.hasWriteFailed) return true;
    if (!isBorrowed(chunk)) {
      if (text !== '') this.write(text);
      return this.writeBytes(chunk);
    }
    const both = takeScratch(text.length + chunk.length);
    both.latin1Write(text, 0);
    both.set(chunk, text.length);
    const isTaken = this.writeBytes(both);
    if (isTaken) giveScratch(both);
    return isTaken;
  }

  /** Whether all that was written has been handed to the system. */
  get isAllWritten(): boolean {
    return !this.isWritePending && this.late === '';
  }

  writeLate(): void {
    if (this.late !== '' && !this.isClosed && !this.writeNow('')) this.owner.onWriteWaits();
  }

  onDirectWritten(status: number): void {
    this.finishWrite(status < 0 ? writeError(getSystemErrorName(status)) : undefined);
  }

  /** Whether the end of the connection is known, though its owner may not have been told yet. */
  get isEnding(): boolean {
    return this.hasWriteFailed || this.socket.destroyed || !this.socket.readable;
  }

  /** Tells whether the system took any of the waiting bytes since the last time it was asked. */
  hasWriteProgressed(): boolean {
    const queued = (this.socket as unknown as SocketInternals)._handle?.writeQueueSize ?? 0;
    const hasProgressed = queued === 0 || queued !== this.lastQueued;
    this.lastQueued = queued;
    return hasProgressed;
  }

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
    this.writeLate();
    this.socket.end();
  }

  /** Closes at once, dropping what waits. */
  destroy(): void {
    this.late = '';
    this.socket.destroy();
  }

  /** Breaks the connection so that the peer cannot take what it got as whole. */
  reset(): void {
    if (this.isClosed) return;
    this.writeLate();
    if (this.isTls) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  private readAccepted(): void {
    const symbols = onreadSymbols();
    const internals = this.socket as unknown as SocketInternals;
    const handle = internals._handle;
    if (symbols === undefined || typeof handle?.useUserBuffer !== 'function') {
      this.socket.on('data', (chunk: Buffer) => this.receive(chunk.length, chunk) || this.socket.pause());
      return;
    }
    const early = this.socket.read() as Buffer | null;
    internals[symbols.buffer] = llhttp().input;
    internals[symbols.callback] = (length: number, bytes: Buffer) => this.receive(length, bytes);
    internals[symbols.generator] = () => this.nextBuffer();
    handle.useUserBuffer(llhttp().input);
    if (early !== null) setImmediate(() => this.receive(early.length, early));
  }

  private get isDirect(): boolean {
    this.writesDirectly ??= this.mayWriteDirectly && canWriteDirectly(this.socket);
    return this.writesDirectly;
  }

  private writeBytes(bytes: Uint8Array): boolean {
    return this.isDirect ? this.writeNow(bytes) : this.writeToStream(bytes);
  }

  private writeToStream(data: string | Uint8Array): boolean {
    this.hasHandedOver = true;
    this.pendingWrites++;
    this.isWritePending = true;
    this.socket.write(data as string, typeof data === 'string' ? 'latin1' : undefined, this.onWritten);
    if (this.isWritePending) this.needsDrain = true;
    return !this.isWritePending;
  }

  private writeText(text: string): boolean {
    if (this.isWritePending || text.length + this.late.length > LATE_BYTES) return this.writeNow(text);
    const isFirst = this.late === '';
    this.late += text;
    // It may be written here and now, where many wait already.
    if (isFirst) writeAtEndOfTurn(this);
    return !this.isWritePending;
  }

  /** Writes `data` behind the text that waits for the end of the turn. */
  private writeNow(data: string | Uint8Array): boolean {
    const isText = typeof data === 'string';
    const text = isText ? this.late + data : this.late;
    this.late = '';
    const isTextTaken = text === '' || this.writeOne(text);
    return isText ? isTextTaken : this.writeOne(data);
  }

  private writeOne(data: string | Uint8Array): boolean {
    const outcome = writeDirectly(this.socket, data, this);
    // An error says that it took none of these bytes.
    if (outcome === TAKEN || outcome === ON_ITS_WAY) this.hasHandedOver = true;
    if (outcome === TAKEN) return !this.isWritePending;
    this.pendingWrites++;
    this.isWritePending = true;
    if (outcome === ON_ITS_WAY) {
      this.needsDrain = true;
      return false;
    }
    this.onDirectWritten(outcome);
    return true;
  }

  /** Takes what was read. Answers whether to read on. For who reads. */
  receive(length: number, bytes: Buffer): boolean {
    if (this.isClosed) return true;
    if (this.isPaused) this.held.push(Buffer.from(bytes.subarray(0, length)));
    else this.deliver(length, bytes);
    return !this.isPaused;
  }

  /** TLS tells of the end together with the last bytes, which may have to wait. */
  private receiveEnd(): void {
    this.owesEnd = this.isPaused;
    if (!this.owesEnd) this.owner.onEnd();
  }

  private deliver(length: number, bytes: Buffer): void {
    this.delivering = bytes;
    this.owner.onBytes(bytes, length);
    this.delivering = undefined;
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

  private finishWrite(error: Error | null | undefined): void {
    this.pendingWrites--;
    if (error) {
      this.error ??= error;
      this.hasWriteFailed = true;
      if (!this.readsOn) this.socket.destroy();
      return;
    }
    if (this.pendingWrites > 0) return;
    this.isWritePending = false;
    if (this.wantsCloseNotify) this.guardEnd();
    if (!this.needsDrain) return;
    this.needsDrain = false;
    if (!this.isClosed) this.owner.onDrain();
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
    this.late = '';
    this.held.length = 0;
    this.owner.onClose(this.error);
  }
}

function writeError(code: string): Error {
  return Object.assign(new Error(`writing failed: ${code}`), { code });
}

interface Symbols {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

let foundSymbols: Symbols | undefined | null = null;

function onreadSymbols(): Symbols | undefined {
  if (foundSymbols === null) foundSymbols = findSymbols();
  return foundSymbols;
}

/** Finds the symbols under which a socket keeps its `onread` option, or answers `undefined` on a Node without them. */
function findSymbols(): Symbols | undefined {
  if (process.env.SALLYPORT_PUBLIC_SOCKETS === '1') return undefined;
  const found = new Map(
    Object.getOwnPropertySymbols(new Socket()).map((symbol) => [symbol.description, symbol]),
  );
  const buffer = found.get('kBuffer');
  const callback = found.get('kBufferCb');
  const generator = found.get('kBufferGen');
  return buffer && callback && generator ? { buffer, callback, generator } : undefined;
}
