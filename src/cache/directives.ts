import { trimOws } from '../core/fields/field-text.ts';
/** A directive that may name fields: for all of the response, for some fields of it, or not there. */
export type FieldScope = boolean | readonly string[];

/** What `Cache-Control` says, of a request or a response (RFC 9111 §5.2). Times in seconds; `undefined` where not said. */
export interface Directives {
  readonly maxAge: number | undefined;
  readonly sMaxage: number | undefined;
  /** RFC 5861. In seconds. */
  readonly staleWhileRevalidate: number | undefined;
  readonly staleIfError: number | undefined;
  /** Of requests. `Infinity` where any age will do. */
  readonly maxStale: number | undefined;
  readonly minFresh: number | undefined;
  readonly noStore: boolean;
  readonly noCache: FieldScope;
  readonly private: FieldScope;
  readonly public: boolean;
  readonly mustRevalidate: boolean;
  readonly proxyRevalidate: boolean;
  readonly mustUnderstand: boolean;
  readonly onlyIfCached: boolean;
  readonly noTransform: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What the absence of the field says. */
export const NO_DIRECTIVES: Directives = Object.freeze({
  maxAge: undefined,
  sMaxage: undefined,
  staleWhileRevalidate: undefined,
  staleIfError: undefined,
  maxStale: undefined,
  minFresh: undefined,
  noStore: false,
  noCache: false,
  private: false,
  public: false,
  mustRevalidate: false,
  proxyRevalidate: false,
  mustUnderstand: false,
  onlyIfCached: false,
  noTransform: false,
});

/** RFC 9111 §1.2.2: what is larger counts as this. */
const MAX_SECONDS = 2_147_483_648;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const SECONDS = {
  'max-age': 'maxAge',
  's-maxage': 'sMaxage',
  'stale-while-revalidate': 'staleWhileRevalidate',
  'stale-if-error': 'staleIfError',
  'min-fresh': 'minFresh',
} as const;

const FLAGS = {
  'no-store': 'noStore',
  public: 'public',
  'must-revalidate': 'mustRevalidate',
  'proxy-revalidate': 'proxyRevalidate',
  'must-understand': 'mustUnderstand',
  'only-if-cached': 'onlyIfCached',
  'no-transform': 'noTransform',
} as const;

/**
 * Reads `Cache-Control`, its lines joined by commas. What is malformed never makes a response live longer: a number that
 * is none, or two that differ, is 0 (RFC 9111 §4.2.1); a list of fields that cannot be read is for the whole response;
 * and where a quote does not end, what stands in it counts if it forbids.
 */
export function parseDirectives(text: string | undefined): Directives {
  if (text === undefined || text === '') return NO_DIRECTIVES;
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const found: Mutable<Directives> = { ...NO_DIRECTIVES };
  for (const part of splitList(text)) takeDirective(found, part);
  remember(text, found);
  return found;
}

/** Services and browsers say the same few things again and again. */
const MAX_PARSED = 256;
const MAX_PARSED_CHARS = 128;
const parsed = new Map<string, Directives>();

function remember(text: string, directives: Directives): void {
  if (text.length > MAX_PARSED_CHARS) return;
  if (parsed.size >= MAX_PARSED) parsed.clear();
  // A copy, or a piece of a received head would keep all of that.
  parsed.set(Buffer.from(text, 'latin1').toString('latin1'), directives);
}

function takeDirective(found: Mutable<Directives>, part: string): void {
  const equals = part.indexOf('=');
  const name = (equals < 0 ? part : part.slice(0, equals)).trimEnd().toLowerCase();
  const value = equals < 0 ? undefined : part.slice(equals + 1);
  if (Object.hasOwn(SECONDS, name)) {
    const key = SECONDS[name as keyof typeof SECONDS];
    // Space around '=' is not a part of the grammar, so what it surrounds is not a number.
    const isTight = part.slice(0, equals).length === name.length;
    const seconds = isTight && value !== undefined ? (readSeconds(value) ?? 0) : 0;
    found[key] = found[key] === undefined || found[key] === seconds ? seconds : 0;
  } else if (name === 'max-stale') {
    found.maxStale = value === undefined ? Number.POSITIVE_INFINITY : readSeconds(value);
  } else if (Object.hasOwn(FLAGS, name)) {
    found[FLAGS[name as keyof typeof FLAGS]] = true;
  } else if (name === 'no-cache') {
    found.noCache = widen(found.noCache, value);
  } else if (name === 'private') {
    found.private = widen(found.private, value);
  } else if (part.includes('"') && !part.trimEnd().endsWith('"')) {
    takeUnclosed(found, part);
  }
}

/** A quote that does not end hides whatever follows it. Nobody can say what was meant, so what forbids is believed. */
function takeUnclosed(found: Mutable<Directives>, part: string): void {
  if (/no-store|private|no-cache/i.test(part)) found.noStore = true;
}

function readSeconds(value: string): number | undefined {
  const digits = unquote(value);
  return digits !== undefined && /^\d+$/.test(digits) ? Math.min(Number(digits), MAX_SECONDS) : undefined;
}

/** Joins what several directives of one name say: the whole response wins over single fields. */
function widen(former: FieldScope, value: string | undefined): FieldScope {
  if (former === true || value === undefined) return true;
  const fields = (unquote(value) ?? '')
    .split(',')
    .map((field) => trimOws(field).toLowerCase())
    .filter((field) => field !== '');
  if (fields.length === 0 || !fields.every((field) => TOKEN.test(field))) return true;
  // An unquoted list ends at its first comma, so that what follows may have been meant as fields too.
  if (!value.trim().startsWith('"')) return true;
  return former === false ? fields : [...former, ...fields];
}

function unquote(value: string): string | undefined {
  const text = value.trimEnd();
  if (!text.startsWith('"')) return text;
  return text.length > 1 && text.endsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : undefined;
}

/** Splits at the commas outside of quoted strings. Linear in the length of `text`. */
function splitList(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) isQuoted = !isQuoted;
    else if (code === 0x5c && isQuoted) i++;
    else if (code === 0x2c && !isQuoted) {
      parts.push(trimOws(text.slice(start, i)));
      start = i + 1;
    }
  }
  parts.push(trimOws(text.slice(start)));
  return parts.filter((part) => part !== '');
}
