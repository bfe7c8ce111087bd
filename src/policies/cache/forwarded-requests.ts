import type { ForwardReason } from '../../cache/cache-status.ts';
import type { SharedBody } from '../../cache/shared-body.ts';
import type { StoreSettings } from '../../cache/storability.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import { FieldKind } from '../../core/field-kind.ts';
import type { HeaderList } from '../../core/header-list.ts';
import type { ResponseHead } from '../../core/message.ts';
import type { ResponseOutcome } from '../../core/policy.ts';
import type { StoredResponse } from '../../core/stores/cache-store.ts';
import type { CacheCounts } from './cache-counts.ts';
import type { CacheRequest } from './cache-request.ts';
import { withVerdict } from './cached-reply.ts';
import type { Flight } from './flights.ts';
import { mayAnswerOthers, type ShareOptions, shareResponse } from './share-response.ts';
import {
  isMadeHere,
  judgeResponse,
  keyOf,
  type ResponseMetadata,
  toStored,
  withOwnEtag,
} from './stored-response.ts';

export interface ForwardedOptions extends ShareOptions {
  readonly clock: Pick<Clock, 'now'>;
  readonly settings: StoreSettings;
  readonly countsOf: (route: string) => CacheCounts;
}

/** A request that has gone on to the upstream, and what its response is looked at for. */
class ForwardedRequest {
  readonly request: CacheRequest;
  readonly reason: ForwardReason;
  /** The headers that it came with, by which its response is selected; those of the exchange are made fit for the target. */
  readonly headers: HeaderList;
  /** Those who wait for the response; `undefined` where nobody may. */
  readonly flight: Flight | undefined;
  readonly requestTime: number;
  readonly requestedAt: number;
  shared: SharedBody | undefined = undefined;

  constructor(
    exchange: Exchange,
    request: CacheRequest,
    reason: ForwardReason,
    flight: Flight | undefined,
    requestTime: number,
    requestedAt: number,
  ) {
    this.request = request;
    this.reason = reason;
    this.headers = exchange.request.headers.clone();
    this.flight = flight;
    this.requestTime = requestTime;
    this.requestedAt = requestedAt;
  }

  /** Whether others than the client wait for the response, or read it. */
  get isWantedByOthers(): boolean {
    return this.flight?.isWanted === true || (this.shared?.readerCount ?? 0) > 1;
  }
}

/** A request of which the response only has to say that it went past what is stored. */
const PASSED = { bypass: {}, partial: {}, 'uri-miss': {} } as const;

/** By which a client asks for a response on a condition, or for a part of it. */
const CONDITIONS = 1 << FieldKind.condition;

/**
 * Requests that go on to the upstream by themselves, as if there were no cache, and whose responses are stored while they
 * pass. It is what most misses are: one that has to be asked in another way than the client did, or whose response may
 * be replaced by what is stored, goes apart from its client instead (`CacheFetch`).
 */
export class ForwardedRequests {
  private readonly options: ForwardedOptions;

  constructor(options: ForwardedOptions) {
    this.options = options;
  }

  /** Whether a request, of which nothing is stored, can go on as it is and be answered for all who wait. */
  mayGoOn(exchange: Exchange, request: CacheRequest): boolean {
    return !exchange.headers.mayHaveKinds(CONDITIONS) && this.mayPass(exchange, request);
  }

  /** Whether it can go on as it is, where nothing is stored of its response. */
  mayPass(exchange: Exchange, { query }: CacheRequest): boolean {
    return query === undefined || query === exchange.query;
  }

  /** Has the response to a request stored, if it may be. */
  follow(exchange: Exchange, request: CacheRequest, reason: ForwardReason, flight?: Flight): void {
    const { clock, store } = this.options;
    const forwarded = new ForwardedRequest(exchange, request, reason, flight, clock.now(), store.purges);
    exchange.cacheMark = forwarded;
    if (flight !== undefined) exchange.outlives = () => forwarded.isWantedByOthers;
  }

  /** Has the response to a request say that nothing was stored of it. */
  pass(exchange: Exchange, reason: keyof typeof PASSED): void {
    exchange.cacheMark = PASSED[reason];
  }

  /** Looks at a response. It is stored while it streams to who asked, and to all who wait for it. */
  onResponse(exchange: Exchange, head: ResponseHead): ResponseOutcome {
    const { cacheMark } = exchange;
    if (cacheMark instanceof ForwardedRequest) return this.take(cacheMark, exchange, head);
    for (const reason of ['bypass', 'partial', 'uri-miss'] as const) {
      if (cacheMark !== PASSED[reason]) continue;
      if (reason !== 'bypass') this.options.countsOf(exchange.route.id).miss.add();
      withVerdict(head.headers, { kind: 'forward', reason });
    }
    return undefined;
  }

  /** Ends what did not come to its end: nobody waits for it in vain. */
  onFinish({ cacheMark }: Exchange): void {
    if (!(cacheMark instanceof ForwardedRequest)) return;
    const { shared } = cacheMark;
    if (shared !== undefined && shared.ending === undefined)
      shared.abort(new GatewayError('GW_CLIENT_CLOSED'));
    cacheMark.flight?.end();
  }

  private take(forwarded: ForwardedRequest, exchange: Exchange, head: ResponseHead): ResponseOutcome {
    const { clock, countsOf, settings, flights, maxBody } = this.options;
    const { request, reason, flight, headers, requestTime, requestedAt } = forwarded;
    const { status, length } = head;
    countsOf(exchange.route.id).miss.add();
    const times = { requestTime, responseTime: clock.now() };
    const answered: ResponseMetadata = { status, headers: head.headers, times, requestedAt };
    const judged = judgeResponse(request, answered, settings);
    const isTooLarge = length !== undefined && length > maxBody;
    if (!judged.isStorable || isTooLarge || isMadeHere(judged, headers, exchange.headers)) {
      // A failure says nothing of what comes when it is over.
      if (flight !== undefined && !FAILED.has(status)) flights.markAlone(flight.key);
      flight?.end();
      withVerdict(head.headers, { kind: 'forward', reason, status, isStored: false });
      return undefined;
    }
    const stored = toStored(answered, judged.rules, headers);
    withVerdict(head.headers, { kind: 'forward', reason, status, isStored: true });
    if (status === 204) {
      this.storeWithoutBody(forwarded, stored);
      return undefined;
    }
    return {
      mapBody: (source) => {
        forwarded.shared = shareResponse(forwarded, source, stored, this.options);
        const body = forwarded.shared.open();
        forwarded.shared.start();
        return body;
      },
    };
  }

  /** Of a response that has no body, none is read. */
  private storeWithoutBody({ request, flight }: ForwardedRequest, stored: StoredResponse): void {
    const { store, etag } = this.options;
    store.keep(keyOf(request, stored), request.url, etag ? withOwnEtag(stored) : stored);
    if (mayAnswerOthers(stored)) flight?.settle({ response: stored, body: undefined });
    flight?.end();
  }
}

/** Failures that say nothing of what comes when they are over (RFC 5861 §4). */
export const FAILED: ReadonlySet<number> = new Set([500, 502, 503, 504]);
