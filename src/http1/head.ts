import type { FailureCode } from '../core/errors.ts';
import { FieldKind } from '../core/field-kind.ts';
import { HeaderList, markField, STRIDE } from '../core/header-list.ts';
import { FORWARDED_METHODS } from '../core/methods.ts';
import { hasToken, isPersistentConnection, stripHopByHop } from './connection-options.ts';
import { readDecimal } from './decimal.ts';
import type { MessageParser } from './message-parser.ts';

/** How the end of a body is found (RFC 9112 §6.3). */
export type Framing = 'none' | 'length' | 'chunked' | 'until-close';

/** Why a head is refused: the code for the client and a sentence that says what is wrong. */
export interface HeadFault {
  readonly code: FailureCode;
  readonly detail: string;
}

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly minor: 0 | 1;
  readonly authority: string;
  readonly headers: HeaderList;
  readonly framing: Framing;
  /** Bytes of the body where `framing` is `length`, else 0. */
  readonly length: number;
  readonly isPersistent: boolean;
  readonly expectsContinue: boolean;
  readonly upgrade: string | undefined;
  readonly acceptsTrailers: boolean;
}

export interface TargetResponseHead {
  readonly status: number;
  /** Empty for the standard phrase. */
  readonly reason: string;
  readonly headers: HeaderList;
  readonly framing: Framing;
  readonly length: number;
  readonly isPersistent: boolean;
  /** Seconds of the `Keep-Alive: timeout=…` hint, or `undefined`. */
  readonly keepAliveSeconds: number | undefined;
  readonly upgrade: string | undefined;
  /** Whether the head speaks of bytes that follow, be it that none may: to HEAD, and with 204 or 304. */
  readonly statesBody: boolean;
}

const METHODS: ReadonlySet<string> = new Set(FORWARDED_METHODS);

const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}))(?::(\d{0,5}))?$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)/i;

/** What `readFields` gathers of the fields that decide about the connection and the body. */
interface FieldFacts {
  hosts: number;
  host: string;
  lengths: number;
  /** -1 where it is no length. */
  length: number;
  codings: number;
  coding: string;
  connection: string;
  upgrade: string;
  expect: string;
  keepAlive: string;
  te: string;
}

const facts: FieldFacts = {
  hosts: 0,
  host: '',
  lengths: 0,
  length: 0,
  codings: 0,
  coding: '',
  connection: '',
  upgrade: '',
  expect: '',
  keepAlive: '',
  te: '',
};

const REMOVED_FROM_ALL =
  (1 << FieldKind.connection) |
  (1 << FieldKind.keepAlive) |
  (1 << FieldKind.proxyConnection) |
  (1 << FieldKind.transferEncoding) |
  (1 << FieldKind.upgrade) |
  (1 << FieldKind.te) |
  (1 << FieldKind.http2Settings);

/** Hop-by-hop fields of a request (RFC 9110 §7.6.1). */
const REMOVED_FROM_REQUESTS = REMOVED_FROM_ALL | (1 << FieldKind.proxyAuthorization);

/** Reads a request's head out of `parser`, or says why it is refused (RFC 9112 §2–§6, RFC 9110 §7). */
export function readRequestHead(parser: MessageParser): RequestHead | HeadFault {
  const text = parser.text;
  const lineStart = skipEmptyLines(text);
  const method = readMethod(text, lineStart, parser.urlStart - 1);
  const target = text.slice(parser.urlStart, parser.urlEnd);
  const minor = readMinorVersion(text, parser.urlEnd);
  // llhttp takes any number of spaces between the parts of the line.
  if (method.endsWith(' ') || text.startsWith('  ', parser.urlEnd))
    return fault('GW_BAD_REQUEST', 'the request line is malformed');
  if (minor === undefined)
    return fault('GW_VERSION_UNSUPPORTED', 'only HTTP/1.0 and HTTP/1.1 are spoken here');
  if (!METHODS.has(method)) return fault('GW_METHOD_UNKNOWN', 'this method is not supported');
  const headers = readFields(parser, parser.urlEnd + 11);
  if (headers === undefined) return fault('GW_BAD_REQUEST', 'a header line is malformed');
  const authority = readAuthority(target, minor);
  if (authority === undefined) return fault('GW_BAD_HOST', 'exactly one valid Host is needed');
  const framing = readRequestFraming(minor);
  if (framing === undefined) return fault('GW_BAD_FRAMING', 'the length of the body is not stated clearly');
  const expects = minor === 1 && facts.expect !== '';
  if (expects && facts.expect.toLowerCase() !== '100-continue') {
    return fault('GW_EXPECTATION_FAILED', 'only 100-continue can be expected');
  }
  const connection = facts.connection === '' ? '' : facts.connection.toLowerCase();
  const upgrade = framing === 'none' && minor === 1 ? readUpgrade(connection) : undefined;
  const isPersistent = isPersistentConnection(minor, connection);
  const length = framing === 'length' ? facts.length : 0;
  if (!stripHopByHop(headers, connection, REMOVED_FROM_REQUESTS))
    return fault('GW_BAD_REQUEST', 'Connection names too many fields');
  if (!expects && facts.expect !== '') headers.deleteKind(FieldKind.expect);
  const expectsContinue = expects && framing !== 'none';
  const acceptsTrailers = facts.te !== '' && hasToken(facts.te, 'trailers');
  return {
    method,
    target,
    minor,
    authority,
    headers,
    framing,
    length,
    isPersistent,
    expectsContinue,
    upgrade,
    acceptsTrailers,
  };
}

/** Reads a response's head out of `parser`, or says what is wrong with it. `method` is the request's. */
export function readResponseHead(parser: MessageParser, method: string): TargetResponseHead | HeadFault {
  const text = parser.text;
  const minor = text.charCodeAt(7) - 0x30;
  const status = readDecimal(text, 9, 12);
  if (
    !text.startsWith('HTTP/1.') ||
    minor > 1 ||
    !(status >= 100 && status <= 599) ||
    text.charCodeAt(8) !== 0x20
  ) {
    return broken('the status line is not valid');
  }
  const lineEnd = text.indexOf('\r\n', 12);
  const reason = text.slice(text.charCodeAt(12) === 0x20 ? 13 : 12, lineEnd);
  if (reason !== 'OK' && hasControlCharacter(reason)) return broken('the reason phrase is not valid');
  const headers = readFields(parser, lineEnd + 2);
  if (headers === undefined) return broken('a header line is malformed');
  const framing = readResponseFraming(minor as 0 | 1, status, method);
  if (framing === undefined) return broken('the length of the body is not stated clearly');
  const connection = facts.connection === '' ? '' : facts.connection.toLowerCase();
  const isPersistent = framing !== 'until-close' && isPersistentConnection(minor as 0 | 1, connection);
  // HTTP/1.0 has no interim answers, and behind one that ends the connection no final one can come.
  if (status < 200 && !(minor === 1 && isPersistent)) return broken('an interim answer ends the connection');
  const { length } = facts;
  const upgrade = status === 101 && hasToken(connection, 'upgrade') ? facts.upgrade.toLowerCase() : undefined;
  const keepAliveSeconds = facts.keepAlive === '' ? undefined : readKeepAliveTimeout(facts.keepAlive);
  if (!stripHopByHop(headers, connection, REMOVED_FROM_ALL))
    return broken('Connection names too many fields');
  // Nothing follows an interim answer, whatever it says (RFC 9110 §8.6), and clients must not wait for it.
  if (status < 200) headers.deleteKind(FieldKind.contentLength);
  const statesBody = facts.codings > 0 || length > 0;
  return { status, reason, headers, framing, length, isPersistent, keepAliveSeconds, upgrade, statesBody };
}

/** Reads the method, of which later comparisons are cheap where it is the usual one. */
function readMethod(text: string, start: number, end: number): string {
  return end - start === 3 && text.startsWith('GET', start) ? 'GET' : text.slice(start, end);
}

function fault(code: FailureCode, detail: string): HeadFault {
  return { code, detail };
}

function broken(detail: string): HeadFault {
  return { code: 'GW_UPSTREAM_BROKEN', detail };
}

/** Skips empty lines before the request line, which RFC 9112 §2.2 asks a server to ignore. */
function skipEmptyLines(text: string): number {
  let at = 0;
  while (text.charCodeAt(at) === 0x0d || text.charCodeAt(at) === 0x0a) at++;
  return at;
}

/** A higher minor version is read as the highest that is known (RFC 9110 §2.5). */
function readMinorVersion(text: string, urlEnd: number): 0 | 1 | undefined {
  if (text.startsWith(' HTTP/1.1\r\n', urlEnd)) return 1;
  if (!text.startsWith(' HTTP/1.', urlEnd) || !text.startsWith('\r\n', urlEnd + 9)) return undefined;
  const minor = text.charCodeAt(urlEnd + 8) - 0x30;
  return minor === 0 ? 0 : minor > 0 && minor < 10 ? 1 : undefined;
}

/** The marks of the head being read, so that only their exact number has to be allocated. */
const marks: number[] = [];

/**
 * Makes the header list and gathers `facts`. Answers `undefined` when the lines are not exactly name, colon, value,
 * white space, CRLF, one behind the other from `firstLine` on: what is forwarded in runs must be what was understood.
 */
function readFields(parser: MessageParser, firstLine: number): HeaderList | undefined {
  const text = parser.text;
  let marked = 0;
  let kinds = 0;
  resetFacts();
  let lineStart = firstLine;
  for (let i = 0; i < parser.fieldCount; i++) {
    const nameStart = parser.span(i, 0);
    const nameEnd = parser.span(i, 1);
    let valueStart = parser.span(i, 2);
    let rawValueEnd = parser.span(i, 3);
    // llhttp reports an empty value only behind its line.
    if (valueStart === rawValueEnd) valueStart = rawValueEnd = nameEnd + 1;
    if (nameStart !== lineStart || text.charCodeAt(nameEnd) !== 0x3a) return undefined;
    lineStart = endOfLine(text, rawValueEnd);
    if (lineStart < 0) return undefined;
    const valueEnd = trimEnd(text, valueStart, rawValueEnd);
    const kind = markField(marks, marked, text, nameStart, nameEnd, valueStart, valueEnd);
    kinds |= 1 << kind;
    // With `_` for `-` it may read like one of these to a backend, but HTTP does not mean it: dropped, not obeyed.
    if (kind !== FieldKind.other && hasOtherSign(text, nameStart, nameEnd)) marks[marked] = FieldKind.removed;
    else if (kind !== FieldKind.other) gatherFact(kind, text, valueStart, valueEnd);
    marked += STRIDE;
  }
  if (!text.startsWith('\r\n', lineStart)) return undefined;
  return HeaderList.received(text, lineStart, marks.slice(0, marked), kinds);
}

function resetFacts(): void {
  facts.hosts = 0;
  facts.host = '';
  facts.lengths = 0;
  facts.length = 0;
  facts.codings = 0;
  facts.coding = '';
  facts.connection = '';
  facts.upgrade = '';
  facts.expect = '';
  facts.keepAlive = '';
  facts.te = '';
}

/** Returns the start of the next line, or -1 if anything but white space and CRLF follows `at`. */
function endOfLine(text: string, at: number): number {
  let end = at;
  while (text.charCodeAt(end) === 0x20 || text.charCodeAt(end) === 0x09) end++;
  return text.charCodeAt(end) === 0x0d && text.charCodeAt(end + 1) === 0x0a ? end + 2 : -1;
}

function trimEnd(text: string, start: number, end: number): number {
  let at = end;
  while (at > start && (text.charCodeAt(at - 1) === 0x20 || text.charCodeAt(at - 1) === 0x09)) at--;
  return at;
}

function gatherFact(kind: number, text: string, valueStart: number, valueEnd: number): void {
  switch (kind) {
    case FieldKind.host:
      facts.hosts++;
      facts.host = text.slice(valueStart, valueEnd);
      return;
    case FieldKind.contentLength:
      facts.lengths++;
      facts.length = readDecimal(text, valueStart, valueEnd);
      return;
    case FieldKind.transferEncoding:
      facts.codings++;
      // llhttp does not know `chunked` with a tab behind it.
      facts.coding = text.slice(valueStart, isTabBehind(text, valueEnd) ? valueEnd + 1 : valueEnd);
      return;
    case FieldKind.connection:
      facts.connection = joinList(facts.connection, text.slice(valueStart, valueEnd));
      return;
    case FieldKind.upgrade:
      facts.upgrade = joinList(facts.upgrade, text.slice(valueStart, valueEnd));
      return;
    case FieldKind.expect:
      facts.expect = joinList(facts.expect, text.slice(valueStart, valueEnd) || '-');
      return;
    case FieldKind.te:
      facts.te = joinList(facts.te, text.slice(valueStart, valueEnd).toLowerCase());
      return;
    case FieldKind.keepAlive:
      facts.keepAlive = text.slice(valueStart, valueEnd);
  }
}

/** Whether the white space at `at` holds a tab. */
function isTabBehind(text: string, at: number): boolean {
  let end = at;
  while (text.charCodeAt(end) === 0x20) end++;
  return text.charCodeAt(end) === 0x09;
}

/** Whether a name has a sign other than `-`: one of those below `0`, above `z`, or between the digits and letters. */
function hasOtherSign(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2d || (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)) continue;
    if (code < 0x30 || code > 0x39) return true;
  }
  return false;
}

function joinList(list: string, value: string): string {
  return list === '' ? value : `${list},${value}`;
}

/** `undefined` until there is one: an empty `Host` is none. */
let lastAuthority: string | undefined;

/** The authority that the request is for: of an absolute-form target before `Host` (RFC 9112 §3.2.2). */
function readAuthority(target: string, minor: 0 | 1): string | undefined {
  if (facts.hosts > 1 || (facts.hosts === 0 && minor === 1)) return undefined;
  const host = facts.hosts === 1 ? validAuthority(facts.host) : '';
  if (host === undefined || target.charCodeAt(0) === 0x2f || target === '*') return host;
  const absolute = ABSOLUTE_FORM.exec(target);
  return absolute === null ? host : validAuthority(absolute[1] as string);
}

/** Returns a valid authority, the same string for the same one again, so that later comparisons are cheap. */
function validAuthority(value: string): string | undefined {
  if (value === lastAuthority) return lastAuthority;
  const match = AUTHORITY.exec(value);
  if (match === null || Number(match[1] ?? 0) > 65_535) return undefined;
  // An empty port is none (RFC 3986 §6.2.3).
  lastAuthority = match[1] === '' ? value.slice(0, -1) : value;
  return lastAuthority;
}

/** RFC 9112 §6.3, and stricter: `Transfer-Encoding` is exactly one `chunked`, on 1.1, without `Content-Length`. */
function readRequestFraming(minor: 0 | 1): Framing | undefined {
  if (facts.codings > 0) {
    if (facts.codings > 1 || facts.lengths > 0 || minor === 0) return undefined;
    return facts.coding.toLowerCase() === 'chunked' ? 'chunked' : undefined;
  }
  if (facts.lengths === 0) return 'none';
  if (!isValidLength()) return undefined;
  return facts.length === 0 ? 'none' : 'length';
}

function isValidLength(): boolean {
  return facts.lengths === 1 && facts.length >= 0;
}

function readResponseFraming(minor: 0 | 1, status: number, method: string): Framing | undefined {
  if (facts.codings > 0) {
    if (facts.codings > 1 || facts.lengths > 0 || minor === 0) return undefined;
    if (facts.coding.toLowerCase() !== 'chunked') return undefined;
  }
  if (facts.lengths > 0 && !isValidLength()) return undefined;
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 'none';
  if (facts.codings > 0) return 'chunked';
  if (facts.lengths === 0) return 'until-close';
  return facts.length === 0 ? 'none' : 'length';
}

/** Only WebSocket: other protocols, `h2c` before all, would carry requests past the policies. */
function readUpgrade(connection: string): string | undefined {
  if (facts.upgrade === '' || !hasToken(connection, 'upgrade')) return undefined;
  return hasToken(facts.upgrade.toLowerCase(), 'websocket') ? 'websocket' : undefined;
}

function readKeepAliveTimeout(value: string): number | undefined {
  const match = /(?:^|[\s,;])timeout\s*=\s*"?(\d{1,6})/i.exec(value);
  return match === null ? undefined : Number(match[1]);
}

function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true;
  }
  return false;
}
