import type { CacheVerdict, ForwardReason } from '../../cache/cache-status.ts';
import { invalidatedBy, isSafeMethod } from '../../cache/invalidation.ts';
import { purgeAuthority } from '../../cache/purge-url.ts';
import { judgeReuse } from '../../cache/reuse.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import { isPromise } from '../../core/is-promise.ts';
import type { Reply, ResponseHead } from '../../core/message.ts';
import type { PolicyInstance, RequestOutcome, ResponseOutcome } from '../../core/policy.ts';
import type { Services } from '../../core/services.ts';
import type { CacheStore, StoredResponse } from '../../core/stores/cache-store.ts';
import type { CacheCounts } from './cache-counts.ts';
import { CacheFetch } from './cache-fetch.ts';
import type { CacheOptions } from './cache-options.ts';
import {
  type CacheRequest,
  compileBypass,
  compileCacheRequest,
  compileKeyedTarget,
} from './cache-request.ts';
import { hitOf, replyFromStored, withVerdict } from './cached-reply.ts';
import { chooseStored, type Found, selects, variantOf } from './choose-stored.ts';
import type { FlightResponse, Flights } from './flights.ts';
import { ForwardedRequests } from './forwarded-requests.ts';

export interface CacheInstanceOptions {
  readonly options: CacheOptions;
  readonly store: CacheStore;
  readonly clock: Clock;
  readonly countsOf: (route: string) => CacheCounts;
  readonly flights: Flights;
  readonly bufferBody: Services['bufferBody'] | undefined;
  close(): void;
}

/** One use of the policy: finds what is stored, and asks or waits where that does not do. */
export class CacheInstance implements PolicyInstance {
  readonly close: () => void;
  private readonly maxBody: number;
  private readonly isPrivate: boolean;
  private readonly store: CacheStore;
  private readonly clock: Clock;
  private readonly countsOf: (route: string) => CacheCounts;
  private readonly flights: Flights;
  private readonly upstream: CacheFetch;
  private readonly forwarded: ForwardedRequests;
  private readonly isBypassed: (exchange: Exchange) => boolean;
  private readonly read: (exchange: Exchange) => CacheRequest;
  private readonly keyedTarget: (target: string) => string;
  private readonly bufferBody: Services['bufferBody'] | undefined;

  constructor({ options, store, clock, countsOf, flights, bufferBody, close }: CacheInstanceOptions) {
    const { maxBody, etag } = options;
    this.close = close;
    this.maxBody = maxBody;
    this.isPrivate = options.private;
    this.store = store;
    this.clock = clock;
    this.countsOf = countsOf;
    this.flights = flights;
    this.bufferBody = bufferBody;
    this.isBypassed = compileBypass(options);
    this.read = compileCacheRequest(options);
    this.keyedTarget = compileKeyedTarget(options);
    const settings = {
      maxAgeMs: options.maxAge,
      override: options.override,
      heuristic: options.heuristic,
      private: options.private,
      statuses: options.statuses && new Set(options.statuses),
      staleWhileRevalidateMs: options.staleWhileRevalidate,
      staleIfErrorMs: options.staleIfError,
    };
    const parts = { store, flights, clock, settings, maxBody, etag, countsOf };
    this.upstream = new CacheFetch(parts);
    this.forwarded = new ForwardedRequests(parts);
  }

  onRequest(exchange: Exchange): RequestOutcome | Promise<RequestOutcome> {
    const { method } = exchange.request;
    if (this.isBypassed(exchange)) {
      if (!isSafeMethod(method)) return undefined;
      this.forwarded.pass(exchange, 'bypass');
      this.countsOf(exchange.route.id).bypass.add();
      return undefined;
    }
    const reading = method === 'QUERY' ? this.bufferBody?.(exchange, this.maxBody) : undefined;
    if (reading === undefined) return this.lookUp(exchange);
    return reading.then((failure) => failure ?? this.lookUp(exchange));
  }

  onResponse(exchange: Exchange, head: ResponseHead): ResponseOutcome {
    if (exchange.cacheMark !== undefined) return this.forwarded.onResponse(exchange, head);
    if (!isSafeMethod(exchange.request.method)) this.invalidate(exchange, head);
    return undefined;
  }

  onFinish(exchange: Exchange): void {
    this.forwarded.onFinish(exchange);
  }

  /** What changes a resource takes out what is stored of it (RFC 9111 §4.4). */
  private invalidate(exchange: Exchange, head: ResponseHead): void {
    const authority = exchange.publicAuthority.toLowerCase();
    const origin = `${exchange.scheme}://${authority}`;
    const target = exchange.path + exchange.search;
    for (const other of invalidatedBy(exchange.request.method, target, origin, head))
      void this.store.purge({
        kind: 'url',
        value: purgeAuthority(authority) + this.keyedTarget(other),
        soft: false,
      });
  }

  private lookUp(exchange: Exchange): RequestOutcome | Promise<RequestOutcome> {
    const request = this.read(exchange);
    const own = request.subjectKey === undefined ? undefined : this.store.find(request.subjectKey);
    const shared = this.store.find(request.key);
    if (!isPromise(own) && !isPromise(shared)) return this.respond(exchange, request, own, shared);
    return Promise.all([own, shared]).then((found) => {
      // What was purged while the other one was looked for.
      const [ownLeft, sharedLeft] = found.map((resource) => resource && this.store.recheck(resource));
      return this.respond(exchange, request, ownLeft, sharedLeft);
    });
  }

  private respond(
    exchange: Exchange,
    request: CacheRequest,
    own: Found,
    shared: Found,
  ): RequestOutcome | Promise<RequestOutcome> {
    const now = this.clock.now();
    const stored = chooseStored(exchange, request, own, shared, now);
    const reuse = stored === undefined ? 'validate' : judgeReuse(stored, now, request.asked);
    if (stored !== undefined && reuse !== 'validate') {
      const counts = this.countsOf(exchange.route.id);
      if (reuse === 'fresh') counts.hit.add();
      else {
        counts.stale.add();
        this.refresh(exchange, request, stored);
      }
      return replyFromStored(exchange, stored, hitOf(stored, now), now);
    }
    if (request.asked.onlyIfCached) return new GatewayError('GW_NOT_IN_CACHE');
    if (exchange.request.method === 'HEAD') {
      if (stored === undefined && this.forwarded.mayPass(exchange, request))
        return this.forwarded.pass(exchange, 'uri-miss');
      return this.upstream.passHead(exchange, request, stored);
    }
    const known = own ?? shared;
    return this.ask(exchange, request, stored, known === undefined, variantOf(known?.responses[0], exchange));
  }

  /** The response to a HEAD has no body that could be stored. */
  private refresh(exchange: Exchange, request: CacheRequest, stored: StoredResponse): void {
    const key =
      exchange.request.method === 'HEAD' ? undefined : this.flightKeyOf(exchange, request, stored.variantKey);
    if (key !== undefined) this.upstream.refresh(exchange, request, stored, key);
  }

  /**
   * Asks the upstream, or waits for somebody else who does, as far as is known for the same `variant`. Those for whom the
   * answer proves to be another one wait for one of their own.
   */
  private ask(
    exchange: Exchange,
    request: CacheRequest,
    stored: StoredResponse | undefined,
    isUnknown: boolean,
    variant: string,
    isSecond = false,
  ): RequestOutcome | Promise<RequestOutcome> {
    const reason: ForwardReason = stored !== undefined ? 'stale' : isUnknown ? 'uri-miss' : 'vary-miss';
    // A part is never stored, so it is passed on as it is asked for.
    if (stored === undefined && exchange.request.headers.has('range'))
      return this.forwarded.mayPass(exchange, request)
        ? this.forwarded.pass(exchange, 'partial')
        : this.upstream.pass({ exchange, request }, 'partial');
    const key = this.flightKeyOf(exchange, request, variant);
    if (key === undefined || this.flights.isAlone(key)) return this.fetch(exchange, request, stored, reason);
    const { purges } = this.store;
    const flight = this.flights.find(key, purges);
    if (flight === undefined) return this.lead(exchange, request, stored, reason, key);
    return flight.wait(exchange.signal).then((outcome) => {
      if (outcome === 'alone' || outcome.body?.isOpen === false)
        return this.fetch(exchange, request, stored, reason);
      const { response } = outcome;
      if (selects(exchange, response)) return this.replyFromShared(exchange, outcome, reason);
      if (isSecond) return this.fetch(exchange, request, stored, reason);
      return this.ask(exchange, request, stored, isUnknown, variantOf(response, exchange), true);
    });
  }

  /** Asks for this request alone. */
  private fetch(
    exchange: Exchange,
    request: CacheRequest,
    stored: StoredResponse | undefined,
    reason: ForwardReason,
  ): RequestOutcome | Promise<Reply> {
    if (stored !== undefined || !this.forwarded.mayGoOn(exchange, request))
      return this.upstream.fetch(exchange, request, stored, reason);
    return this.forwarded.follow(exchange, request, reason);
  }

  /** Asks for this request and all that come meanwhile for the same. */
  private lead(
    exchange: Exchange,
    request: CacheRequest,
    stored: StoredResponse | undefined,
    reason: ForwardReason,
    key: string,
  ): RequestOutcome | Promise<Reply> {
    const { purges, together } = this.store;
    const flight = this.flights.begin(key, purges);
    if (stored !== undefined || together !== undefined || !this.forwarded.mayGoOn(exchange, request))
      return this.upstream.lead(exchange, request, stored, reason, flight);
    return this.forwarded.follow(exchange, request, reason, flight);
  }

  /** Those who wait for one another must be those who may have the same response. */
  private flightKeyOf(
    { request: { method } }: Exchange,
    request: CacheRequest,
    variant: string,
  ): string | undefined {
    if (request.forStoring.noStore) return undefined;
    const isOfNoOther = request.hasAuthorization || request.callerFields.length > 0 || this.isPrivate;
    const key = request.subjectKey ?? (isOfNoOther ? undefined : request.key);
    if (key === undefined) return undefined;
    return `${method} ${request.hasCookies ? 'cookies ' : ''}${key} ${variant}`;
  }

  private replyFromShared(
    exchange: Exchange,
    { response, body }: FlightResponse,
    reason: ForwardReason,
  ): Reply {
    const verdict: CacheVerdict = { kind: 'forward', reason, isCollapsed: true };
    this.countsOf(exchange.route.id).hit.add();
    if (body === undefined) return replyFromStored(exchange, response, verdict, this.clock.now());
    const headers = withVerdict(response.headers.clone(), verdict);
    return { status: response.status, headers, body: body.open() };
  }
}
