import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { ClientSink, ResponseHead, Tunnel } from '../../core/message.ts';
import type { OpenReplies, OpenReply } from './run-rest.ts';

/** Takes the response whose client has left and for which others wait: it goes nowhere, at full speed. */
export class UnattendedSink implements ClientSink, OpenReply {
  onDrain: (() => void) | undefined = undefined;
  onClose: ClientSink['onClose'] = undefined;
  onFinish: ClientSink['onFinish'] = undefined;
  private readonly open: OpenReplies;
  private readonly exchange: Exchange;
  private readonly onOver: () => void;
  private isOver = false;
  private isCheckDue = false;

  /** It is one of `open` until it is over, or no longer wanted. `onOver` is called once then. */
  constructor(exchange: Exchange, open: OpenReplies, onOver: () => void) {
    this.exchange = exchange;
    this.open = open;
    this.onOver = onOver;
    open.add(this);
  }

  /** The gateway does not wait any longer. */
  leave(): void {
    this.end();
  }

  informational(): void {}

  head(): void {}

  write(): boolean {
    if (!this.isCheckDue) setImmediate(() => this.check());
    this.isCheckDue = true;
    return true;
  }

  flush(): void {}

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.open.delete(this);
    this.onOver();
  }

  abort(): void {
    this.end();
  }

  /** Later than what comes, since who waits for the head begins to read behind it. */
  private check(): void {
    this.isCheckDue = false;
    if (!isWantedByOthers(this.exchange)) this.end();
  }

  switchProtocols(_head: ResponseHead, tunnel: Tunnel): void {
    tunnel.abort(new GatewayError('GW_CLIENT_CLOSED'));
    this.end();
  }
}

/** Tells whether others wait for the response of an exchange whose client has left. Never throws: policies may set anything. */
export function isWantedByOthers(exchange: Exchange): boolean {
  try {
    return exchange.outlives?.() === true;
  } catch {
    return false;
  }
}
