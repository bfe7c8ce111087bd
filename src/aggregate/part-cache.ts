import { EMPTY_BODY } from '../core/body.ts';
import { GatewayError } from '../core/errors.ts';
import { Exchange, type ProceedOptions } from '../core/exchange.ts';
import { HeaderList } from '../core/header-list.ts';
import type { Reply } from '../core/message.ts';
import type { RequestOutcome } from '../core/policy.ts';
import { isReply, toResponse } from '../core/reply.ts';
import type { Part, PartCache, PartRequest } from './part.ts';

/** A part that is asked for through the cache. */
export interface CachedAsk {
  readonly exchange: Exchange;
  readonly part: Part;
  readonly request: PartRequest;
  readonly ask: AskPart;
  readonly signal: AbortSignal;
}

/** How a part is asked for where the cache has nothing. */
export type AskPart = (request: PartRequest, options: ProceedOptions) => Promise<Reply>;

/**
 * Asks for a part through the cache, as a route would with the policy `cache`: what is stored is found by upstream, path
 * and all headers that the part sends, and belongs to the caller where the part tells who that is.
 */
export async function askThroughCache<T>(
  cache: PartCache,
  { exchange, part, request, ask, signal }: CachedAsk,
  read: (reply: Reply) => Promise<T>,
): Promise<T> {
  const own = exchangeFor(exchange, part, request);
  own.proceeder = {
    runRest: (options) => ask({ ...request, headers: options.headers ?? own.headers.clone() }, options),
  };
  const leave = (): void => own.close();
  signal.addEventListener('abort', leave, { once: true });
  try {
    const outcome = await untilAborted(cache.onRequest?.(own), signal);
    if (outcome instanceof GatewayError) throw outcome;
    return await read(outcome ?? (await askWatched(cache, own, ask, request)));
  } finally {
    signal.removeEventListener('abort', leave);
    own.close();
    cache.onFinish?.(own);
  }
}

/** Asks, and has the cache look at the response, which it stores while that passes. */
async function askWatched(
  cache: PartCache,
  own: Exchange,
  ask: AskPart,
  request: PartRequest,
): Promise<Reply> {
  const { head, body } = toResponse(await ask({ ...request, headers: own.headers.clone() }, {}));
  const outcome = await cache.onResponse?.(own, head);
  const { status, headers } = head;
  if (outcome === undefined) return { status, headers, body };
  if ('mapBody' in outcome) return { status, headers, body: outcome.mapBody(body) };
  body.cancel();
  if (outcome instanceof GatewayError) throw outcome;
  return outcome;
}

/** Makes the exchange that the cache sees: a GET for the part, of whoever asks for it. */
function exchangeFor(exchange: Exchange, part: Part, { path, headers }: PartRequest): Exchange {
  const [start = '', ...query] = path.split('?');
  const own = new Exchange(
    {
      ...exchange.request,
      method: 'GET',
      target: path,
      authority: part.upstream.name,
      // The cache changes what it is given.
      headers: headers.clone(),
      body: EMPTY_BODY,
      upgrade: undefined,
    },
    exchange.startedAt,
  );
  own.requestId = exchange.requestId;
  own.path = start;
  own.query = query.join('?');
  own.scheme = exchange.scheme;
  own.publicAuthority = part.upstream.name;
  own.route = { id: `${exchange.route.id}/${part.name}` };
  if (part.sendsIdentity) {
    own.identity = exchange.identity;
    own.callerFields = exchange.callerFields;
    own.isAdmitted = exchange.isAdmitted;
  }
  return own;
}

/** What waits for a store or for others must not outlast the part. */
function untilAborted(
  pending: RequestOutcome | Promise<RequestOutcome>,
  signal: AbortSignal,
): Promise<RequestOutcome> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    Promise.resolve(pending)
      .then((outcome) => {
        // Others may wait for the same response, and would for a reader that is gone.
        if (signal.aborted && isReply(outcome)) toResponse(outcome).body.cancel();
        resolve(outcome);
      }, reject)
      .finally(() => signal.removeEventListener('abort', leave));
  });
}

/** Tells whether a reply came out of the cache, without a request to the upstream. */
export function isHit({ headers }: Reply): boolean {
  const list = headers instanceof HeaderList ? headers : HeaderList.from(headers ?? {});
  return /(?:^|,\s*)sallyport;\s*hit(?:;|$)/.test(list.get('cache-status') ?? '');
}
