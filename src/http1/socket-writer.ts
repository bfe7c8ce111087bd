import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { getSystemErrorName } from 'node:util';
import { type DeferredWriter, writeAtEndOfIteration } from './deferred-writes.ts';
import { canWriteDirectly, type DirectWriter, ON_ITS_WAY, TAKEN, writeDirectly } from './direct-write.ts';
import { giveScratch, isNotOwned, takeScratch } from './io-buffers.ts';
import { hasOnreadSymbols } from './onread-symbols.ts';

/** Hears what becomes of the bytes that a socket was given. */
export interface WriterOwner {
  /** What was written, though `write` returned `true`, waits for the system after all. */
  onWriteWaits(): void;
  /** All that was written has been handed to the system. `wasWaitedFor` tells whether a `write` answered `false`. */
  onAllWritten(wasWaitedFor: boolean): void;
  /** The system takes nothing any more. */
  onWriteFailed(error: Error): void;
}

/** Text up to so much waits for the end of the event loop's turn. */
const LATE_BYTES = 16 * 1024;

/**
 * Writes to one socket: short text at the end of the turn, everything straight to the system where the socket is plain, and
 * through Node's stream where it is not.
 */
export class SocketWriter implements DirectWriter, DeferredWriter {
  /** Whether written bytes still wait for the system to take them. */
  isWritePending = false;
  /** Whether the system was given any bytes since this was last set to `false`. */
  hasHandedOver = false;
  hasFailed = false;
  private readonly socket: Socket;
  private readonly owner: WriterOwner;
  private readonly mayWriteDirectly: boolean;
  /** Known at the first write, when there is a connection. */
  private writesDirectly: boolean | undefined = undefined;
  private readonly onWritten: (error?: Error | null) => void;
  /** Text that is written at the end of the turn. */
  private late = '';
  private pendingWrites = 0;
  private isWaitedFor = false;
  private isClosed = false;
  private lastQueued = 0;

  constructor(socket: Socket, owner: WriterOwner) {
    this.socket = socket;
    this.owner = owner;
    this.mayWriteDirectly = hasOnreadSymbols() && !(socket instanceof TLSSocket);
    this.onWritten = (error) => this.finishWrite(error);
  }

  /** Whether all that was written has been handed to the system. */
  get isAllWritten(): boolean {
    return !this.isWritePending && this.late === '';
  }

  /** `Transport.write`. */
  write(data: string | Uint8Array): boolean {
    if (this.isClosed || this.hasFailed) return true;
    if (typeof data !== 'string') return isNotOwned(data) ? this.writeBoth('', data) : this.writeBytes(data);
    return this.isDirect ? this.writeText(data) : this.writeToStream(data);
  }

  /** `Transport.writeBoth`. */
  writeBoth(text: string, chunk: Uint8Array): boolean {
    if (this.isClosed || this.hasFailed) return true;
    if (!isNotOwned(chunk)) {
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

  writeDeferred(): void {
    if (this.late !== '' && !this.isClosed && !this.writeNow('')) this.owner.onWriteWaits();
  }

  onDirectWritten(status: number): void {
    this.finishWrite(status < 0 ? writeError(getSystemErrorName(status)) : undefined);
  }

  /** Tells whether the system took any of the waiting bytes since the last time it was asked. */
  hasProgressed(): boolean {
    const { _handle } = this.socket as unknown as { _handle?: { writeQueueSize?: number } | null };
    const queued = _handle?.writeQueueSize ?? 0;
    const hasProgressed = queued === 0 || queued !== this.lastQueued;
    this.lastQueued = queued;
    return hasProgressed;
  }

  /** Forgets the text that waits for the end of the turn. */
  dropDeferred(): void {
    this.late = '';
  }

  /** The connection is gone. */
  close(): void {
    this.isClosed = true;
    this.late = '';
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
    if (this.isWritePending) this.isWaitedFor = true;
    return !this.isWritePending;
  }

  private writeText(text: string): boolean {
    if (this.isWritePending || text.length + this.late.length > LATE_BYTES) return this.writeNow(text);
    const isFirst = this.late === '';
    this.late += text;
    // It may be written here and now, where many wait already.
    if (isFirst) writeAtEndOfIteration(this);
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
      this.isWaitedFor = true;
      return false;
    }
    this.onDirectWritten(outcome);
    return true;
  }

  private finishWrite(error: Error | null | undefined): void {
    this.pendingWrites--;
    if (error) {
      this.hasFailed = true;
      return this.owner.onWriteFailed(error);
    }
    if (this.pendingWrites > 0) return;
    this.isWritePending = false;
    const wasWaitedFor = this.isWaitedFor;
    this.isWaitedFor = false;
    this.owner.onAllWritten(wasWaitedFor);
  }
}

function writeError(code: string): Error {
  return Object.assign(new Error(`writing failed: ${code}`), { code });
}
