import type { Exchange } from '../../core/exchange.ts';
import { findCookieOnce, findFirstCookie, withoutCookie } from '../../core/fields/cookies.ts';
import type { HeaderList } from '../../core/header-list.ts';
import { dropTrailers } from '../credentials/drop-trailers.ts';
import { LookalikeNames } from '../credentials/lookalike-names.ts';

/** What a request presents: a token, or in a word why that is invalid, or nothing. */
export type Presented = string | TokenFault | undefined;

/** Why what stands where a token is due is none. */
export interface TokenFault {
  readonly fault: 'unreadable' | 'twice';
}

const UNREADABLE: TokenFault = { fault: 'unreadable' };
const TWICE: TokenFault = { fault: 'twice' };

/** The letters that a bearer token may have (RFC 6750 §2.1). */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;
const TOKEN_CHAR = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/;
const SCHEME = 'bearer';

/** Where a token stands in a request: one place, or one of two. */
export class TokenPlace {
  /** In lower case. */
  readonly header: string | undefined;
  private readonly cookie: string | undefined;
  private readonly isBearer: boolean;
  private readonly lookalikes: LookalikeNames | undefined = undefined;
  private readonly inTrailers: LookalikeNames | undefined = undefined;

  constructor({
    header,
    cookie,
  }: { readonly header?: string | undefined; readonly cookie?: string | undefined }) {
    this.header = header?.toLowerCase();
    this.cookie = cookie;
    this.isBearer = this.header === 'authorization';
    // `Authorization` has no other spelling, and never stands in trailers.
    if (this.header === undefined || this.isBearer) return;
    this.lookalikes = new LookalikeNames(this.header, false);
    this.inTrailers = new LookalikeNames(this.header, true);
  }

  /** Finds what is presented. `findFault` still has to look at it, unless it is known. */
  find(headers: HeaderList): Presented {
    const inHeader = this.header === undefined ? undefined : this.findInHeader(headers, this.header);
    if (this.cookie === undefined) return inHeader;
    const inCookie = findInCookie(headers, this.cookie);
    if (inHeader === undefined) return inCookie;
    return inCookie === undefined ? inHeader : TWICE;
  }

  /**
   * Says what is wrong with what `find` found. Values of fields that are there twice are one text with a comma between,
   * which no token has.
   */
  findFault(token: string, headers: HeaderList): TokenFault | undefined {
    if (TOKEN.test(token)) return undefined;
    const isTwice = this.header !== undefined && headers.getAll(this.header).length > 1;
    return isTwice ? TWICE : UNREADABLE;
  }

  /** Drops what the upstream could take for the token, though nobody looks at it here. */
  removeLookalikes(exchange: Exchange): void {
    if (this.lookalikes !== undefined) exchange.headers.deleteAll(this.lookalikes);
    if (this.inTrailers !== undefined) dropTrailers(exchange, this.inTrailers);
  }

  /** Takes the token out of the request, wherever it stands. */
  remove(headers: HeaderList): void {
    if (this.header !== undefined && this.findInHeader(headers, this.header) !== undefined)
      headers.delete(this.header);
    this.removeCookie(headers);
  }

  /** Takes the token out of the cookies. What an upstream gets in cookies is the business of the browser. */
  removeCookie(headers: HeaderList): void {
    if (this.cookie === undefined) return;
    const field = headers.get('cookie');
    if (field === undefined || findFirstCookie(field, this.cookie) === undefined) return;
    headers.delete('cookie');
    const others = withoutCookie(field, this.cookie);
    if (others !== '') headers.append('cookie', others);
  }

  /** Tells whether a cookie is where the token stands. */
  isInCookie(headers: HeaderList): boolean {
    return this.cookie !== undefined && findInCookie(headers, this.cookie) !== undefined;
  }

  private findInHeader(headers: HeaderList, name: string): Presented {
    const value = headers.get(name);
    if (value === undefined || value === '') return undefined;
    return this.isBearer ? readBearer(value, headers) : value;
  }
}

/** Reads `Bearer <token>`: the scheme whatever its case, one space, the token (RFC 6750 §2.1, RFC 9110 §11.1). */
function readBearer(value: string, headers: HeaderList): Presented {
  if (!hasBearerScheme(value)) return headers.getAll('authorization').length > 1 ? TWICE : undefined;
  return value.length > 7 && value[6] === ' ' ? value.slice(7) : UNREADABLE;
}

function hasBearerScheme(value: string): boolean {
  for (let i = 0; i < SCHEME.length; i++) {
    if ((value.charCodeAt(i) | 0x20) !== SCHEME.charCodeAt(i)) return false;
  }
  return value.length === 6 || value[6] === ' ' || !TOKEN_CHAR.test(value[6] as string);
}

function findInCookie(headers: HeaderList, name: string): Presented {
  const field = headers.get('cookie');
  const found = field === undefined ? undefined : findCookieOnce(field, name);
  if (found === 'unclear') return TWICE;
  return found === undefined || found.value === '' ? undefined : found.value;
}
