/** Who is to go on in the next turn of the event loop. */
interface Resumable {
  resumeWork(): void;
}

const MAX_SERVED = 16;

/**
 * Bounds how many requests of one connection are served before others have their turn: a client may send thousands at
 * once. TaskQueue are not told apart: who sends one request after the other waits for the others at every sixteenth, which
 * costs it nothing where there are none.
 */
export class RequestsPerIteration {
  private served = 0;
  private isWaiting = false;

  /** Counts a request. */
  count(): void {
    this.served++;
  }

  /** Tells whether one more may be served now. Else `connection` goes on when the others had their turn. */
  mayServe(connection: Resumable): boolean {
    if (this.served < MAX_SERVED) return true;
    if (!this.isWaiting) setImmediate(() => this.begin(connection));
    this.isWaiting = true;
    return false;
  }

  private begin(connection: Resumable): void {
    this.served = 0;
    this.isWaiting = false;
    connection.resumeWork();
  }
}
