import type { CacheVerdict, ForwardReason } from '../../cache/cache-status.ts';
import { contradicts, freshenHeaders, isAboutStored } from '../../cache/freshen.ts';
import { maySubstitute } from '../../cache/reuse.ts';
import type { Storability } from '../../cache/storability.ts';
import { tagsOf } from '../../cache/tags.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { Reply } from '../../core/message.ts';
import { type GatewayResponse, toResponse } from '../../core/reply.ts';
import type { SharedFetches, StoredResponse } from '../../core/stores/cache-store.ts';
import type { CacheCounts } from './cache-counts.ts';
import { type CacheRequest, headersForUpstream } from './cache-request.ts';
import { replyFromStored, replyWith } from './cached-reply.ts';
import type { Fetching, Sent } from './fetching.ts';
import type { Flight } from './flights.ts';
import { FAILED, type ForwardedOptions } from './forwarded-requests.ts';
import { shareResponse } from './share-response.ts';
import {
  isMadeHere,
  judgeResponse,
  keyOf,
  MADE_HERE,
  type ResponseMetadata,
  toStored,
} from './stored-response.ts';
import { type FetchState, waitForFetch } from './wait-for-fetch.ts';

/** How long after a refresh that failed the next one is tried, in milliseconds. */
const REFRESH_PAUSE_MS = 1000;

/** Asks the upstream, and stores what comes. */
export class CacheFetch {
  private readonly options: ForwardedOptions;

  constructor(options: ForwardedOptions) {
    this.options = options;
  }

  /** Asks for the whole response, on the condition of what is stored. `flight` are those who wait for it. */
  fetch(
    exchange: Exchange,
    request: CacheRequest,
    stored: StoredResponse | undefined,
    reason: ForwardReason,
    flight?: Flight,
  ): Promise<Reply> {
    return this.run({ exchange, request, stored, reason, flight, isDetached: false });
  }

  /** Asks as `fetch` does, for all who wait, when no other gateway does; where one has, what came of that is the answer. */
  async lead(
    exchange: Exchange,
    request: CacheRequest,
    stored: StoredResponse | undefined,
    reason: ForwardReason,
    flight: Flight,
  ): Promise<Reply> {
    const { together } = this.options.store;
    if (together === undefined) return this.fetch(exchange, request, stored, reason, flight);
    const turn = await this.waitForFetch(together, exchange, request, flight);
    if (turn.fresh === undefined) return this.fetch(exchange, request, turn.stale ?? stored, reason, flight);
    this.count(exchange).hit.add();
    const verdict: CacheVerdict = { kind: 'forward', reason, isCollapsed: true };
    return replyFromStored(exchange, turn.fresh, verdict, this.options.clock.now());
  }

  /** Refreshes what is stored, apart from the client, whose request it does not respond any more. */
  refresh(exchange: Exchange, request: CacheRequest, stored: StoredResponse, key: string): void {
    const { flights } = this.options;
    const pause = `refresh ${key}`;
    const { store } = this.options;
    if (flights.find(key, store.purges) !== undefined || flights.isAlone(pause)) return;
    const flight = flights.begin(key, store.purges);
    const { together } = store;
    const fail = (): void => flights.markAlone(pause, REFRESH_PAUSE_MS);
    const run = async (): Promise<void> => {
      const turn = together && (await this.waitForFetch(together, exchange, request, flight));
      if (turn?.fresh !== undefined) return;
      const next = turn?.stale ?? stored;
      const reply = await this.run({
        exchange,
        request,
        stored: next,
        reason: 'stale',
        flight,
        isDetached: true,
      });
      // One for a caller whom the service may know changes nothing for others.
      if (FAILED.has(reply.status) || request.hasCookies || request.callerFields.length > 0) fail();
      toResponse(reply).body.cancel();
    };
    run().catch(fail);
  }

  /** Waits for the turn among all gateways. What another one has stored settles the flight. */
  private async waitForFetch(
    together: SharedFetches,
    exchange: Exchange,
    request: CacheRequest,
    flight: Flight,
  ): Promise<FetchState> {
    const { store, flights, clock } = this.options;
    try {
      const turn = await waitForFetch(exchange, request, { together, store, flight, flights, clock });
      if (turn.fresh === undefined) return turn;
      flight.settle({ response: turn.fresh, body: undefined });
      flight.end();
      return turn;
    } catch (error) {
      flight.end();
      throw error;
    }
  }

  /** Sends a request on as it is; what comes is not stored. */
  async pass(
    { exchange, request }: Pick<Fetching, 'exchange' | 'request'>,
    reason: ForwardReason,
  ): Promise<Reply> {
    return replyWith(await this.passOn(exchange, request), { kind: 'forward', reason });
  }

  private async passOn(
    exchange: Exchange,
    { query }: CacheRequest,
    headers = exchange.request.headers.clone(),
  ): Promise<GatewayResponse> {
    this.count(exchange).miss.add();
    const more = { passInterim: true, headers, ...(query !== undefined && { query }) };
    return toResponse(await exchange.proceed(more));
  }

  /** Sends a HEAD on, whose response shows whether what is stored still holds (RFC 9111 §4.3.5). */
  async passHead(
    exchange: Exchange,
    request: CacheRequest,
    stored: StoredResponse | undefined,
  ): Promise<Reply> {
    const started = this.startTimes();
    const sent = exchange.request.headers.clone();
    const response = await this.passOn(exchange, request, sent);
    const { status, headers } = response.head;
    if (stored !== undefined && status === stored.status) {
      if (contradicts(headers, stored.headers)) this.options.store.drop(keyOf(request, stored), stored);
      else this.freshen({ exchange, request, stored, sent }, { status, headers, ...this.endTimes(started) });
    }
    return replyWith(response, { kind: 'forward', reason: stored === undefined ? 'uri-miss' : 'stale' });
  }

  private async run(asked: Fetching): Promise<Reply> {
    const fetching = { ...asked, stored: this.unlessPurged(asked.request, asked.stored) };
    const { exchange, request, stored, flight, isDetached } = fetching;
    const { query } = request;
    try {
      const started = this.startTimes();
      const sent = headersForUpstream(exchange.request.headers, stored?.headers);
      const reply = await exchange.proceed({
        detached: isDetached,
        passInterim: !isDetached,
        headers: sent,
        ...(query !== undefined && { query }),
        ...(flight !== undefined && !isDetached && { outlives: () => flight.isWanted }),
      });
      const response = toResponse(reply);
      const answered = { status: reply.status, headers: response.head.headers, ...this.endTimes(started) };
      return await this.take({ ...fetching, sent }, response, answered);
    } catch (error) {
      flight?.end();
      throw error;
    }
  }

  private take(
    fetching: Fetching & Sent,
    response: GatewayResponse,
    answered: ResponseMetadata,
  ): Reply | Promise<Reply> {
    const { stored } = fetching;
    if (stored !== undefined && answered.status === 304)
      return this.takeNotModified({ ...fetching, stored }, response, answered);
    const { responseTime } = answered.times;
    const substitute = FAILED.has(answered.status) ? this.unlessPurged(fetching.request, stored) : undefined;
    if (substitute !== undefined && maySubstitute(substitute, responseTime))
      return this.substitute({ ...fetching, stored: substitute }, response, answered);
    this.count(fetching.exchange).miss.add();
    return this.takeNew(fetching, response, answered);
  }

  /** What is stored still holds; or the 304 speaks of another version, and the whole is asked for. */
  private takeNotModified(
    fetching: Fetching & Sent & { readonly stored: StoredResponse },
    { body }: GatewayResponse,
    answered: ResponseMetadata,
  ): Reply | Promise<Reply> {
    const { exchange, request, stored, flight, reason } = fetching;
    body.cancel();
    const next = isAboutStored(answered.headers, stored.headers)
      ? this.freshen(fetching, answered)
      : undefined;
    if (next === undefined) {
      this.options.store.drop(keyOf(request, stored), stored);
      return this.run({ ...fetching, stored: undefined });
    }
    const { response, isStored } = next;
    this.count(exchange).revalidated.add();
    if (isStored) flight?.settle({ response, body: undefined });
    flight?.end();
    const verdict: CacheVerdict = { kind: 'forward', reason, status: 304, isStored };
    return replyFromStored(exchange, response, verdict, answered.times.responseTime);
  }

  private substitute(
    { exchange, stored, flight, reason, isDetached }: Fetching & { readonly stored: StoredResponse },
    { body }: GatewayResponse,
    { status, times }: ResponseMetadata,
  ): Reply {
    body.cancel();
    this.count(exchange).stale.add();
    flight?.settle({ response: stored, body: undefined });
    flight?.end();
    // Who refreshes wants to know that it failed.
    if (isDetached) return { status };
    return replyFromStored(exchange, stored, { kind: 'forward', reason, status }, times.responseTime);
  }

  /** Stores what may be stored while it streams to who asked, and to all who wait for it. */
  private takeNew(fetching: Fetching & Sent, response: GatewayResponse, answered: ResponseMetadata): Reply {
    const { exchange, flight, reason } = fetching;
    const { flights } = this.options;
    const { status } = answered;
    const judged = this.judge(fetching, answered);
    if (!judged.isStorable) {
      // A failure says nothing of what comes when it is over.
      if (flight !== undefined && !FAILED.has(status)) flights.markAlone(flight.key);
      flight?.end();
      return replyWith(response, { kind: 'forward', reason, status });
    }
    const stored = toStored(answered, judged.rules, exchange.request.headers);
    const shared = shareResponse(fetching, response.body, stored, this.options);
    const body = shared.open();
    shared.start();
    const verdict: CacheVerdict = { kind: 'forward', reason, status, isStored: shared.isOpen };
    return replyWith({ head: response.head, body }, verdict);
  }

  /**
   * Stores what a 304, or the answer to a HEAD, makes of a stored response; `undefined` where it must not be kept. One for a
   * caller whom the service may know by cookies is for that caller alone, and leaves what is stored as it is.
   */
  private freshen(
    asked: Pick<Fetching, 'exchange' | 'request'> & Sent & { readonly stored: StoredResponse },
    { headers, times, requestedAt }: ResponseMetadata,
  ): { readonly response: StoredResponse; readonly isStored: boolean } | undefined {
    const { exchange, request, stored } = asked;
    const { store } = this.options;
    const { status, body } = stored;
    const answered = { status, headers: freshenHeaders(stored.headers, headers), times, requestedAt };
    const judged = this.judge(asked, answered);
    const isForCaller = !judged.isStorable && request.hasCookies && !stored.rules.isForAll;
    const used = isForCaller ? this.judge(asked, answered, false) : judged;
    if (!used.isStorable) return undefined;
    const updated = toStored(answered, used.rules, exchange.request.headers);
    // Tags are not among the stored fields; the update has its own, or changes nothing of them.
    const tags = tagsOf(headers);
    const next = { ...updated, body, tags: tags.length > 0 ? tags : stored.tags };
    if (isForCaller) return { response: next, isStored: false };
    const [former, key] = [keyOf(request, stored), keyOf(request, next)];
    if (former !== key || next.variantKey !== stored.variantKey) store.drop(former, stored);
    store.keep(key, request.url, next);
    return { response: next, isStored: true };
  }

  private judge(
    { exchange, request, sent }: Pick<Fetching, 'exchange' | 'request'> & Sent,
    answered: ResponseMetadata,
    hasCookies = request.hasCookies,
  ): Storability {
    const judged = judgeResponse(request, answered, this.options.settings, hasCookies);
    return isMadeHere(judged, exchange.request.headers, sent) ? MADE_HERE : judged;
  }

  /** Who waits may have found what was purged meanwhile. */
  private unlessPurged(
    { url }: CacheRequest,
    stored: StoredResponse | undefined,
  ): StoredResponse | undefined {
    if (stored === undefined) return undefined;
    return this.options.store.recheck({ url, responses: [stored] }) && stored;
  }

  private count({ route }: Exchange): CacheCounts {
    return this.options.countsOf(route.id);
  }

  private startTimes(): { readonly requestTime: number; readonly requestedAt: number } {
    return { requestTime: this.options.clock.now(), requestedAt: this.options.store.purges };
  }

  private endTimes({ requestTime, requestedAt }: ReturnType<CacheFetch['startTimes']>) {
    return { times: { requestTime, responseTime: this.options.clock.now() }, requestedAt };
  }
}
