import {
  decodeFully,
  isSecretLabel,
  isSecretName,
  isSecretParameter,
  REDACTED,
} from '../core/fields/secret-names.ts';

/**
 * What makes a query worth a closer look, so that the others cost one search. Only a name broken up by punctuation
 * inside a word (`to-ken`) escapes it.
 */
const MAYBE_SECRET =
  /[%"']|\/\/|token|secret|pass|pw|pin|key|jw|auth|sig|code|cred|cookie|sess|sid|assert|bearer|dpop|basic|negotiate|eyJ|sp_|sp%|otp|mfa|saml|ticket|tan|cv[cv]|hmac|magic|verif|wresult|pgt/i;

/** What makes a path worth a closer look: a token or key of ours in it, user and password, or `;name=value`. */
const MAYBE_SECRET_PATH = /eyJ|sp[_%]|[=@]|:\/\//;

/** Takes out of a path whatever looks like a credential, and the values of secret path parameters (`;jsessionid=…`). */
export function redactPath(path: string): string {
  return MAYBE_SECRET_PATH.test(path) ? redactText(path) : path;
}

/** Takes the values of secret parameters out of a query string (without `?`), and whatever looks like a credential. */
export function redactQuery(query: string): string {
  return MAYBE_SECRET.test(query) ? redactText(query) : query;
}

/**
 * Takes secrets out of text that may hold URLs, header lines, cookies, JSON or tokens:
 *
 * 1. private keys and credentials that are known by their look
 * 2. user and password in URLs
 * 3. `name: value` of headers and data
 * 4. `name=value` of queries, forms and cookies
 *
 * Takes time in proportion to the length of `text`, which an attacker may have written.
 */
export function redactText(text: string): string {
  const rest = text
    .replace(PRIVATE_KEY, REDACTED)
    .replace(AUTH_SCHEME, `$1 ${REDACTED}`)
    .replace(BASIC_SCHEME, `$1 ${REDACTED}`)
    .replace(JSON_WEB_TOKEN, REDACTED)
    .replace(OWN_API_KEY, REDACTED)
    .replace(USERINFO, `//${REDACTED}@`);
  return redactPairs(redactLabels(rest));
}

const PRIVATE_KEY = /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}-----|$)/g;
const AUTH_SCHEME = /\b(bearer|dpop|negotiate)(?:\s|%20|\+)+[^\s"',;&]+/gi;
/** Base64 with at least one capital or digit, so that `basic checks` stays. */
const BASIC_SCHEME = /\b([Bb]asic|BASIC)(?:\s|%20|\+)+(?=[a-z]*[A-Z0-9+/=])[A-Za-z0-9+/=_%-]{4,}/g;
const JSON_WEB_TOKEN = /eyJ[\w-]{4,}(?:(?:\.|%2[eE])[\w-]*)*/g;
/** Anything with the look of a key of ours; a whole key within another word as well. */
const OWN_API_KEY =
  /(?<![A-Za-z0-9])sp(?:_|%5[fF])[A-Za-z0-9]+(?:_|%5[fF])(?:[\w-]|%5[fF])+|sp_[a-z0-9]{1,16}_[0-9A-Za-z]{12}_[0-9A-Za-z]+/g;
const USERINFO = /\/\/[^\s/?#"'<>]*@/g;

/** A quoted name and a colon, comma or arrow; or a bare name and a colon. The look-behind keeps the search linear. */
const LABEL =
  /(?<![\w-])(?:(\\?["'])([\w.-]{2,60})\1\s{0,9}(?::|,|=>)\s{0,9}|([A-Za-z][\w-]{1,60})[ \t]?:[ \t]{0,9})/g;
/** Headers whose value runs to the end of the line. */
const WHOLE_LINE = /^(?:proxy-)?authorization$|^(?:set-)?cookie$/i;

function redactLabels(text: string): string {
  return replaceValues(text, LABEL, (match, valueStart) => {
    const name = (match[2] ?? match[3]) as string;
    const isSecret = match[2] === undefined ? isSecretLabel(name) : isSecretName(name);
    if (!isSecret) return valueStart;
    return WHOLE_LINE.test(name) ? endOfField(text, valueStart) : endOfValue(text, valueStart);
  });
}

/** A name, perhaps percent-encoded, then an equals sign. */
const PAIR = /(?<![^\s&=?;,#"'<>(){}|/\\])([^\s&=?;,#"'<>(){}|/\\]+)(?:=|%3[dD])/g;

/** How much of encoded values is looked into. An attacker may write much; the rest is taken for secret. */
const MAX_ENCODED_CHARS = 2048;

function redactPairs(text: string): string {
  let searchedUntil = 0;
  let encoded = 0;
  return replaceValues(text, PAIR, (match, valueStart) => {
    // In a query quotes are letters like others, so the value goes on behind a closing one.
    if (isSecretParameter(match[1] as string)) return endOfWord(text, endOfValue(text, valueStart));
    if (valueStart < searchedUntil) return valueStart;
    searchedUntil = endOfValue(text, valueStart);
    const value = text.slice(valueStart, searchedUntil);
    if (!value.includes('%')) return valueStart;
    encoded += value.length;
    return encoded > MAX_ENCODED_CHARS || hidesSecret(value) ? searchedUntil : valueStart;
  });
}

/** Tells whether a value is itself an encoded query or URL with a secret in it, as in `next=%2Fa%3Ftoken%3Dx`. */
function hidesSecret(value: string): boolean {
  const decoded = decodeFully(value);
  return decoded !== value && redactText(decoded) !== decoded;
}

/** Replaces what stands between a match of `start` and the end that `endFor` gives, if that lies behind the match. */
function replaceValues(
  text: string,
  start: RegExp,
  endFor: (match: RegExpExecArray, valueStart: number) => number,
): string {
  let result = '';
  let keptFrom = 0;
  const search = new RegExp(start);
  for (let match = search.exec(text); match; match = search.exec(text)) {
    const valueStart = search.lastIndex;
    const valueEnd = endFor(match, valueStart);
    if (valueEnd <= valueStart) continue;
    result += text.slice(keptFrom, valueStart) + REDACTED;
    keptFrom = valueEnd;
    search.lastIndex = valueEnd;
  }
  return result + text.slice(keptFrom);
}

function endOfValue(text: string, start: number): number {
  if (text[start] === '{' || (text[start] === '[' && !text.startsWith(REDACTED, start))) return text.length;
  return endOfQuoted(text, start) ?? endOfWord(text, start);
}

function endOfWord(text: string, start: number): number {
  return endBy(/[&\s"<>#]/g, text, start);
}

function endOfField(text: string, start: number): number {
  return endOfQuoted(text, start) ?? endBy(/[\r\n"]|\\[rn]/g, text, start);
}

/** Returns the end of a value that begins with a quote, which may itself be escaped, or `undefined` if none does. */
function endOfQuoted(text: string, start: number): number | undefined {
  const opening = /\\?["'`]/y;
  opening.lastIndex = start;
  const quote = opening.exec(text)?.[0];
  if (quote === undefined) return undefined;
  let end = text.indexOf(quote, start + quote.length);
  // Inside a plain quotation `\"` does not end it.
  while (end >= 0 && quote.length === 1 && text[end - 1] === '\\') end = text.indexOf(quote, end + 1);
  return end < 0 ? text.length : end + quote.length;
}

function endBy(pattern: RegExp, text: string, start: number): number {
  pattern.lastIndex = start;
  return pattern.exec(text)?.index ?? text.length;
}
