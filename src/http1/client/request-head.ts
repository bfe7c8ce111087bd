import type { FailureCode } from '../../core/errors.ts';
import { FieldKind } from '../../core/field-kind.ts';
import type { HeaderList } from '../../core/header-list.ts';
import { FORWARDED_METHODS } from '../../core/methods.ts';
import { hasToken, isPersistentConnection, REMOVED_FROM_ALL, stripHopByHop } from '../connection-options.ts';
import { type Framing, readRequestFraming } from '../framing.ts';
import type { HeadFault } from '../head-fault.ts';
import { facts, readFields } from '../head-fields.ts';
import type { MessageParser } from '../message-parser.ts';

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

const METHODS: ReadonlySet<string> = new Set(FORWARDED_METHODS);

const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}))(?::(\d{0,5}))?$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)/i;

/** Hop-by-hop fields of a request (RFC 9110 §7.6.1). */
const REMOVED_FROM_REQUESTS = REMOVED_FROM_ALL | (1 << FieldKind.proxyAuthorization);

/** Reads a request's head out of `parser`, or says why it is rejected (RFC 9112 §2–§6, RFC 9110 §7). */
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

/** Reads the method, of which later comparisons are cheap where it is the usual one. */
function readMethod(text: string, start: number, end: number): string {
  return end - start === 3 && text.startsWith('GET', start) ? 'GET' : text.slice(start, end);
}

function fault(code: FailureCode, detail: string): HeadFault {
  return { code, detail };
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

/** Only WebSocket: other protocols, `h2c` before all, would carry requests past the policies. */
function readUpgrade(connection: string): string | undefined {
  if (facts.upgrade === '' || !hasToken(connection, 'upgrade')) return undefined;
  return hasToken(facts.upgrade.toLowerCase(), 'websocket') ? 'websocket' : undefined;
}
