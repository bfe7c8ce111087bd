import type { Deadlines } from '../deadlines.ts';

/** How long a client that says nothing has to end its side. */
const SILENT_MS = 2000;
/** How long it has in all. */
const MAX_MS = 30_000;

/**
 * The last answer is out and FIN behind it: what still comes is dropped for a while, since a reset, which is what bytes to a
 * closed socket get, would take the response from the client (RFC 9112 §9.6).
 */
export class Lingering {
  readonly kind = 'lingering';
  private readonly deadlines: Deadlines;
  private readonly endsAt: number;

  constructor(deadlines: Deadlines) {
    this.deadlines = deadlines;
    this.endsAt = deadlines.after(MAX_MS);
  }

  /** When it is over if nothing more happens. */
  next(): number {
    return Math.min(this.deadlines.after(SILENT_MS), this.endsAt);
  }
}
