/**
 * Joins the parts of a key so that no two lists of parts give the same text: each has its length in front, and one that
 * is missing differs from one that is empty. Suffixes or separators alone would let a crafted part pass for two.
 */
export function joinParts(parts: readonly (string | undefined)[]): string {
  let key = '';
  for (const part of parts) key += joinPart(part);
  return key;
}

/** One part of a key, as `joinParts` joins it. */
export function joinPart(part: string | undefined): string {
  return part === undefined ? '-' : `${part.length}:${part}`;
}

/** Which parameters of a query belong to a key. Names may end in `*`. */
export interface QueryRule {
  readonly only?: readonly string[] | undefined;
  readonly ignore: readonly string[];
  /** Whether the order of the parameters makes no difference. */
  readonly sort: boolean;
}

/**
 * Compiles what is left of a query: exactly these parameters, as they were written, go to the upstream and into the
 * key, so that nothing that the upstream sees is left out of the key. They are cut at `&` alone; a service that cuts
 * elsewhere sees no more by that than the key holds.
 */
export function compileQueryRule({ only, ignore, sort }: QueryRule): ((query: string) => string) | undefined {
  if (only === undefined && ignore.length === 0 && !sort) return undefined;
  const isKept = (name: string): boolean =>
    (only === undefined || only.some((pattern) => fits(pattern, name))) &&
    !ignore.some((pattern) => fits(pattern, name));
  return (query) => {
    if (query === '') return '';
    const kept = query.split('&').filter((parameter) => isKept(nameOf(parameter)));
    if (sort) kept.sort(byName);
    return kept.join('&');
  };
}

function fits(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** The name as services read it; one that cannot be decoded is taken as it stands. */
function nameOf(parameter: string): string {
  const equals = parameter.indexOf('=');
  const written = (equals < 0 ? parameter : parameter.slice(0, equals)).replaceAll('+', ' ');
  try {
    return decodeURIComponent(written);
  } catch {
    return written;
  }
}

/** Stable, so that the order of several values of one name, which has a meaning, stays. */
function byName(one: string, other: string): number {
  const [a, b] = [nameOf(one), nameOf(other)];
  return a < b ? -1 : a > b ? 1 : 0;
}
