import { type ByteRange, readRanges } from '../../cache/byte-ranges.ts';
import { type CacheVerdict, writeCacheStatus } from '../../cache/cache-status.ts';
import { allowsRange, isNotModified } from '../../cache/conditional.ts';
import { ageOf, freshnessLeft } from '../../cache/reuse.ts';
import { type BodySource, bodyFrom } from '../../core/body.ts';
import type { Exchange } from '../../core/exchange.ts';
import { FieldKind } from '../../core/field-kind.ts';
import { HeaderList } from '../../core/header-list.ts';
import { NameSet } from '../../core/identity/name-set.ts';
import type { Reply } from '../../core/message.ts';
import { type GatewayResponse, ReadyReply } from '../../core/reply.ts';
import type { StoredResponse } from '../../core/stores/cache-store.ts';

/** The fields of a stored response that a 304 has too (RFC 9110 §15.4.5). */
const IN_NOT_MODIFIED: ReadonlySet<string> = new Set([
  ...['cache-control', 'cdn-cache-control', 'content-location', 'date', 'etag', 'expires', 'vary'],
  'last-modified',
]);

/** Gives the verdict on a response that is used as it is stored. */
export function hitOf(stored: StoredResponse, now: number): CacheVerdict {
  return { kind: 'hit', ttlSeconds: Math.floor(freshnessLeft(stored, now) / 1000) };
}

/**
 * Answers with what is stored: with 304 where the client has it already, with the ranges it asks for, else with all of it
 * (RFC 9110 §13.2.2 for the order).
 */
export function replyFromStored(
  { request }: Exchange,
  stored: StoredResponse,
  verdict: CacheVerdict,
  now: number,
): ReadyReply {
  const { status, body } = stored;
  const isConditional = status === 200 && request.headers.mayHaveKinds(CONDITIONS);
  if (isConditional && isNotModified(request.headers, stored)) return notModified(stored, verdict, now);
  const headers = headersOf(stored, verdict, now);
  if (request.method === 'HEAD') return new ReadyReply(status, headers, bodyOfHead(body.length));
  const asked = isConditional && request.method === 'GET' ? request.headers.get('range') : undefined;
  if (asked === undefined || !allowsRange(request.headers, stored))
    return new ReadyReply(status, headers, bodyFrom(body));
  const ranges = readRanges(asked, body.length);
  if (ranges === 'whole') return new ReadyReply(status, headers, bodyFrom(body));
  if (ranges === 'unsatisfiable') return unsatisfiable(stored, headers);
  return ranges.length === 1 ? oneRange(stored, headers, ranges[0]!) : severalRanges(stored, headers, ranges);
}

/** Most requests have none of these, which their header list knows at once. */
const CONDITIONS = 1 << FieldKind.condition;

/** Answers with what the upstream has answered. */
export function replyWith({ head, body }: GatewayResponse, verdict: CacheVerdict): Reply {
  return { status: head.status, headers: withVerdict(head.headers, verdict), body };
}

/** Adds what this cache says of a response, behind what caches before it have said. */
export function withVerdict(headers: HeaderList, verdict: CacheVerdict): HeaderList {
  headers.deleteAll(TAGS);
  return addVerdict(headers, verdict);
}

/** What tags are for is purging, which is no client's business. */
const TAGS = new NameSet(['cache-tag', 'surrogate-key']);

function addVerdict(headers: HeaderList, verdict: CacheVerdict): HeaderList {
  const former = headers.get('cache-status');
  const own = writeCacheStatus(verdict);
  if (former !== undefined) headers.delete('cache-status');
  headers.appendTrusted('Cache-Status', former === undefined ? own : `${former}, ${own}`);
  return headers;
}

function headersOf(stored: StoredResponse, verdict: CacheVerdict, now: number): HeaderList {
  const headers = stored.headers.clone();
  headers.appendTrusted('Age', String(Math.floor(ageOf(stored, now) / 1000)));
  return addVerdict(headers, verdict);
}

function notModified(stored: StoredResponse, verdict: CacheVerdict, now: number): ReadyReply {
  const headers = HeaderList.from(
    [...headersOf(stored, verdict, now)].filter(([name]) => {
      const lower = name.toLowerCase();
      return IN_NOT_MODIFIED.has(lower) || lower === 'age' || lower === 'cache-status';
    }),
  );
  return new ReadyReply(304, headers);
}

function unsatisfiable({ body }: StoredResponse, headers: HeaderList): ReadyReply {
  headers.delete('content-type');
  headers.delete('content-encoding');
  headers.set('Content-Range', `bytes */${body.length}`);
  return new ReadyReply(416, headers);
}

function oneRange({ body }: StoredResponse, headers: HeaderList, { first, last }: ByteRange): ReadyReply {
  headers.set('Content-Range', `bytes ${first}-${last}/${body.length}`);
  return new ReadyReply(206, headers, bodyFrom(body.subarray(first, last + 1)));
}

/** Several parts travel in one body (RFC 9110 §14.6). */
function severalRanges(
  stored: StoredResponse,
  headers: HeaderList,
  ranges: readonly ByteRange[],
): ReadyReply {
  const { body } = stored;
  const boundary = boundaryNotIn(body);
  const type = headers.get('content-type');
  const parts = ranges.flatMap(({ first, last }) => {
    const head =
      `--${boundary}\r\n${type === undefined ? '' : `Content-Type: ${type}\r\n`}` +
      `Content-Range: bytes ${first}-${last}/${body.length}\r\n\r\n`;
    return [Buffer.from(head, 'latin1'), body.subarray(first, last + 1), Buffer.from('\r\n')];
  });
  headers.set('Content-Type', `multipart/byteranges; boundary=${boundary}`);
  const end = Buffer.from(`--${boundary}--\r\n`);
  return new ReadyReply(206, headers, bodyFrom(Buffer.concat([...parts, end])));
}

function boundaryNotIn(body: Buffer): string {
  for (let i = 0; ; i++) {
    const boundary = `sallyport-part-${i}`;
    if (!body.includes(boundary)) return boundary;
  }
}

/** The body of a response to HEAD: none, with the length that GET would have. */
function bodyOfHead(length: number): BodySource {
  return { length, isReplayable: true, pipe: (sink) => sink.end(), resume() {}, cancel() {} };
}
