import type { Exchange } from '../../core/exchange.ts';
import { trimOws } from '../../core/fields/field-text.ts';
import { type InnerList, type Item, writeInnerList, writeItem } from '../../core/fields/structured-fields.ts';

/**
 * Makes the text that a signature is about (RFC 9421 §2.5), or gives nothing where the request does not have what the
 * signature claims to cover.
 */
export function signatureBase(covered: InnerList, exchange: Exchange): string | undefined {
  const seen = new Set<string>();
  const query = new QueryParameters(exchange);
  let base = '';
  for (const component of covered.items) {
    const identifier = writeItem(component);
    const value = componentValue(component, exchange, query);
    if (value === undefined || /[\r\n]/.test(value) || seen.has(identifier)) return undefined;
    seen.add(identifier);
    base += `${identifier}: ${value}\n`;
  }
  return `${base}"@signature-params": ${writeInnerList(covered)}`;
}

function componentValue(
  { value, parameters }: Item,
  exchange: Exchange,
  query: QueryParameters,
): string | undefined {
  if (value.kind !== 'string') return undefined;
  const name = value.text;
  if (name === '@query-param') return parameters.size === 1 ? query.find(parameters.get('name')) : undefined;
  // None of the others takes parameters here: `sf`, `key`, `bs`, `tr` and `req` are rejected.
  if (parameters.size > 0) return undefined;
  return name.startsWith('@') ? derivedValue(name, exchange) : fieldValue(name, exchange);
}

/** Values of several fields of one name are joined as RFC 9421 §2.1 says, each without the space around it. */
function fieldValue(name: string, { headers }: Exchange): string | undefined {
  if (name !== name.toLowerCase()) return undefined;
  const values = headers.getAll(name);
  return values.length === 0 ? undefined : values.map(trimOws).join(', ');
}

function derivedValue(name: string, exchange: Exchange): string | undefined {
  const { request, scheme } = exchange;
  const { path, query } = splitTarget(request.target);
  switch (name) {
    case '@method':
      return request.method;
    case '@scheme':
      return scheme;
    case '@authority':
      return authorityOf(exchange);
    case '@path':
      return path;
    case '@query':
      return query === '' ? '?' : query;
    case '@target-uri':
      return `${scheme}://${authorityOf(exchange)}${path}${query}`;
    case '@request-target':
      return request.target;
    default:
      return undefined;
  }
}

/** As the client wrote it: what we match and forward follows from that alone. */
function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const local = target.replace(/^https?:\/\/[^/?#]*/i, '');
  const at = local.indexOf('?');
  const path = at < 0 ? local : local.slice(0, at);
  return { path: path === '' || path === '*' ? '/' : path, query: at < 0 ? '' : local.slice(at) };
}

/** In lower case, without the port that the scheme implies (RFC 9421 §2.2.3). */
function authorityOf({ publicAuthority, scheme }: Exchange): string {
  return publicAuthority.toLowerCase().replace(scheme === 'https' ? /:443$/ : /:80$/, '');
}

/** More than anybody signs one by one; a longer query is covered as a whole. */
const MAX_QUERY_PARAMETERS = 256;

/** The parameters of a query, read when the first one is asked for. */
class QueryParameters {
  private readonly exchange: Exchange;
  private values: ReadonlyMap<string, string | undefined> | undefined = undefined;

  constructor(exchange: Exchange) {
    this.exchange = exchange;
  }

  find(name: Item['value'] | undefined): string | undefined {
    if (name?.kind !== 'string') return undefined;
    this.values ??= this.read();
    return this.values.get(name.text);
  }

  /** A parameter that stands twice is none: upstreams differ in which one they take. */
  private read(): ReadonlyMap<string, string | undefined> {
    const values = new Map<string, string | undefined>();
    const parameters = new URLSearchParams(splitTarget(this.exchange.request.target).query);
    if (parameters.size > MAX_QUERY_PARAMETERS) return values;
    for (const [key, value] of parameters) {
      const name = formEncoded(key);
      values.set(name, values.has(name) ? undefined : formEncoded(value));
    }
    return values;
  }
}

/** Encodes as forms do (RFC 9421 §2.2.8), but for the space, which is `%20`. */
function formEncoded(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
