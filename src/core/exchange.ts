import type { BodySource } from './body.ts';
import type { GatewayError } from './errors.ts';
import type { HeaderList } from './header-list.ts';
import type { Identity } from './identity/identity.ts';
import { sealIdentity } from './identity/seal-identity.ts';
import type { ClientRequest, Reply } from './message.ts';
import type { ChargedLimits } from './stores/limit-store.ts';

/** What policies may know of the route that an exchange matched. */
export interface RouteInfo {
  /** As in the configuration. */
  readonly id: string;
}

/** How the rest of an exchange is run apart from its client. */
export interface ProceedOptions {
  /** Whether it goes on when the client leaves. Default: false. */
  readonly detached?: boolean;
  /** Aborting it ends what was begun. */
  readonly signal?: AbortSignal;
  /** Headers of the copy, in place of the request's own. */
  readonly headers?: HeaderList;
  /** Query of the copy, in place of the request's own. */
  readonly query?: string;
  /** Asked when the client leaves: whether others wait for the response, so that it goes on as if it were detached. */
  readonly outlives?: () => boolean;
  /** Whether the client gets the interim responses (1xx) that come before the reply. Default: false. */
  readonly passInterim?: boolean;
  /** Hears, before the reply is given, why the gateway itself made it, where it did. */
  readonly onFailure?: (failure: GatewayError) => void;
}

/** What runs the rest of an exchange. Given by the gateway. */
export interface Proceeder {
  runRest(options: ProceedOptions): Promise<Reply>;
}

/** A request for a part of a response, and what came of it, for the log. */
export interface PartRecord {
  readonly part: string;
  readonly upstream: string;
  readonly outcome: string;
  /** Status of its response, 0 where there was none. */
  readonly status: number;
  readonly durationMs: number;
  /** Why it gave nothing; empty where it gave something. */
  readonly reason: string;
}

/** One request and what becomes of it: made when its head is read, finished exactly once. */
export class Exchange {
  /** The request as it was received. */
  readonly request: ClientRequest;
  /** Monotonic milliseconds at which the request head was read. */
  readonly startedAt: number;
  requestId = '';
  /** The one spelling of the path, which is matched, rewritten and forwarded; no query. */
  path = '';
  /** The query string as received, without `?`. */
  query = '';
  /** The host name of `publicAuthority` in lower case, without port: routes are matched by it. */
  host = '';
  /** The client's address, with what trusted proxies say about it taken into account. */
  clientAddress = '';
  /** What the client used towards us or the first trusted proxy. */
  scheme: 'http' | 'https' = 'http';
  /**
   * The one host and port of the request, which is matched, judged and forwarded: `Host`, or that of an absolute-form
   * target, or what a trusted proxy says that is configured to write `X-Forwarded-Host`.
   */
  publicAuthority = '';
  /** The route that it matched. */
  route: RouteInfo = NO_ROUTE;
  /** The path's parameters, decoded, by name; `*` for the rest. */
  params: Readonly<Record<string, string>> = NO_PARAMS;
  /** How a caller whom nothing identified could say who it is: a value for `WWW-Authenticate`. */
  challenge = '';
  /** Whether the upstream gets a token of ours in the place of what the caller has shown. */
  wantsInternalToken = false;
  /** The header of another name than the usual ones that carries a credential onward; empty for none. */
  credentialField = '';
  /** Whether a way to identify has let this pass without saying who it is, as `forward-auth` may. */
  isAdmitted = false;
  /** Names and values of what a way to identify tells the upstream about the caller, besides the identity. */
  callerFields: readonly (readonly [name: string, value: string])[] | undefined = undefined;
  /** How `cors` lets in the page that sends this: with what the browser adds by itself, without it, or not at all. */
  pageAccess: 'with-credentials' | 'plain' | 'none' = 'none';
  /** Names and values of fields that a way to identify adds to the response. */
  responseFields: readonly (readonly [name: string, value: string])[] | undefined = undefined;
  /** What limits have counted so far, the latest first. */
  limits: ChargedLimits | undefined = undefined;
  /** Whether the peer that sent this request is one of `trustedProxies`, so that its word about the client counts. */
  isTrustedPeer = false;
  /** The request body as it is forwarded: the client's, or what a policy put around or in place of it. */
  body: BodySource;
  /** The whole request body where a policy asked for it. `body` then gives exactly these bytes. */
  bodyBytes: Buffer | undefined = undefined;
  /** Bytes taken from the shared buffer budget; the pipeline's own mark. */
  bufferedBytes = 0;
  /** Why the gateway answered itself, if it did. */
  failure: GatewayError | undefined = undefined;
  /** Status sent to the client; 0 until there is one. */
  status = 0;
  bytesSent = 0;
  /** The upstream and target that were asked, empty while none was. */
  upstream = '';
  target = '';
  /** Path with query as the upstream was asked for it; empty while it was not. */
  upstreamPath = '';
  /** The `Host` that the upstream was told, empty where that is the target's own name. */
  upstreamHost = '';
  /** Monotonic milliseconds: request given to the target, response head received; 0 until then. */
  sentAt = 0;
  respondedAt = 0;
  /** Attempts at targets so far, and which of them counts, the first being 1; 0 while there was none. */
  attempts = 0;
  attempt = 0;
  /** Milliseconds that attempts have waited for a connection, where none was at hand. */
  queuedMs = 0;
  /** Monotonic milliseconds at which the policies had decided; 0 while they have not, or where there are none. */
  decidedAt = 0;
  /** What was asked for parts of the response, the first hundred of them. */
  parts: PartRecord[] | undefined = undefined;
  /** How many policies of the compiled list have begun `onRequest`, -1 once finished; the pipeline's own mark. */
  policiesRun = 0;
  private who: Identity | undefined = undefined;
  /** Whether no client waits for this: the rest of an exchange that a policy runs by itself. */
  isDetached = false;
  /** What the cache is to do with the response; its own mark. @internal */
  cacheMark: object | undefined = undefined;
  /** Asked when the client leaves: whether others wait for the response, so that it is fetched for them nevertheless. @internal */
  outlives: (() => boolean) | undefined = undefined;
  /** Set by the gateway where there is a rest to be run. */
  proceeder: Proceeder | undefined = undefined;
  private abortController: AbortController | undefined = undefined;
  private isOver = false;

  constructor(request: ClientRequest, startedAt: number) {
    this.request = request;
    this.body = request.body;
    this.startedAt = startedAt;
  }

  /** The request's headers, which policies may change; what is left is forwarded. */
  get headers(): HeaderList {
    return this.request.headers;
  }

  /** The query with its `?`, which stays where nothing follows it: to some services `/x?` is another resource than `/x`. */
  get search(): string {
    if (this.query !== '') return `?${this.query}`;
    return this.request.target.endsWith('?') ? '?' : '';
  }

  /** Who is calling, where a policy has found that out. */
  get identity(): Identity | undefined {
    return this.who;
  }

  /** Takes what is one, checked and frozen. Throws `TypeError` for what is none, whichever policy says it. */
  set identity(identity: Identity | undefined) {
    this.who = identity === undefined ? undefined : sealIdentity(identity, 'custom');
  }

  /** Aborts when the client leaves or the exchange ends. Made only when asked for. */
  get signal(): AbortSignal {
    this.abortController ??= new AbortController();
    if (this.isOver) this.abortController.abort();
    return this.abortController.signal;
  }

  /**
   * Runs the policies behind the one that calls, and what the route does, and gives their answer instead of sending it:
   * for a policy that shares, repeats or postpones answers. To be called in `onRequest`, before that has settled. What it
   * runs is an exchange of its own, a copy of this one as it is now; its failures are answers as usual.
   *
   * May be called again where the request has no body, or one that was read whole. Rejects with a `TypeError` where it
   * cannot be, with `GW_CLIENT_CLOSED` when the client leaves first, and with the reason of `signal`. Whoever gets the
   * reply reads its body or cancels it.
   */
  proceed(options: ProceedOptions = {}): Promise<Reply> {
    const reply =
      this.proceeder?.runRest(options) ?? Promise.reject(new TypeError('there is nothing to proceed to'));
    // What is begun for later may be awaited by nobody, and must not end the process then.
    reply.catch(() => {});
    return reply;
  }

  /** Makes a copy of what is known so far, with `body` and headers of its own. It asks for no other protocol. */
  branch(body: BodySource, startedAt: number, headers = this.headers.clone()): Exchange {
    const { method, target, httpVersion, authority, acceptsTrailers, client } = this.request;
    const branch = new Exchange(
      {
        method,
        target,
        httpVersion,
        authority,
        headers,
        body,
        upgrade: undefined,
        acceptsTrailers,
        client,
      },
      startedAt,
    );
    for (const name of COPIED) (branch[name] as unknown) = this[name];
    return branch;
  }

  /** Takes over what a branch has found out, for the log and for policies that look back. */
  takeOutcome(branch: Exchange): void {
    for (const name of FOUND_OUT) (this[name] as unknown) = branch[name];
    this.failure ??= branch.failure;
  }

  /** Notes a request for a part of the response. */
  addPart(record: PartRecord): void {
    this.parts ??= [];
    if (this.parts.length < MAX_PARTS) this.parts.push(record);
  }

  /** Marks the exchange as over. Called by the gateway. */
  close(): void {
    this.isOver = true;
    this.abortController?.abort();
  }
}

const MAX_PARTS = 100;

const COPIED = [
  'requestId',
  'path',
  'query',
  'host',
  'clientAddress',
  'scheme',
  'publicAuthority',
  'route',
  'params',
  'identity',
  'challenge',
  'wantsInternalToken',
  'credentialField',
  'isAdmitted',
  'callerFields',
  'limits',
  'isTrustedPeer',
  'bodyBytes',
] as const satisfies readonly (keyof Exchange)[];

const FOUND_OUT = [
  'identity',
  'upstream',
  'target',
  'upstreamPath',
  'upstreamHost',
  'sentAt',
  'respondedAt',
  'attempts',
  'attempt',
  'queuedMs',
  'parts',
] as const satisfies readonly (keyof Exchange)[];

const NO_ROUTE: RouteInfo = { id: '' };
const NO_PARAMS: Readonly<Record<string, string>> = {};
