import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import { onTestFinished, TestRunner } from 'vitest';
import { LOOPBACK } from './loopback.ts';

/** Whether gateways and clients of this run speak TLS: it is a project of its own in `vitest.config.ts`. */
export const SPEAKS_TLS = process.env.SALLYPORT_TEST_TLS === '1';

/** A TCP client: sends bytes as they are and keeps what comes back. Ends with the test that made it. */
export class RawClient {
  readonly socket: Socket;
  /** Everything received so far, as latin1. */
  received = '';
  /** Whether the other side sent FIN. */
  hasEnded = false;
  isClosed = false;
  /** Whether the connection was broken instead of ended. */
  wasReset = false;
  private waiting: (() => void)[] = [];

  /** Connects to a port of the loopback. */
  static async connect(port: number): Promise<RawClient> {
    const client = new RawClient(port);
    await once(client.socket, SPEAKS_TLS ? 'secureConnect' : 'connect');
    return client;
  }

  private constructor(port: number) {
    const options = { port, host: LOOPBACK, allowHalfOpen: true };
    this.socket = SPEAKS_TLS ? tlsConnect({ ...options, rejectUnauthorized: false }) : connect(options);
    this.socket.setNoDelay(true);
    this.socket.on('data', (chunk) => {
      this.received += chunk.toString('latin1');
      this.notify();
    });
    this.socket.on('end', () => {
      this.hasEnded = true;
      this.notify();
    });
    this.socket.on('error', () => {
      this.wasReset = true;
    });
    this.socket.on('close', () => {
      this.isClosed = true;
      this.notify();
    });
    if (TestRunner.getCurrentTest() !== undefined) onTestFinished(() => this.destroy());
  }

  /** Sends bytes, text as latin1. */
  write(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Sends each piece by itself, so that the other side, in this same process, reads it by itself. */
  async writePieces(pieces: Iterable<string | Uint8Array>): Promise<void> {
    for (const piece of pieces) {
      this.write(piece);
      await nextTurn();
      await nextTurn();
    }
  }

  /** Sends FIN; the other side can still answer. */
  end(): void {
    this.socket.end();
  }

  /** Leaves at once, with a reset if `abruptly`. */
  destroy(abruptly = false): void {
    if (abruptly) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  /** Waits until `isMet` holds of what was received. Throws when the connection ends before. */
  async until(isMet: (received: string) => boolean): Promise<string> {
    while (!isMet(this.received)) {
      if (this.hasEnded || this.isClosed) {
        throw new Error(`the connection ended after ${JSON.stringify(this.received.slice(-2000))}`);
      }
      await this.change();
    }
    return this.received;
  }

  /** Waits for FIN or reset, ends too, as clients do, and returns everything received. */
  async ended(): Promise<string> {
    await this.heardEnd();
    this.socket.end();
    return this.received;
  }

  /** Waits for FIN or reset, and does nothing about it. Returns everything received. */
  async heardEnd(): Promise<string> {
    while (!this.hasEnded && !this.isClosed) await this.change();
    return this.received;
  }

  /** Waits for the first text that holds `text`, and forgets everything up to its end. Returns what was before. */
  async take(text: string): Promise<string> {
    await this.until((received) => received.includes(text));
    const at = this.received.indexOf(text);
    const before = this.received.slice(0, at);
    this.received = this.received.slice(at + text.length);
    return before;
  }

  private change(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private notify(): void {
    for (const wake of this.waiting.splice(0)) wake();
  }
}

export interface RawRequestOptions {
  /** When to stop. Default: when the other side ends the connection. */
  readonly until?: (received: string) => boolean;
}

/** Sends bytes on a new connection, an array piece by piece, and returns what comes back, as latin1. */
export async function rawRequest(
  port: number,
  bytes: string | Uint8Array | readonly (string | Uint8Array)[],
  { until }: RawRequestOptions = {},
): Promise<string> {
  const client = await RawClient.connect(port);
  if (typeof bytes === 'string' || bytes instanceof Uint8Array) client.write(bytes);
  else await client.writePieces(bytes);
  const received = until === undefined ? await client.ended() : await client.until(until);
  client.destroy();
  return received;
}
