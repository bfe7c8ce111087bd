/** One pair of a query or a form. */
export interface QueryPair {
  /** Decoded. */
  readonly name: string;
  readonly value: string;
  /** As it stands there. */
  readonly raw: string;
  /** The value as it stands there, which lists are parted in. */
  readonly rawValue: string;
}

/** Reads `a=1&b=2`. `undefined` where a percent stands alone, or for bytes that are not UTF-8: what is meant is open then. */
export function readQueryPairs(query: string): QueryPair[] | undefined {
  if (query === '') return [];
  const pairs: QueryPair[] = [];
  for (const raw of query.split('&')) {
    if (raw === '') continue;
    const equals = raw.indexOf('=');
    const rawName = equals < 0 ? raw : raw.slice(0, equals);
    const rawValue = equals < 0 ? '' : raw.slice(equals + 1);
    const name = decodeForm(rawName);
    const value = decodeForm(rawValue);
    if (name === undefined || value === undefined) return undefined;
    pairs.push({ name, value, raw, rawValue });
  }
  return pairs;
}

/** Decodes percent and plus, `undefined` where that cannot be done. */
export function decodeForm(text: string): string | undefined {
  if (!/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}
