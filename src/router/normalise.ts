import { type SpellingRules, spellPath } from './path-spelling.ts';

export type NormalisedTarget =
  | {
      readonly ok: true;
      /** The one spelling of the path, or `*`. */
      readonly path: string;
      /** As received, without `?`. */
      readonly query: string;
      /** Host and port of an absolute-form target, which outrank `Host`. */
      readonly authority: string | undefined;
    }
  | { readonly ok: false; readonly reason: string };

const SLASH = 0x2f;
const DOT = 0x2e;
const QUESTION = 0x3f;

/** What the scan does at a character: go on, look at what follows, leave for the slow way, or end the path. */
const PLAIN = 0;
const SEPARATOR = 1;
const DOUBTFUL = 2;
const END = 3;

const PATH_KINDS = buildKinds();
const ABSOLUTE_FORM = /^https?:\/\/([^/?#]*)([^?]*)/i;
const AUTHORITY = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?$/;
/**
 * Wider than RFC 3986, as node:http and nginx are: clients do send `|`, `[`, `{`, `"` and `<` raw in queries, and no
 * query decides who may pass. What could break a request line or a log line is rejected.
 */
const QUERY_FAULT = 'The query holds a character that must be percent-encoded';

/**
 * TaskQueue a request target into the one spelling of its path, which is then matched, rewritten and forwarded, and its
 * query. Takes origin form, absolute form for http and https, and `*` for OPTIONS.
 */
export function normaliseTarget(target: string, method: string, allow: SpellingRules): NormalisedTarget {
  if (method === 'CONNECT') return reject('CONNECT is not supported');
  if (target.charCodeAt(0) === SLASH) return normaliseOrigin(target, undefined, allow);
  if (target === '*') {
    return method === 'OPTIONS'
      ? { ok: true, path: '*', query: '', authority: undefined }
      : reject('The target "*" is for OPTIONS only');
  }
  return normaliseAbsolute(target, method, allow);
}

function normaliseAbsolute(target: string, method: string, allow: SpellingRules): NormalisedTarget {
  const parts = ABSOLUTE_FORM.exec(target);
  if (!parts) return reject('The target is neither a path nor an http URL');
  const [origin, authority = '', path] = parts;
  if (!AUTHORITY.test(authority)) return reject('The host of the request target is not valid');
  const rest = target.slice(origin.length);
  // RFC 9112 §3.2.4: OPTIONS for an absolute form without path and query means the server as a whole.
  if (path === '' && rest === '' && method === 'OPTIONS')
    return { ok: true, path: '*', query: '', authority };
  return normaliseOrigin(`${path === '' ? '/' : path}${rest}`, authority, allow);
}

/** Scans once. A path that is in its one spelling already, as nearly all are, is cut out and never rebuilt. */
function normaliseOrigin(
  target: string,
  authority: string | undefined,
  allow: SpellingRules,
): NormalisedTarget {
  const length = target.length;
  let isPlain = true;
  let end = 0;
  for (; end < length; end++) {
    const code = target.charCodeAt(end);
    const kind = code < 128 ? PATH_KINDS[code] : DOUBTFUL;
    if (kind === PLAIN) continue;
    if (kind === END) break;
    if (kind === DOUBTFUL || mayNeedResolving(target, end + 1)) isPlain = false;
  }
  if (!isQueryClean(target, end + 1)) return reject(QUERY_FAULT);
  const query = end < length ? target.slice(end + 1) : '';
  const raw = end < length ? target.slice(0, end) : target;
  if (isPlain) return { ok: true, path: raw, query, authority };
  const spelled = spellPath(raw, allow);
  return spelled.ok ? { ok: true, path: spelled.path, query, authority } : spelled;
}

/** Tells whether the segment that begins at `start` is empty between slashes or may be a dot segment. */
function mayNeedResolving(target: string, start: number): boolean {
  const code = target.charCodeAt(start);
  if (code !== DOT) return code === SLASH;
  const next = target.charCodeAt(start + 1);
  return next === DOT || next === SLASH || next === QUESTION || start + 1 === target.length;
}

function isQueryClean(target: string, start: number): boolean {
  for (let i = start; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || code === 0x23) return false;
  }
  return true;
}

function reject(reason: string): NormalisedTarget {
  return { ok: false, reason };
}

function buildKinds(): Uint8Array {
  const kinds = new Uint8Array(128).fill(DOUBTFUL);
  const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@";
  for (const character of plain) kinds[character.charCodeAt(0)] = PLAIN;
  kinds[SLASH] = SEPARATOR;
  kinds[QUESTION] = END;
  return kinds;
}
