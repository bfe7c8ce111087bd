import { foldCase } from './fold-case.ts';
import { hasDotSegment, spellCharacters } from './path-spelling.ts';
import { encodePlainText, spellLiteral } from './route-path.ts';

/** Gives a path from a route's raw parameters, or `undefined` where a value would make it another path: answer 400. */
export type PathTemplate = (rawParams: readonly string[]) => string | undefined;

const PLACEHOLDER = /\{params\.([^{}]*)\}/;

/**
 * Compiles `/v1/orders/{params.id}` for a route whose parameters are `paramNames`. Values are put in as they are
 * spelt in the path, encoding included. Throws `TypeError` for an unknown parameter or what is not a path.
 */
export function compileRewrite(template: string, paramNames: readonly string[]): PathTemplate {
  // Literals and names by turns, since `split` keeps what the group holds.
  const pieces = template.split(PLACEHOLDER);
  const literals = pieces.filter((_, i) => i % 2 === 0).map((text) => compileLiteral(text, template));
  const slots = pieces.filter((_, i) => i % 2 === 1).map((name) => findSlot(name, paramNames, template));
  checkShape(literals, template);
  return slots.length === 0 ? () => literals[0] : fillSlots(literals, slots);
}

/** Puts values between literals. On its own, so that it keeps alive what it needs and no more. */
function fillSlots(literals: readonly string[], slots: readonly number[]): PathTemplate {
  return (rawParams) => {
    let path = literals[0] as string;
    for (let i = 0; i < slots.length; i++) {
      const value = rawParams[slots[i] as number];
      if (value === undefined || value === '.' || value === '..') return undefined;
      path += value;
      // An empty `*`, or one that ends open, leaves one slash before the next literal.
      const literal = literals[i + 1] as string;
      path += path.endsWith('/') && literal.startsWith('/') ? literal.slice(1) : literal;
    }
    return path.includes('.') && hasDotSegment(path) ? undefined : path;
  };
}

/**
 * Compiles the removal of `prefix`, by whole segments; a path outside of it stays. Where case means nothing, what stands
 * in its place is removed, whatever its case.
 */
export function compileStripPrefix(prefix: string, isCaseSensitive = true): (path: string) => string {
  const spelled = spellLiteral(prefix);
  const start = spelled.endsWith('/') ? spelled.slice(0, -1) : spelled;
  if (!isCaseSensitive) return stripSegments(start);
  return (path) => {
    if (path === start) return '/';
    return path.startsWith(`${start}/`) ? path.slice(start.length) : path;
  };
}

function stripSegments(prefix: string): (path: string) => string {
  const folded = prefix.split('/').map(foldCase).join('/');
  const count = prefix.split('/').length;
  return (path) => {
    const segments = path.split('/');
    if (segments.slice(0, count).map(foldCase).join('/') !== folded) return path;
    return `/${segments.slice(count).join('/')}`;
  };
}

function compileLiteral(text: string, template: string): string {
  if (/[{}]/.test(text)) {
    throw new TypeError(`template '${template}': write '{params.name}' for a parameter, '%7B' for a brace`);
  }
  return spellCharacters(encodePlainText(text));
}

function findSlot(name: string, paramNames: readonly string[], template: string): number {
  const slot = paramNames.indexOf(name);
  if (slot >= 0) return slot;
  const known = paramNames.map((known) => `{params.${known}}`).join(', ') || 'no parameters';
  throw new TypeError(`template '${template}': the route has no parameter '${name}', it has ${known}`);
}

/** A template must be a path in its one spelling whatever its values are. */
function checkShape(literals: readonly string[], template: string): void {
  const sample = literals.join('x');
  if (spellLiteral(sample) !== sample) {
    throw new TypeError(`template '${template}': remove dot segments and repeated slashes`);
  }
}
