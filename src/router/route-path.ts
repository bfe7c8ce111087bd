import { type SpellingRules, spellPath } from './path-spelling.ts';

/** A route's path, taken apart. */
export interface RoutePath {
  /** In order; `undefined` stands for a parameter. */
  readonly segments: readonly (string | undefined)[];
  /** Whether a `*` at the end takes everything below. */
  readonly isPrefix: boolean;
  /** Names of the parameters in order, `*` last if there is one. */
  readonly paramNames: readonly string[];
}

const ALL_ALLOWED: SpellingRules = {
  slash: true,
  backslash: true,
  semicolon: true,
  nul: true,
  invalidUtf8: true,
  doubleEncoded: true,
  mergeSlashes: true,
};
const NO_NAMES: readonly string[] = [];
const PARAM = /^:[A-Za-z_][A-Za-z0-9_-]*$/;

/**
 * Takes a path as written in a configuration apart: `/orders/:id`, `/v0/*`. Literal text may be written plainly
 * (`/café au lait`) and is spelt as requests are. Throws `TypeError` for what no path can mean.
 */
export function parseRoutePath(path: string): RoutePath {
  const spelled = spellLiteral(path).split('/').slice(1);
  // What is written decides, not its spelling: `%3Aid` is the text `:id`, and `%2A` a star.
  const parts = path.split('/').slice(1);
  if (parts.length !== spelled.length)
    throw new TypeError(`path '${path}': remove dot segments and repeated slashes`);
  const isPrefix = parts.at(-1) === '*';
  if (isPrefix) parts.pop();
  const paramNames: string[] = [];
  const segments = parts.map((part, i) => {
    if (part.includes('*')) throw new TypeError(`path '${path}': '*' stands alone, as the last segment`);
    if (!part.startsWith(':')) return spelled[i];
    if (!PARAM.test(part)) throw new TypeError(`path '${path}': '${part}' is not a parameter, write ':name'`);
    paramNames.push(part.slice(1));
    return undefined;
  });
  if (new Set(paramNames).size < paramNames.length || paramNames.includes('__proto__')) {
    throw new TypeError(`path '${path}': give each parameter a name of its own`);
  }
  if (isPrefix) paramNames.push('*');
  // Copied, since a list that was pushed to has room for a dozen more, and there is one for each route.
  return { segments, isPrefix, paramNames: paramNames.length === 0 ? NO_NAMES : paramNames.slice() };
}

/** Spells a path from the configuration as requests are spelt. Throws `TypeError` where it cannot be a path. */
export function spellLiteral(path: string): string {
  const spelled = path.startsWith('/')
    ? spellPath(encodePlainText(path), ALL_ALLOWED)
    : { ok: false as const, reason: 'A path begins with "/"' };
  if (!spelled.ok) throw new TypeError(`path '${path}': ${spelled.reason}`);
  return spelled.path;
}

/** Percent-encodes what people write plainly in a configuration: spaces and letters beyond ASCII. */
export function encodePlainText(text: string): string {
  return text.toWellFormed().replace(/[ \u0080-\uffff]+/g, encodeURIComponent);
}
