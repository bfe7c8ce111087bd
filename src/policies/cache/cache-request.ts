import { createHash } from 'node:crypto';
import { compileQueryRule, joinPart, joinParts } from '../../cache/cache-key.ts';
import { type Directives, NO_DIRECTIVES, parseDirectives } from '../../cache/directives.ts';
import { purgeAuthority } from '../../cache/purge-url.ts';
import type { Exchange } from '../../core/exchange.ts';
import { FieldKind, fieldKindOf } from '../../core/field-kind.ts';
import { findFirstCookie } from '../../core/fields/cookies.ts';
import { isSecretName } from '../../core/fields/secret-names.ts';
import type { HeaderList } from '../../core/header-list.ts';
import type { CacheOptions } from './cache-options.ts';
import { addedKeyOf, callerFieldsIn, credentialsKeyOf } from './caller-fields-of.ts';
import { callerKeyOf } from './caller-key.ts';

/** A request as the cache sees it. */
export interface CacheRequest {
  /** The key of what is for everybody. */
  readonly key: string;
  /** The key of what belongs to who is calling; `undefined` where nobody knows who that is. */
  readonly subjectKey: string | undefined;
  /** Authority, path and query, by which it is purged. */
  readonly url: string;
  /** The query as it belongs to the key, which the upstream is to see; `undefined` for the request's own. */
  readonly query: string | undefined;
  readonly isIdentified: boolean;
  /** Whether the upstream may know a caller of whom nobody here knows who it is. */
  readonly hasAuthorization: boolean;
  /** Whether it has cookies, of which none is in the key. */
  readonly hasCookies: boolean;
  /** Names of other headers by which the upstream may know a caller whom nobody here knows, and that are in no key. */
  readonly callerFields: readonly string[];
  /** What the client asks of caches, where it is obeyed; `no-store` always counts. */
  readonly asked: Directives;
  readonly forStoring: Directives;
}

/** Compiles how a request is read. */
export function compileCacheRequest(options: CacheOptions): (exchange: Exchange) => CacheRequest {
  const { headers: keyHeaders, cookies: keyCookies, query: queryRule } = options.key;
  const filterQuery = compileQueryRule(queryRule);
  const inKey: ReadonlySet<string> = new Set(keyHeaders.map((name) => name.toLowerCase()));
  const origin = new KeyedOrigin();
  return (exchange) => {
    const { headers, method } = exchange.request;
    const query = filterQuery?.(exchange.query);
    const target = query === undefined ? exchange.path + exchange.search : targetOf(exchange.path, query);
    origin.see(exchange);
    let key = origin.key + joinPart(target);
    if (method === 'QUERY') key += joinPart(bodyKeyOf(exchange));
    for (const name of keyHeaders) key += joinPart(hashedIf(isSecretName(name), headers.get(name)));
    for (const name of keyCookies)
      key += joinPart(hashedIf(true, findFirstCookie(headers.get('cookie') ?? '', name)));
    key += addedKeyOf(exchange);
    const { identity } = exchange;
    const hasCookies = keyCookies.length === 0 && headers.has('cookie');
    const callerFields = callerFieldsIn(exchange, inKey);
    const subjectKey =
      identity &&
      key +
        callerKeyOf(identity, exchange.callerFields) +
        credentialsKeyOf(exchange, callerFields, hasCookies);
    const request = new ReadRequest(exchange, origin.authority, target, key, subjectKey, query, hasCookies);
    if (identity === undefined) request.callerFields = callerFields;
    if (options.requestDirectives) request.asked = directivesOf(request.forStoring, headers);
    return request;
  };
}

/** What the keys of one route and host have in common, made once for requests that follow each other. */
class KeyedOrigin {
  /** In lower case. */
  authority = '';
  key = '';
  private route: string | undefined = undefined;
  private scheme = '';
  private written = '';

  see({ route, scheme, publicAuthority }: Exchange): void {
    if (route.id === this.route && publicAuthority === this.written && scheme === this.scheme) return;
    this.route = route.id;
    this.scheme = scheme;
    this.written = publicAuthority;
    this.authority = publicAuthority.toLowerCase();
    this.key = joinParts([route.id, scheme, this.authority]);
  }
}

/** Reads at once what a request's way to the upstream changes, and the rest when it is asked for: a hit needs none of it. */
class ReadRequest implements CacheRequest {
  readonly key: string;
  readonly subjectKey: string | undefined;
  readonly query: string | undefined;
  readonly isIdentified: boolean;
  readonly hasAuthorization: boolean;
  readonly hasCookies: boolean;
  callerFields: readonly string[] = NO_FIELDS;
  asked: Directives = NO_DIRECTIVES;
  private readonly authority: string;
  private readonly target: string;
  private readonly cacheControl: string | undefined;

  constructor(
    exchange: Exchange,
    authority: string,
    target: string,
    key: string,
    subjectKey: string | undefined,
    query: string | undefined,
    hasCookies: boolean,
  ) {
    const { headers } = exchange.request;
    this.key = key;
    this.subjectKey = subjectKey;
    this.query = query;
    this.isIdentified = exchange.identity !== undefined;
    this.hasAuthorization =
      headers.has('authorization') || exchange.credentialField !== '' || exchange.isAdmitted;
    this.hasCookies = hasCookies;
    this.authority = authority;
    this.target = target;
    this.cacheControl = headers.get('cache-control');
  }

  get url(): string {
    return purgeAuthority(this.authority) + this.target;
  }

  get forStoring(): Directives {
    return parseDirectives(this.cacheControl);
  }
}

const NO_FIELDS: readonly string[] = [];

/** A secret stands in the key by its hash: keys are kept, and shared. */
function hashedIf(isSecret: boolean, value: string | undefined): string | undefined {
  return isSecret && value !== undefined ? createHash('sha256').update(value).digest('base64') : value;
}

/** Compiles what is left of path and query in the key, under which a resource is purged. */
export function compileKeyedTarget({ key }: CacheOptions): (target: string) => string {
  const filterQuery = compileQueryRule(key.query);
  if (filterQuery === undefined) return (target) => target;
  return (target) => {
    const mark = target.indexOf('?');
    return mark < 0 ? target : targetOf(target.slice(0, mark), filterQuery(target.slice(mark + 1)));
  };
}

function targetOf(path: string, query: string): string {
  return query === '' ? path : `${path}?${query}`;
}

/** `Pragma: no-cache` says the same for clients of HTTP/1.0 (RFC 9111 §5.4). */
function directivesOf(directives: Directives, headers: HeaderList): Directives {
  if (headers.has('cache-control') || parseDirectives(headers.get('pragma')).noCache === false)
    return directives;
  return { ...directives, noCache: true };
}

/** RFC 10008 §2.7: the body belongs to the key. By its bytes, which are the same only where the question is. */
function bodyKeyOf({ bodyBytes, request }: Exchange): string {
  const { headers } = request;
  const hash = createHash('sha256').update(bodyBytes ?? '');
  return joinParts([headers.get('content-type'), headers.get('content-encoding'), hash.digest('base64')]);
}

/** Fields by which a client asks for something that is not a whole response, or only under a condition. */
const CONDITIONS = ['if-none-match', 'if-modified-since', 'range', 'if-range'] as const;

/** Tells whether a client asks for something under a condition by this header, in lower case. */
export function isCondition(name: string): boolean {
  return (CONDITIONS as readonly string[]).includes(name);
}

/** Copies the fields of a request for the upstream, for a whole response, and with the conditions of `validators`. */
export function headersForUpstream(request: HeaderList, validators: HeaderList | undefined): HeaderList {
  const headers = request.clone();
  for (const name of CONDITIONS) headers.delete(name);
  const etag = validators?.get('etag');
  const modified = validators?.get('last-modified');
  if (etag !== undefined) headers.append('if-none-match', etag);
  if (modified !== undefined) headers.append('if-modified-since', modified);
  return headers;
}

/** Compiles which requests go past the cache. */
export function compileBypass({ methods, bypass }: CacheOptions): (exchange: Exchange) => boolean {
  const answered: ReadonlySet<string> = new Set(methods);
  const bypasses = compileHasAny([...PRECONDITIONS, ...bypass.headers]);
  return ({ request, body }) => {
    const { method, headers, upgrade } = request;
    if (!answered.has(method) || upgrade !== undefined) return true;
    // What a body of a GET asks for is in no key.
    if (method !== 'QUERY' && body.length !== 0) return true;
    // Where a setting lets them through, they make another request of it.
    if (bypasses(headers) || headers.getKind(FieldKind.override) !== undefined) return true;
    if (bypass.cookies.length === 0) return false;
    const cookies = headers.get('cookie');
    return (
      cookies !== undefined && bypass.cookies.some((name) => findFirstCookie(cookies, name) !== undefined)
    );
  };
}

/** Asks whether one of these fields is there. Most can be told not to be by their kinds. */
function compileHasAny(names: readonly string[]): (headers: HeaderList) => boolean {
  const known = names.filter((name) => fieldKindOf(name) !== FieldKind.other);
  const others = names.filter((name) => fieldKindOf(name) === FieldKind.other);
  const kinds = known.reduce((bits, name) => bits | (1 << fieldKindOf(name)), 0);
  return (headers) =>
    (headers.mayHaveKinds(kinds) && known.some((name) => headers.has(name))) ||
    others.some((name) => headers.has(name));
}

const PRECONDITIONS = ['if-match', 'if-unmodified-since'];
