import type { Deadlines } from '../deadlines.ts';
import type { ClientExchange } from './client-exchange.ts';

const FIRST_MS = 100;
/** Longest time between two questions to a silent client whether it is still there. */
const MAX_MS = 10_000;

/**
 * Of interim responses (RFC 9110 §15.2) the one that every HTTP/1.1 client skips, asked for or not; some take another
 * for the answer.
 */
const QUESTION = 'HTTP/1.1 100 Continue\r\n\r\n';

/**
 * Asks a client that sent FIN whether it is there: it may have left, or may only have said all. Who has left answers any
 * bytes with a reset.
 */
export class ClientProbe {
  /** Until the next question: twice the pause before it. */
  waitMs = 0;

  start(): void {
    this.waitMs = 0;
  }

  /** Asks, and returns when to ask again. HTTP/1.0 knows no way to ask, and is believed to be waiting. */
  ask(
    connection: { send(text: string): void },
    exchange: ClientExchange | undefined,
    deadlines: Deadlines,
  ): number {
    if (exchange === undefined || !exchange.isAwaitingHead || exchange.httpVersion === '1.0')
      return Number.POSITIVE_INFINITY;
    connection.send(QUESTION);
    const next = deadlines.after(this.waitMs);
    this.waitMs = Math.min(Math.max(2 * this.waitMs, FIRST_MS), MAX_MS);
    return next;
  }
}
