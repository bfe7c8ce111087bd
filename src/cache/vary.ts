import { trimOws } from '../core/fields/field-text.ts';
import type { HeaderList } from '../core/header-list.ts';
import { joinParts } from './cache-key.ts';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const MAX_FIELDS = 16;
/**
 * Fields that the gateway writes itself on the way to the upstream. Their values are not in what the client sent, so
 * that all clients would seem to ask for the same.
 */
const WRITTEN_BY_US =
  /^(?:x-auth-.*|forwarded|x-forwarded-.*|x-real-ip|via|x-request-id|traceparent|tracestate|host)$/;

/**
 * Reads the names in `Vary`, in lower case, sorted, each once (RFC 9110 §12.5.5). `*` also where no request could be
 * told from another: a name that is invalid, more names than can be meant, or a field that the gateway itself writes.
 */
export function varyOf(headers: HeaderList): '*' | readonly string[] {
  const text = headers.get('vary');
  if (text === undefined) return NONE;
  const names = new Set<string>();
  for (const part of text.split(',')) {
    const name = trimOws(part).toLowerCase();
    if (name === '') continue;
    if (name === '*' || !TOKEN.test(name) || WRITTEN_BY_US.test(name)) return '*';
    names.add(name);
  }
  return names.size > MAX_FIELDS ? '*' : [...names].sort();
}

const NONE: readonly string[] = [];

/**
 * Writes the values of the fields that select a response into one text, in which no two requests that differ in them
 * are alike. Lines are joined and space around commas is dropped, which changes no meaning (RFC 9111 §4.1).
 */
export function variantKeyOf(names: readonly string[], headers: HeaderList): string {
  return joinParts(names.map((name) => normalised(name, headers.get(name))));
}

/** Fields whose values mean the same in any case (RFC 5646 §2.1.1, RFC 9110 §8.4.1). */
const IN_ANY_CASE: ReadonlySet<string> = new Set(['accept-language', 'accept-encoding']);

function normalised(name: string, value: string | undefined): string | undefined {
  const text = value && trimOws(value).replace(/[ \t]*,[ \t]*/g, ',');
  return text && IN_ANY_CASE.has(name) ? text.toLowerCase() : text;
}
