import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** A socket without a network: what is written to it is kept, what it receives is given to `receive`. */
export class MemorySocket extends Duplex {
  private readonly chunks: Buffer[] = [];
  /** Whether the connection was broken rather than closed. */
  wasReset = false;
  /** What a `net.Socket` writes to; everything is taken at once. */
  readonly _handle: object | undefined;

  /** With `isPlain`, the engine writes to it as it does to a plain TCP socket: without waiting. */
  constructor({ isPlain = false } = {}) {
    super({ allowHalfOpen: true, decodeStrings: false });
    const take = (_request: object, data: string | Buffer): number => {
      this._write(data, 'latin1', () => {});
      return 0;
    };
    if (isPlain) {
      // The same for where the engine uses nothing but the public API.
      this.write = (data: string | Buffer, ...rest: unknown[]): boolean => {
        const done = rest.find((argument) => typeof argument === 'function') as (() => void) | undefined;
        this._write(data, 'latin1', done ?? (() => {}));
        return true;
      };
    }
    this._handle = isPlain ? { writeQueueSize: 0, writeLatin1String: take, writeBuffer: take } : undefined;
  }

  /** This as what a server or client takes for a connected socket. */
  asSocket(): Socket {
    return this as unknown as Socket;
  }

  /** Everything that was sent on it. */
  get sent(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  /** How many pieces that was. */
  get writes(): number {
    return this.chunks.length;
  }

  resetAndDestroy(): this {
    this.wasReset = true;
    return this.destroy();
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {}

  override _write(chunk: string | Buffer, encoding: BufferEncoding, done: () => void): void {
    this.chunks.push(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : Buffer.from(chunk));
    done();
  }
}
