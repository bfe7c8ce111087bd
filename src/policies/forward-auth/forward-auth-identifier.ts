import { createHash } from 'node:crypto';
import { EMPTY_BODY } from '../../core/body.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import { decodeFieldText, trimOws } from '../../core/fields/field-text.ts';
import { HeaderList } from '../../core/header-list.ts';
import type { Identification, Identifier } from '../../core/identity/identifier.ts';
import type { Identity } from '../../core/identity/identity.ts';
import { sealIdentity } from '../../core/identity/seal-identity.ts';
import type { Reply, TargetRequest } from '../../core/message.ts';
import type { Services, UpstreamSender } from '../../core/services.ts';
import { compileOrigins } from '../cors/origin-pattern.ts';
import { dropTrailers } from '../credentials/drop-trailers.ts';
import { LookalikeNames } from '../credentials/lookalike-names.ts';
import { type AuthResponse, callService } from './call-service.ts';
import { isSingleField } from './message-fields.ts';

export interface ForwardAuthOptions {
  readonly url?: string | undefined;
  readonly upstream?: string | undefined;
  readonly path?: string | undefined;
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly answerHeaders: readonly string[];
  readonly clientHeaders: readonly string[];
  readonly origins: readonly string[];
  readonly identity?: IdentityFields | undefined;
  readonly timeout: number;
  readonly cache?: { readonly maxAge: number; readonly key: 'request' | 'headers' } | undefined;
}

interface IdentityFields {
  readonly subject: string;
  readonly roles?: string | undefined;
  readonly permissions?: string | undefined;
}

/** A response that lets pass: who it is, and what the upstream is told. */
interface AcceptedResponse {
  readonly who: Identity | 'admitted';
  readonly fields: readonly Field[];
  /** What the client is told. */
  readonly responseFields: readonly Field[];
}

type Field = readonly [name: string, value: string];

interface CachedResponse extends AcceptedResponse {
  /** Monotonic milliseconds. */
  readonly until: number;
}

const MAX_KEPT = 10_000;

/** Lets a service decide about each request. It needs no credential for that, so it never says that there is none. */
export class ForwardAuth implements Identifier {
  readonly challenge = '';
  readonly isOptional = false;
  readonly writesResponse: boolean;
  readonly singleFields: readonly string[];
  readonly admitsOrigin: (origin: string) => boolean;
  private readonly options: ForwardAuthOptions;
  private readonly services: Services;
  private readonly sender: UpstreamSender;
  private readonly host: string;
  private readonly path: string;
  /** With `_` and other signs folded to `-`, since servers read them alike. */
  private readonly owned: ReadonlySet<string>;
  private readonly lookalikes: readonly LookalikeNames[];
  private readonly inTrailers: readonly LookalikeNames[];
  private readonly kept = new Map<string, CachedResponse>();

  constructor(options: ForwardAuthOptions, services: Services) {
    const { url, upstream = '', path = '/' } = options;
    if (services.upstream === undefined) throw new TypeError('forward-auth cannot send requests here');
    const place = url === undefined ? undefined : new URL(url);
    this.options = options;
    this.services = services;
    this.sender = services.upstream(place?.origin ?? upstream);
    this.host = place?.host ?? '';
    this.path = place === undefined ? path : `${place.pathname}${place.search}`;
    const told = [...options.responseHeaders, ...Object.values(options.identity ?? {})];
    this.owned = new Set(told.map(folded));
    this.writesResponse = options.clientHeaders.length > 0;
    this.singleFields = options.requestHeaders.filter(isSingleField);
    this.admitsOrigin = compileOrigins(options.origins);
    this.lookalikes = options.requestHeaders.map((name) => new LookalikeNames(name, false));
    this.inTrailers = options.requestHeaders.map((name) => new LookalikeNames(name, true));
  }

  identify(exchange: Exchange): Identification | Promise<Identification> {
    this.dropCredential(exchange);
    const key = this.keyOf(exchange);
    const kept = key === undefined ? undefined : this.kept.get(key);
    if (kept !== undefined && kept.until > this.services.clock.monotonic())
      return this.acceptResponse(exchange, kept);
    return this.ask(exchange, key);
  }

  /** A service may judge by cookies, and by what browsers keep for logins of HTTP's own. */
  isAmbient({ headers, pageAccess }: Exchange): boolean {
    const { requestHeaders } = this.options;
    if (requestHeaders.includes('cookie') && headers.has('cookie')) return true;
    if (!requestHeaders.includes('authorization') || pageAccess !== 'none') return false;
    return BROWSER_LOGIN.test(headers.get('authorization') ?? '');
  }

  /**
   * What the service says about a request, nobody else may. Of what it judges by, nothing goes on that the upstream could
   * take for the same, and the service did not see.
   */
  dropCredential(exchange: Exchange): void {
    exchange.headers.deleteAll({
      hasAt: (...place) => this.owns(...place) || isOneOf(this.lookalikes, ...place),
    });
    dropTrailers(exchange, {
      hasAt: (...place) => this.owns(...place) || isOneOf(this.inTrailers, ...place),
    });
  }

  private owns(text: string, start: number, end: number): boolean {
    return this.owned.size > 0 && this.owned.has(folded(text.slice(start, end)));
  }

  private async ask(exchange: Exchange, key: string | undefined): Promise<Identification> {
    const { clock } = this.services;
    const response = await callService(this.sender, exchange, this.requestFor(exchange), clock);
    if (response instanceof Error) return unavailable(response);
    if (isRejection(response.status)) return this.rejectionOf(response);
    if (!isAccepted(response.status))
      return unavailable(new Error(`the service answered ${response.status}`));
    const accepted = this.passOf(response);
    if (accepted === undefined) return UNNAMED;
    // What the client is told, such as a new cookie, it is told once.
    if (key !== undefined && accepted.responseFields.length === 0) this.keep(key, accepted);
    return this.acceptResponse(exchange, accepted);
  }

  private requestFor(exchange: Exchange): TargetRequest {
    const { request, path, search } = exchange;
    const headers = HeaderList.from([
      ['x-forwarded-method', request.method],
      ['x-forwarded-proto', exchange.scheme],
      ['x-forwarded-host', exchange.publicAuthority],
      ['x-forwarded-uri', path + search],
      ['x-forwarded-for', exchange.clientAddress],
      ['x-request-id', exchange.requestId],
    ]);
    for (const name of this.options.requestHeaders)
      for (const value of exchange.headers.getAll(name)) headers.append(name, value);
    return {
      method: 'GET',
      path: this.path,
      host: this.host,
      headers,
      body: EMPTY_BODY,
      upgrade: undefined,
      acceptsTrailers: false,
      responseTimeoutMs: this.options.timeout,
    };
  }

  private acceptResponse(
    exchange: Exchange,
    { who, fields, responseFields }: AcceptedResponse,
  ): Identity | 'admitted' {
    for (const [name, value] of fields) exchange.headers.append(name, value);
    if (fields.length > 0) exchange.callerFields = fields;
    if (responseFields.length > 0) exchange.responseFields = responseFields;
    return who;
  }

  /** `undefined` where the response does not name whom it should. */
  private passOf({ headers }: AuthResponse): AcceptedResponse | undefined {
    const fields = pick(headers, this.options.responseHeaders);
    const responseFields = pick(headers, this.options.clientHeaders);
    const { identity } = this.options;
    if (identity === undefined) return { who: 'admitted', fields, responseFields };
    // Of two names nobody knows which one is meant.
    if (headers.isRepeated(identity.subject)) return undefined;
    const subject = decodeFieldText(headers.get(identity.subject) ?? '');
    if (subject === '') return undefined;
    const roles = listIn(headers, identity.roles);
    const permissions = listIn(headers, identity.permissions);
    const who = sealIdentity({ subject, roles, permissions }, 'forward-auth');
    return { who, fields, responseFields };
  }

  private rejectionOf({ status, headers, body }: AuthResponse): Reply {
    const told = HeaderList.from(pick(headers, this.options.answerHeaders));
    if (!told.has('cache-control')) told.append('cache-control', 'no-store');
    return { status, headers: told, body };
  }

  /** Whatever the service may look at is part of the key, unless it is said that it does not. */
  private keyOf(exchange: Exchange): string | undefined {
    const { cache, requestHeaders } = this.options;
    if (cache === undefined) return undefined;
    const parts: unknown[] = requestHeaders.map((name) => exchange.headers.getAll(name));
    if (cache.key === 'request') {
      const { request, scheme, publicAuthority, path, query, clientAddress } = exchange;
      parts.push(request.method, scheme, publicAuthority, path, query, clientAddress);
    }
    // Hashed, so that no credential stays in memory.
    return createHash('sha256').update(JSON.stringify(parts)).digest('base64');
  }

  private keep(key: string, accepted: AcceptedResponse): void {
    const until = this.services.clock.monotonic() + (this.options.cache?.maxAge ?? 0);
    this.kept.delete(key);
    if (this.kept.size >= MAX_KEPT) this.kept.delete(this.kept.keys().next().value as string);
    this.kept.set(key, { ...accepted, until });
  }
}

const UNNAMED = new GatewayError('GW_AUTH_UNAVAILABLE', { reason: 'unnamed' });

function unavailable(cause: Error): GatewayError {
  return new GatewayError('GW_AUTH_UNAVAILABLE', { reason: 'unavailable', cause });
}

/** Schemes whose credentials browsers keep and send again (RFC 7617, RFC 7616, RFC 4559). */
const BROWSER_LOGIN = /^(?:basic|digest|negotiate|ntlm)(?![!#$%&'*+\-.^_`|~0-9a-z])/i;

function isOneOf(names: readonly LookalikeNames[], text: string, start: number, end: number): boolean {
  for (let i = 0; i < names.length; i++)
    if ((names[i] as LookalikeNames).hasAt(text, start, end)) return true;
  return false;
}

function isAccepted(status: number): boolean {
  return status >= 200 && status < 300;
}

function isRejection(status: number): boolean {
  return status === 401 || status === 403 || (status >= 300 && status < 400 && status !== 304);
}

function folded(name: string): string {
  return name.toLowerCase().replace(/[^0-9a-z]/g, '-');
}

function pick(headers: HeaderList, names: readonly string[]): Field[] {
  return names.flatMap((name) => headers.getAll(name).map((value): Field => [name, value]));
}

function listIn(headers: HeaderList, name: string | undefined): string[] {
  const values = name === undefined ? '' : (headers.get(name) ?? '');
  return values
    .split(',')
    .map((value) => decodeFieldText(trimOws(value)))
    .filter((value) => value !== '');
}
