import { Readable } from 'node:stream';
import type { BodySource } from '../core/body.ts';

/** Hears how the request body of an app gets on. */
export interface AppRequestBodyOwner {
  /** The app is to act: it has the whole body, or more of it than it reads. */
  onAppsTurn(): void;
  /** The client is to send more. */
  onClientsTurn(): void;
  /** The client broke its body off. */
  onBroken(error: Error): void;
}

/**
 * Gives a request body to an app as a stream, at the speed at which the app reads.
 * Destroying it cancels what is left and, if done with an error, ends the whole injected request: so it does not
 * destroy itself at its end.
 */
export class AppRequestBody extends Readable {
  private readonly source: BodySource;
  private readonly owner: AppRequestBodyOwner;
  private state: 'unread' | 'flowing' | 'paused' | 'ended' = 'unread';

  constructor(source: BodySource, owner: AppRequestBodyOwner) {
    super({ autoDestroy: false });
    this.source = source;
    this.owner = owner;
    // Who destroys it knows already, and nobody else may be there to hear.
    this.on('error', () => {});
  }

  override _read(): void {
    if (this.state === 'unread') {
      this.state = 'flowing';
      this.owner.onClientsTurn();
      this.source.pipe({
        write: (chunk) => this.takeChunk(chunk),
        // `inject` has no place for the trailers of a request.
        end: () => this.takeEnd(),
        abort: (error) => this.takeAbort(error),
      });
    } else if (this.state === 'paused') {
      this.state = 'flowing';
      this.owner.onClientsTurn();
      this.source.resume();
    }
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.state !== 'ended') {
      this.state = 'ended';
      this.source.cancel(error ?? undefined);
    }
    // Frameworks write on errors that they get (Fastify: `statusCode`), and ours are frozen.
    done(error === null || Object.isExtensible(error) ? error : new Error(error.message, { cause: error }));
  }

  private takeChunk(chunk: Uint8Array): boolean {
    if (this.push(Buffer.from(chunk))) return true;
    this.state = 'paused';
    this.owner.onAppsTurn();
    return false;
  }

  private takeEnd(): void {
    this.state = 'ended';
    this.push(null);
    this.owner.onAppsTurn();
  }

  private takeAbort(error: Error): void {
    this.state = 'ended';
    this.owner.onBroken(error);
  }
}
