import type { BodySink } from '../core/body.ts';
import type { ResponseHead } from '../core/message.ts';

/** Where the body of a response goes. */
export interface ResponseBodySink extends BodySink {
  /** Nothing more is at hand for now. */
  flush(): void;
  /** Set by who gives the body: called when a `write` that returned `false` has been worked off. */
  onDrain: (() => void) | undefined;
}

/** Takes what nobody wants. */
export const NOWHERE: ResponseBodySink = {
  write: () => true,
  end() {},
  abort() {},
  flush() {},
  get onDrain() {
    return undefined;
  },
  set onDrain(_) {},
};

/** The largest unused answer that is read to its end, so that its connection can be used again. */
const READ_BYTES = 64 * 1024;

/** Takes the body of a response that another attempt replaces: what is small is read, what is large is left. */
export class UnusedBody implements ResponseBodySink {
  onDrain: (() => void) | undefined = undefined;
  private readonly onTooLarge: () => void;
  private readonly isTooLong: boolean;
  private received = 0;

  constructor({ length }: ResponseHead, onTooLarge: () => void) {
    this.onTooLarge = onTooLarge;
    this.isTooLong = (length ?? 0) > READ_BYTES;
  }

  write(chunk: Uint8Array): boolean {
    this.received += chunk.length;
    if (this.isTooLong || this.received > READ_BYTES) this.onTooLarge();
    return true;
  }

  end(): void {}

  abort(): void {}

  flush(): void {}
}
