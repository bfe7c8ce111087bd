import type { GatewayError } from '../../src/core/errors.ts';
import type { HeaderList } from '../../src/core/header-list.ts';
import type { ResponseHead, ResponseSink, Tunnel } from '../../src/core/message.ts';

/** What a target's answer came to. */
export interface Outcome {
  readonly status: number | undefined;
  readonly head: ResponseHead | undefined;
  readonly body: string;
  readonly trailers: HeaderList | undefined;
  readonly interim: readonly number[];
  /** Whether the answer ended as whole. */
  readonly isWhole: boolean;
  readonly error: GatewayError | undefined;
}

/** Takes an answer whole and tells what it came to. */
export class CollectingSink implements ResponseSink {
  onDrain: (() => void) | undefined = undefined;
  readonly outcome: Promise<Outcome>;
  /** Resolves with the head, before the body. */
  readonly headed: Promise<ResponseHead>;
  tunnel: Tunnel | undefined = undefined;
  received = '';
  /** When set, every `write` asks the producer to pause. */
  isSlow = false;
  /** How many calls came after the outcome was settled; there must be none. */
  lateCalls = 0;
  private readonly interim: number[] = [];
  private responseHead: ResponseHead | undefined = undefined;
  private settle: (outcome: Outcome) => void = () => {};
  private tellHead: (head: ResponseHead) => void = () => {};
  private isSettled = false;

  constructor() {
    this.outcome = new Promise((resolve) => {
      this.settle = resolve;
    });
    this.headed = new Promise((resolve) => {
      this.tellHead = resolve;
    });
  }

  informational(status: number): void {
    this.interim.push(status);
  }

  head(head: ResponseHead): void {
    if (this.responseHead !== undefined) this.lateCalls++;
    this.responseHead = head;
    this.tellHead(head);
  }

  write(chunk: Uint8Array): boolean {
    if (this.isSettled) this.lateCalls++;
    this.received += Buffer.from(chunk).toString('latin1');
    return !this.isSlow;
  }

  end(trailers?: HeaderList): void {
    this.finish(true, trailers, undefined);
  }

  abort(error: Error): void {
    this.finish(false, undefined, error as GatewayError);
  }

  flush(): void {}

  switchProtocols(head: ResponseHead, tunnel: Tunnel): void {
    this.responseHead = head;
    this.tunnel = tunnel;
    this.tellHead(head);
  }

  private finish(isWhole: boolean, trailers: HeaderList | undefined, error: GatewayError | undefined): void {
    if (this.isSettled) {
      this.lateCalls++;
      return;
    }
    this.isSettled = true;
    this.settle({
      status: this.responseHead?.status,
      head: this.responseHead,
      body: this.received,
      trailers,
      interim: this.interim,
      isWhole,
      error,
    });
  }
}
