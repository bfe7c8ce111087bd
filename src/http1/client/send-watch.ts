import type { Deadlines } from '../deadlines.ts';
import type { Transport } from '../transport.ts';

const CHECK_MS = 1000;

/** Tells whether a client takes nothing of what waits for it. */
export class SendWatch {
  private readonly transport: Transport;
  private readonly deadlines: Deadlines;
  private readonly idleMs: number;
  private lastProgressAt = 0;

  constructor(transport: Transport, deadlines: Deadlines, idleMs: number) {
    this.transport = transport;
    this.deadlines = deadlines;
    this.idleMs = idleMs;
  }

  /** When to look again. */
  next(): number {
    return this.deadlines.after(CHECK_MS);
  }

  /** Bytes were written, or have gone. */
  progress(): void {
    this.lastProgressAt = this.deadlines.now;
  }

  /** Judges the client at a check. */
  isStalled(): boolean {
    if (this.transport.hasWriteProgressed()) this.progress();
    return this.deadlines.now - this.lastProgressAt > this.idleMs;
  }
}
