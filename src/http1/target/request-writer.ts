import { GatewayError } from '../../core/errors.ts';
import type { HeaderList } from '../../core/header-list.ts';
import type { TargetRequest } from '../../core/message.ts';
import { latin1, MERGED_BYTES } from '../head-writer.ts';
import type { Transport } from '../transport.ts';
import { requestHeadText } from './request-head-text.ts';

/** Writes requests to one connection, head and body together where both are small. */
export class RequestWriter {
  private readonly transport: Transport;
  private isChunked = false;
  /** Bytes that the stated length still asks for; without limit where none is stated. */
  private due = 0;
  /** Text that waits to travel with what comes next. */
  private pending = '';
  /** What of the body was written while the system had taken nothing of the request, as latin1. */
  unsent = '';

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** Begins a request. Its head travels with the first bytes of the body, or at `flush`. */
  begin(request: TargetRequest): void {
    this.isChunked = request.body.length === undefined;
    this.due = request.body.length ?? Number.POSITIVE_INFINITY;
    this.pending = requestHeadText(request);
    this.unsent = '';
  }

  /**
   * Sends a piece of the body, which must not change while the transport waits for the system. Answers `false`, and
   * sends nothing, when it is more than the stated length: the target would take the rest for another request.
   */
  write(chunk: Uint8Array): boolean {
    if (chunk.length > this.due) return false;
    this.due -= chunk.length;
    // An empty chunk would say that the body ends here.
    if (chunk.length > 0) this.send(chunk);
    return true;
  }

  /** Answers `false`, and sends nothing, when the body is shorter than its stated length. */
  end(trailers: HeaderList | undefined): boolean {
    if (!this.isChunked && this.due > 0) return false;
    if (this.isChunked) this.pending += `0\r\n${trailers?.toLines() ?? ''}\r\n`;
    this.flush();
    return true;
  }

  private send(chunk: Uint8Array): void {
    if (this.isChunked) this.pending += `${chunk.length.toString(16)}\r\n`;
    if (this.pending !== '' && this.pending.length + chunk.length < MERGED_BYTES) {
      const piece = latin1(chunk);
      this.pending += this.isChunked ? `${piece}\r\n` : piece;
      this.flush();
      if (!this.transport.hasHandedOver) this.unsent += piece;
    } else {
      const text = this.pending;
      this.pending = this.isChunked ? '\r\n' : '';
      this.transport.writeBoth(text, chunk);
      // It has just failed: else it would have been taken, or be on its way.
      if (!this.transport.hasHandedOver) this.unsent += latin1(chunk);
    }
  }

  /** Has the system take what waits now. Answers whether it took any of the request. */
  flushNow(): boolean {
    this.flush();
    this.transport.writeDeferred();
    return this.transport.hasHandedOver;
  }

  flush(): void {
    if (this.pending === '') return;
    const text = this.pending;
    this.pending = '';
    this.transport.write(text);
  }
}

/** Only a policy can give a body that is not as long as it says: what clients send has been counted. */
export function falseLength(comparison: string): GatewayError {
  return new GatewayError('GW_POLICY_FAILED', {
    cause: `the request body is ${comparison} than its stated length`,
  });
}
