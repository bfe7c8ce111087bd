import { type BodySource, EMPTY_BODY } from '../../core/body.ts';
import { type FailureCode, GatewayError } from '../../core/errors.ts';
import { FieldKind } from '../../core/field-kind.ts';
import { HeaderList } from '../../core/header-list.ts';
import type {
  ClientInfo,
  ClientRequest,
  ClientSink,
  HttpVersion,
  ResponseHead,
  Tunnel,
} from '../../core/message.ts';
import { dateLineAt, latin1, MERGED_BYTES, setContentLength, statusLine } from '../head-writer.ts';
import { type BodyInput, type BodyOwner, RequestBody } from './request-body.ts';
import type { RequestHead } from './request-head.ts';

/** What an exchange needs of the connection that it is on. */
export interface ExchangeConnection {
  readonly client: ClientInfo;
  readonly isWritePending: boolean;
  /** Whether the connection ends after the response under way. */
  readonly isClosing: boolean;
  /** What the request body is read from. */
  readonly input: BodyInput;
  wallClock(): number;
  send(text: string): void;
  /** Sends text, then a chunk. */
  sendBoth(text: string, chunk: Uint8Array): void;
  /** Breaks the connection so that the client cannot take a part for the whole. */
  break(): void;
  /** Goes on with the request body, which has got a sink or room again. */
  readBody(body: RequestBody): void;
  /** The request body has come. */
  endRequest(): void;
  /** The response is complete. */
  finishExchange(exchange: ClientExchange): void;
  /** From now on bytes travel as they are. */
  joinTunnel(exchange: ClientExchange, tunnel: Tunnel): void;
}

/** How the end of the response is told to the client. */
type Delimiter = 'none' | 'length' | 'chunked' | 'close';

/** One request on a client's connection: it is the request, the sink for its answer, and a state of the connection. */
export class ClientExchange implements ClientRequest, ClientSink, BodyOwner {
  readonly kind = 'exchange';
  readonly method: string;
  readonly target: string;
  readonly httpVersion: HttpVersion;
  readonly authority: string;
  readonly headers: HeaderList;
  readonly upgrade: string | undefined;
  readonly acceptsTrailers: boolean;
  readonly client: ClientInfo;
  readonly body: BodySource;
  /** The body where there is one. */
  readonly incoming: RequestBody | undefined;
  onDrain: (() => void) | undefined = undefined;
  onClose: ((bytesSent: number, failure?: FailureCode) => void) | undefined = undefined;
  onFinish: ((bytesSent: number) => void) | undefined = undefined;
  /** Whether another request may follow. */
  isPersistent: boolean;
  /** Bytes that the client has sent through the tunnel that this became. */
  tunnelBytes = 0;
  /** Whether the response is complete, or has nobody left to go to. */
  private isDone = false;
  private readonly connection: ExchangeConnection;
  private owesContinue: boolean;
  private isHeadSent = false;
  private delimiter: Delimiter = 'none';
  /** Bytes of the response's body that are still due where the delimiter is `length`. */
  private due = 0;
  /** Text that waits to travel with what comes next. */
  private pending = '';
  private bytesSent = 0;

  constructor(connection: ExchangeConnection, head: RequestHead) {
    this.connection = connection;
    this.method = head.method;
    this.target = head.target;
    this.httpVersion = head.minor === 1 ? '1.1' : '1.0';
    this.authority = head.authority;
    this.headers = head.headers;
    this.upgrade = head.upgrade;
    this.acceptsTrailers = head.acceptsTrailers;
    this.client = connection.client;
    if (head.framing !== 'none') {
      const length = head.framing === 'chunked' ? undefined : head.length;
      this.incoming = new RequestBody(length, connection.input, this);
    } else this.incoming = undefined;
    this.body = this.incoming ?? EMPTY_BODY;
    this.owesContinue = head.expectsContinue;
    this.isPersistent = head.isPersistent;
  }

  get bodyBytes(): number {
    return this.tunnelBytes + (this.incoming?.taken ?? 0);
  }

  /** Whether the whole request has been read. */
  get isRequestComplete(): boolean {
    return this.incoming === undefined || this.incoming.phase === 'whole';
  }

  onBodyWanted(): void {
    if (this.owesContinue && !this.isHeadSent) this.informational(100, NO_FIELDS);
    this.connection.readBody(this.incoming as RequestBody);
  }

  onBodyWhole(): void {
    this.connection.endRequest();
  }

  /** Ends the request as broken: what follows cannot be told from its body. */
  breakRequest(code: FailureCode, detail: string): void {
    this.isPersistent = false;
    this.incoming?.break(new GatewayError(code, { detail }));
  }

  // The response

  informational(status: number, headers: HeaderList): void {
    if (this.isHeadSent || this.isDone || this.httpVersion === '1.0') return;
    if (status === 100) {
      if (!this.owesContinue) return;
      this.owesContinue = false;
    }
    this.connection.send(`${statusLine(status, '')}${headers.toLines()}\r\n`);
  }

  head(head: ResponseHead): void {
    if (this.isHeadSent || this.isDone) return;
    this.isHeadSent = true;
    const headers = head.headers;
    this.delimiter = this.chooseDelimiter(head);
    if (!this.canReuseConnection()) this.isPersistent = false;
    setContentLength(headers, head.status === 204 ? undefined : head.length);
    this.due = head.length ?? 0;
    let framing = this.delimiter === 'chunked' ? 'transfer-encoding: chunked\r\n' : '';
    if (!this.isPersistent) framing += 'connection: close\r\n';
    else if (this.httpVersion === '1.0') framing += 'connection: keep-alive\r\n';
    const date = headers.getKind(FieldKind.date) === undefined ? dateLineAt(this.connection.wallClock()) : '';
    this.pending = `${statusLine(head.status, head.reason)}${headers.toLines()}${date}${framing}\r\n`;
  }

  write(chunk: Uint8Array): boolean {
    if (this.isDone || this.delimiter === 'none' || chunk.length === 0) return true;
    if (this.delimiter === 'length' && chunk.length > this.due) {
      this.abort(
        new GatewayError('GW_INTERNAL', { cause: 'the response is longer than its Content-Length' }),
      );
      return true;
    }
    this.due -= chunk.length;
    this.bytesSent += chunk.length;
    const isChunked = this.delimiter === 'chunked';
    if (isChunked) this.pending += `${chunk.length.toString(16)}\r\n`;
    if (this.pending.length + chunk.length < MERGED_BYTES) {
      this.pending += isChunked ? `${latin1(chunk)}\r\n` : latin1(chunk);
    } else {
      const text = this.pending;
      this.pending = isChunked ? '\r\n' : '';
      this.connection.sendBoth(text, chunk);
    }
    return !this.connection.isWritePending;
  }

  flush(): void {
    if (this.pending === '' || this.isDone) return;
    const text = this.pending;
    this.pending = '';
    this.connection.send(text);
  }

  end(trailers?: HeaderList): void {
    if (this.isDone) return;
    if (this.delimiter === 'length' && this.due > 0) {
      this.abort(
        new GatewayError('GW_INTERNAL', { cause: 'the response is shorter than its Content-Length' }),
      );
      return;
    }
    if (this.delimiter === 'chunked') this.pending += `0\r\n${trailers?.toLines() ?? ''}\r\n`;
    this.flush();
    this.isDone = true;
    this.connection.finishExchange(this);
    this.onFinish?.(this.bytesSent);
  }

  /** Breaks the connection: there is no other way to say that the response is not whole. */
  abort(_error: Error): void {
    if (this.isDone) return;
    this.isDone = true;
    this.pending = '';
    this.connection.break();
    this.onFinish?.(this.bytesSent);
  }

  switchProtocols(head: ResponseHead, tunnel: Tunnel): void {
    if (this.isHeadSent || this.isDone) return;
    this.isHeadSent = true;
    const lines = `connection: Upgrade\r\nupgrade: ${this.upgrade ?? ''}\r\n`;
    this.connection.send(`${statusLine(101, head.reason)}${head.headers.toLines()}${lines}\r\n`);
    this.connection.joinTunnel(this, tunnel);
  }

  /** Ends the exchange because its connection, or the tunnel that it became, is gone. */
  leave(failure: FailureCode): void {
    if (this.isDone) return;
    this.isDone = true;
    // First: what hears of the broken body must not try to answer it.
    this.onClose?.(this.bytesSent, failure);
    this.incoming?.break(new GatewayError(failure));
  }

  /** Ends the exchange as a tunnel that both sides have closed. */
  finishTunnel(bytesSent: number): void {
    if (this.isDone) return;
    this.isDone = true;
    this.onFinish?.(bytesSent);
  }

  /** Whether the final head has not been handed over, so that the client can still be asked whether it is there. */
  get isAwaitingHead(): boolean {
    return !this.isHeadSent && !this.isDone;
  }

  private chooseDelimiter(head: ResponseHead): Delimiter {
    if (this.method === 'HEAD' || head.status === 204 || head.status === 304) return 'none';
    if (head.length !== undefined) return 'length';
    return this.httpVersion === '1.1' ? 'chunked' : 'close';
  }

  /** Whether another request can follow: not if its start cannot be told, or too much would have to be dropped. */
  private canReuseConnection(): boolean {
    if (this.delimiter === 'close' || this.connection.isClosing) return false;
    if (this.isRequestComplete) return true;
    return !this.owesContinue && this.incoming?.isWorthDiscarding === true;
  }
}

const NO_FIELDS = HeaderList.from();
