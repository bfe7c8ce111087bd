import type { OngoingExchange, ResponseSink } from '../../core/message.ts';

/** The largest answer that is read to its end, so that its connection can be used again. */
const READ_BYTES = 64 * 1024;

/** Takes a response that nobody wants. */
export class IgnoredResponse implements ResponseSink {
  onDrain: (() => void) | undefined = undefined;
  private readonly onOver: () => void;
  private ongoing: OngoingExchange | undefined = undefined;
  private received = 0;
  private isOver = false;

  /** `onOver` is called once when the exchange is over. */
  constructor(onOver: () => void) {
    this.onOver = onOver;
  }

  /** Takes the exchange whose response this is; `undefined` where it was not begun. */
  follow(ongoing: OngoingExchange | undefined): void {
    this.ongoing = ongoing;
    if (ongoing === undefined) this.finish();
  }

  informational(): void {}

  head(): void {}

  write(chunk: Uint8Array): boolean {
    this.received += chunk.length;
    if (this.received > READ_BYTES) this.leave();
    return true;
  }

  end(): void {
    this.finish();
  }

  abort(): void {
    this.finish();
  }

  flush(): void {}

  switchProtocols(): void {
    this.leave();
  }

  private leave(): void {
    this.ongoing?.cancel();
    this.finish();
  }

  private finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.onOver();
  }
}
