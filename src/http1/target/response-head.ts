import { FieldKind } from '../../core/field-kind.ts';
import type { HeaderList } from '../../core/header-list.ts';
import { hasToken, isPersistentConnection, REMOVED_FROM_ALL, stripHopByHop } from '../connection-options.ts';
import { readDecimal } from '../decimal.ts';
import { type Framing, readResponseFraming } from '../framing.ts';
import type { HeadFault } from '../head-fault.ts';
import { facts, readFields } from '../head-fields.ts';
import type { MessageParser } from '../message-parser.ts';

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
  if (status < 200 && !(minor === 1 && isPersistent))
    return broken('an interim response ends the connection');
  const { length } = facts;
  const upgrade = status === 101 && hasToken(connection, 'upgrade') ? facts.upgrade.toLowerCase() : undefined;
  const keepAliveSeconds = facts.keepAlive === '' ? undefined : readKeepAliveTimeout(facts.keepAlive);
  if (!stripHopByHop(headers, connection, REMOVED_FROM_ALL))
    return broken('Connection names too many fields');
  // Nothing follows an interim response, whatever it says (RFC 9110 §8.6), and clients must not wait for it.
  if (status < 200) headers.deleteKind(FieldKind.contentLength);
  const statesBody = facts.codings > 0 || length > 0;
  return { status, reason, headers, framing, length, isPersistent, keepAliveSeconds, upgrade, statesBody };
}

function broken(detail: string): HeadFault {
  return { code: 'GW_UPSTREAM_BROKEN', detail };
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
