import type { BodySink, BodySource } from './body.ts';
import type { FailureCode } from './errors.ts';
import type { HeaderList } from './header-list.ts';

export type HttpVersion = '1.0' | '1.1' | '2';

/** A certificate that a client showed and that an authority of our configuration has signed. */
export interface ClientCertificate {
  /** The name that the listener gives to the authorities whose certificates it takes, `undefined` where it gives none. */
  readonly authority: string | undefined;
  /** `CN` of the subject, where there is exactly one. */
  readonly commonName: string | undefined;
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  readonly emails: readonly string[];
  readonly issuer: string;
  /** In hexadecimal. */
  readonly serialNumber: string;
  /** SHA-256 of the certificate in hexadecimal, lower case. */
  readonly fingerprint: string;
  /** Milliseconds since 1970. */
  readonly validFrom: number;
  readonly validTo: number;
}

/** What is known of the connection that a request came on. One object a connection. */
export interface ClientInfo {
  /** The address of the peer, which may be a proxy in front of us. IPv4-mapped IPv6 addresses are written as IPv4. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly isSecure: boolean;
  /** The host name that the client asked for in TLS (SNI). */
  readonly serverName: string | undefined;
  /** Present only where it was verified. */
  readonly certificate?: ClientCertificate | undefined;
}

/** A request as it came from a client, well formed and framed, its target not yet normalised. */
export interface ClientRequest {
  readonly method: string;
  /** The request target as received: origin form, absolute form, or `*`. */
  readonly target: string;
  readonly httpVersion: HttpVersion;
  /**
   * `Host`, or the authority of an absolute-form target (RFC 9112 §3.2.2), valid; empty on HTTP/1.0 without it. Within an
   * exchange the same as its `publicAuthority`.
   */
  readonly authority: string;
  readonly headers: HeaderList;
  readonly body: BodySource;
  /** The protocol asked for by `Connection: upgrade`, in lower case, such as `websocket`. */
  readonly upgrade: string | undefined;
  /** Whether the client takes trailer fields (`TE: trailers`). */
  readonly acceptsTrailers: boolean;
  readonly client: ClientInfo;
  /** Bytes of the body that have come so far, or of a tunnel from the client; left out where nobody counts. */
  readonly bodyBytes?: number;
}

/** The head of a response (RFC 9110 section 15): what policies see in `onResponse`, and may change. */
export interface ResponseHead {
  /** The status code. */
  status: number;
  /** The reason phrase, empty for the standard one. */
  reason: string;
  /** All fields but those of the framing. */
  headers: HeaderList;
  /** Length of the body in bytes, 0 for none, `undefined` where only its end will tell. For HEAD: what GET would have. */
  length: number | undefined;
}

/** The two directions of a connection after 101: what comes from the other side, and the way to it. */
export interface Tunnel extends BodySource, BodySink {
  /** Called when a `write` that returned `false` has been worked off. */
  onDrain: (() => void) | undefined;
}

/**
 * Takes the response to one request. The order is: any number of `informational`, then `head`, `write`…, `end`; or
 * `switchProtocols`; `abort` at any moment.
 */
export interface ResponseSink extends BodySink {
  /** Passes an interim response on (1xx other than 101). */
  informational(status: number, headers: HeaderList): void;
  head(head: ResponseHead): void;
  /** Sends what `head` and `write` hold back to travel together. Producers call it when nothing more is at hand. */
  flush(): void;
  /** Answers 101 and joins the client's connection with `tunnel`. */
  switchProtocols(head: ResponseHead, tunnel: Tunnel): void;
  /** Set by the producer: called when a `write` that returned `false` has been worked off. */
  onDrain: (() => void) | undefined;
  /** Called by a pool when a request that had to wait for a connection has got one. */
  onConnection?(): void;
}

/** The client's side of one exchange, as a listener gives it. */
export interface ClientSink extends ResponseSink {
  /**
   * Set by the handler: called once when the connection ends before the response is complete. `failure` says why; by
   * default the client has left.
   */
  onClose: ((bytesSent: number, failure?: FailureCode) => void) | undefined;
  /** Set by the handler: called once when the last byte of the response was handed over. */
  onFinish: ((bytesSent: number) => void) | undefined;
}

/** Answers a request through `sink`. Must not throw. */
export type RequestHandler = (request: ClientRequest, sink: ClientSink) => void;

/** A request as a target gets it. */
export interface TargetRequest {
  readonly method: string;
  /** Origin form, normalised. */
  readonly path: string;
  /** The value for `Host`. */
  readonly host: string;
  /** Without hop-by-hop and framing fields and without `Host`. */
  readonly headers: HeaderList;
  /** Replaced where an attempt has read some of it, and no target was given any: by one that gives all of it. */
  body: BodySource;
  /** The protocol to switch to, such as `websocket`. */
  readonly upgrade: string | undefined;
  /** Whether the client takes trailer fields (`TE: trailers`). */
  readonly acceptsTrailers: boolean;
  /** Milliseconds from the end of the request until the response head is due. */
  readonly responseTimeoutMs: number;
  /**
   * The client's connection, where all of it is one client: only it may be given a connection to the target that it logged
   * in (NTLM, Negotiate). Left out where the connection is shared, such as that of a proxy, or there is none.
   */
  readonly login?: object | undefined;
}

/** An exchange under way at a target. */
export interface OngoingExchange {
  /** Leaves it; the sink hears nothing more. */
  cancel(): void;
}

/** One place that answers requests: a server behind a connection pool, an in-process app, a test's stub. */
export interface Target {
  /** `host:port`, `unix:/path`, or a name for what has no address. */
  readonly name: string;
  /** What `Host` says where it speaks of the target, if that is not its name. */
  readonly authority?: string;
  /**
   * Sends `request` and gives the response to `sink`. Failures come by `sink.abort` with a `GatewayError`. `now`, in monotonic
   * milliseconds, of who has just read the clock.
   */
  exchange(request: TargetRequest, sink: ResponseSink, now?: number): OngoingExchange;
}

/** A response made by the gateway or a policy. */
export interface Reply {
  /** A status code from 200 to 599. */
  readonly status: number;
  /** Headers, without those of the framing, which the gateway writes. */
  readonly headers?: HeaderList | Readonly<Record<string, string>>;
  /** Left out: none. Text is sent as UTF-8. */
  readonly body?: BodySource | Uint8Array | string;
}
