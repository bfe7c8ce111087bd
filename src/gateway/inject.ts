import { plainAddress } from '../core/address-blocks.ts';
import { type BodySource, bodyFrom, bodyFromIterable, EMPTY_BODY } from '../core/body.ts';
import { GatewayError } from '../core/errors.ts';
import { HeaderList } from '../core/header-list.ts';
import type { ClientInfo, ClientRequest, ClientSink, Reply, ResponseHead, Tunnel } from '../core/message.ts';
import { toResponse } from '../core/reply.ts';
import { explainRejection } from '../http1/client/explain-rejection.ts';
import { type RequestHead, readRequestHead } from '../http1/client/request-head.ts';
import type { HeadFault } from '../http1/head-fault.ts';
import { setContentLength } from '../http1/head-writer.ts';
import { REQUEST } from '../http1/llhttp.ts';
import { type HeadLimits, MessageParser } from '../http1/message-parser.ts';

/** A request for `Gateway.inject`. */
export interface InjectRequest {
  /** Default: GET. */
  readonly method?: string;
  /** A path with its query, or a URL, whose host is then the default for `Host`. Sent as written, not normalised. */
  readonly url: string;
  /** Headers but for those that frame the body. `Host` is `localhost` unless given here or in `url`. */
  readonly headers?: Readonly<Record<string, string>> | Iterable<readonly [string, string]>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** The address that the request comes from. Default: 127.0.0.1. */
  readonly remoteAddress?: string;
  /** Aborting it is what a client that leaves is. */
  readonly signal?: AbortSignal;
}

/** The whole response to an injected request. */
export interface InjectResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

/** What a listener would do with a request. */
export interface InjectTarget {
  readonly limits: HeadLimits;
  readonly handle: (request: ClientRequest, client: ClientSink) => void;
  readonly reject: (error: GatewayError, client: ClientInfo) => Reply;
}

/**
 * Handles a request in memory as a listener would: its head is parsed and judged by the same code, only the sockets
 * are missing. Rejects when the answer breaks off or becomes a tunnel, and with a `TypeError` for what cannot be sent.
 */
export function inject(request: InjectRequest, target: InjectTarget): Promise<InjectResponse> {
  // The gateway's own timers do not keep a process alive, and here no open port does.
  const alive = setInterval(() => {}, 60_000);
  return handleInMemory(request, target).finally(() => clearInterval(alive));
}

function handleInMemory(
  request: InjectRequest,
  { limits, handle, reject: refuse }: InjectTarget,
): Promise<InjectResponse> {
  return new Promise((resolve, reject) => {
    const { signal } = request;
    const { received, client, source } = receive(request, limits);
    const response = new CollectedResponse(request.method ?? 'GET', source, resolve, reject);
    if (received instanceof GatewayError) return response.take(refuse(received, client));
    signal?.throwIfAborted();
    signal?.addEventListener('abort', () => response.leave(signal.reason), { once: true });
    handle(received, response);
  });
}

/** A request as a listener with these limits would receive it, or why it would not. */
export interface ReceivedRequest {
  readonly received: ClientRequest | GatewayError;
  readonly client: ClientInfo;
  readonly source: BodySource;
}

/** Reads a request as if it came on a connection. Throws `TypeError` for what cannot be sent. */
export function receive(request: InjectRequest, limits: HeadLimits): ReceivedRequest {
  const { method = 'GET', body, remoteAddress = '127.0.0.1' } = request;
  const { isSecure, authority, target } = splitUrl(request.url);
  const source = toBodySource(body);
  const head = readHead(`${method} ${target}`, headerLines(request, authority, source), limits);
  const client: ClientInfo = {
    remoteAddress: plainAddress(remoteAddress),
    remotePort: 0,
    localPort: 0,
    isSecure,
    serverName: isSecure ? authority.replace(/:\d+$/, '') : undefined,
  };
  const received =
    'code' in head
      ? new GatewayError(head.code, { detail: head.detail })
      : { ...head, httpVersion: '1.1' as const, body: source, client };
  return { received, client, source };
}

function splitUrl(url: string): { isSecure: boolean; authority: string; target: string } {
  const [, scheme, authority = 'localhost', rest = url] = /^(https?):\/\/([^/?#]*)(.*)$/i.exec(url) ?? [];
  return {
    isSecure: scheme?.toLowerCase() === 'https',
    authority,
    target: rest.startsWith('/') || scheme === undefined ? rest : `/${rest}`,
  };
}

function toBodySource(body: InjectRequest['body']): BodySource {
  if (body === undefined) return EMPTY_BODY;
  return typeof body === 'string' || body instanceof Uint8Array ? bodyFrom(body) : bodyFromIterable(body);
}

function headerLines({ headers = {}, body }: InjectRequest, authority: string, source: BodySource): string {
  const list = HeaderList.from(headers as Record<string, string>);
  for (const name of ['content-length', 'transfer-encoding']) {
    if (list.has(name)) throw new TypeError(`the body's framing is not yours to state — leave ${name} out`);
  }
  if (!list.has('host')) list.append('host', authority);
  if (source.length === undefined) list.append('transfer-encoding', 'chunked');
  else if (body !== undefined) list.append('content-length', String(source.length));
  return list.toLines();
}

function readHead(start: string, lines: string, limits: HeadLimits): RequestHead | HeadFault {
  if (!/^[!-~\x80-\xff]+ [!-~\x80-\xff]+$/.test(start)) {
    throw new TypeError(`'${start}' is not a method and URL — encode what is not ASCII with encodeURI`);
  }
  const bytes = Buffer.from(`${start} HTTP/1.1\r\n${lines}\r\n`, 'latin1');
  const parser = new MessageParser(REQUEST, limits);
  const outcome = parser.parseHead(bytes, 0, bytes.length);
  if (outcome === 'more') throw new TypeError('the head is not complete');
  const head = outcome === 'head' ? readRequestHead(parser) : explainRejection(outcome, parser);
  parser.finish();
  return head;
}

/** Collects a response, whose chunks are lent, until it is whole. */
class CollectedResponse implements ClientSink {
  onDrain: (() => void) | undefined = undefined;
  onClose: ((bytesSent: number) => void) | undefined = undefined;
  onFinish: ((bytesSent: number) => void) | undefined = undefined;
  private readonly method: string;
  private readonly requestBody: BodySource;
  private readonly resolve: (response: InjectResponse) => void;
  private readonly reject: (reason: unknown) => void;
  private responseHead: ResponseHead | undefined = undefined;
  private readonly chunks: Buffer[] = [];
  private bytes = 0;
  private isDone = false;

  constructor(
    method: string,
    requestBody: BodySource,
    resolve: (response: InjectResponse) => void,
    reject: (reason: unknown) => void,
  ) {
    this.method = method;
    this.requestBody = requestBody;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** Takes a response that no handler made. */
  take(reply: Reply): void {
    const { head, body } = toResponse(reply);
    this.head(head);
    body.pipe(this);
  }

  informational(): void {}

  head(head: ResponseHead): void {
    setContentLength(head.headers, head.status === 204 ? undefined : head.length);
    this.responseHead = head;
  }

  write(chunk: Uint8Array): boolean {
    if (this.isDone || this.hasNoBody) return true;
    this.chunks.push(Buffer.from(chunk));
    this.bytes += chunk.length;
    return true;
  }

  flush(): void {}

  end(): void {
    const head = this.responseHead;
    if (this.isDone || head === undefined) return;
    if (!this.hasNoBody && head.length !== undefined && head.length !== this.bytes) {
      return this.abort(new TypeError('the response is not as long as its Content-Length'));
    }
    this.finish(this.onFinish);
    this.resolve({ status: head.status, headers: head.headers, body: Buffer.concat(this.chunks) });
  }

  abort(cause: Error): void {
    if (this.isDone) return;
    this.finish(this.onFinish);
    this.reject(new Error(`the response broke off: ${cause.message}`, { cause }));
  }

  switchProtocols(_head: ResponseHead, tunnel: Tunnel): void {
    tunnel.abort(new GatewayError('GW_CLIENT_CLOSED'));
    this.abort(new TypeError('it became a tunnel, for which inject has no other end'));
  }

  leave(reason: unknown): void {
    if (this.isDone) return;
    this.finish(this.onClose);
    this.reject(reason);
  }

  /** Nobody takes the rest of the request either. */
  private finish(report: ((bytesSent: number) => void) | undefined): void {
    this.isDone = true;
    report?.(this.bytes);
    this.requestBody.cancel();
  }

  private get hasNoBody(): boolean {
    const status = this.responseHead?.status;
    return this.method === 'HEAD' || status === 204 || status === 304;
  }
}
