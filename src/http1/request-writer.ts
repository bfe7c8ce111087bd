import type { HeaderList } from '../core/header-list.ts';
import type { TargetRequest } from '../core/message.ts';
import { latin1, MERGED_BYTES } from './head-writer.ts';
import { requestHeadText } from './request-head-text.ts';
import type { Transport } from './transport.ts';

/** Writes requests to one connection, head and body together where both are small. */
export class RequestWriter {
  private readonly transport: Transport;
  private isChunked = false;
  /** Text that waits to travel with what comes next. */
  private pending = '';

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** Begins a request. Its head travels with the first bytes of the body, or at `flush`. */
  begin(request: TargetRequest): void {
    this.isChunked = request.body.length === undefined;
    this.pending = requestHeadText(request);
  }

  /** Sends a piece of the body, which must not change while the transport waits for the system. */
  write(chunk: Uint8Array): void {
    if (this.isChunked) this.pending += `${chunk.length.toString(16)}\r\n`;
    if (this.pending !== '' && this.pending.length + chunk.length < MERGED_BYTES) {
      this.pending += this.isChunked ? `${latin1(chunk)}\r\n` : latin1(chunk);
      this.flush();
    } else {
      const text = this.pending;
      this.pending = this.isChunked ? '\r\n' : '';
      this.transport.writeBoth(text, chunk);
    }
  }

  end(trailers: HeaderList | undefined): void {
    if (this.isChunked) this.pending += `0\r\n${trailers?.toLines() ?? ''}\r\n`;
    this.flush();
  }

  flush(): void {
    if (this.pending === '') return;
    const text = this.pending;
    this.pending = '';
    this.transport.write(text);
  }
}
