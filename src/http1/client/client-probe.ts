import type { Deadlines } from '../deadlines.ts';
import type { ClientExchange } from './client-exchange.ts';

const FIRST_MS = 100;
/** Longest time between two questions to a silent client whether it is still there. */
const MAX_MS = 10_000;

/**
 * Of interim responses (RFC 9110 §15.2) the one that every HTTP/1.1 client skips, asked for or not; some take another
 * for the response.
 */
const QUESTION = 'HTTP/1.1 100 Continue\r\n\r\n';

/**
 * Asks a client that sent FIN whether it is there: it may have left, or may only have said all. Who has left answers any
 * bytes with a reset.
 */
export class ClientProbe {
  readonly kind = 'probing';
  readonly exchange: ClientExchange;
  private readonly deadlines: Deadlines;
  /** Until the next question: twice the pause before it. */
  private waitMs = 0;

  constructor(exchange: ClientExchange, deadlines: Deadlines) {
    this.exchange = exchange;
    this.deadlines = deadlines;
  }

  /** When to ask next. */
  next(): number {
    return this.deadlines.after(this.waitMs);
  }

  /** Asks, and returns when to ask again. HTTP/1.0 knows no way to ask, and is believed to be waiting. */
  ask(connection: { send(text: string): void }): number {
    const { exchange } = this;
    if (!exchange.isAwaitingHead || exchange.httpVersion === '1.0') return Number.POSITIVE_INFINITY;
    connection.send(QUESTION);
    const next = this.next();
    this.waitMs = Math.min(Math.max(2 * this.waitMs, FIRST_MS), MAX_MS);
    return next;
  }
}
