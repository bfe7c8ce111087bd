import { findSpellingFault, parsePathPattern } from '../schema/path-pattern.ts';
import { suggest } from '../suggest.ts';
import { foldText, type RouteMatching } from './matching/route-matching.ts';

const PLACEHOLDER = /\{([^{}]*)\}/g;

/** Says what is wrong with an output path such as `/v1/orders/{params.id}`, with the remedy behind ' — ', or nothing. */
export function findTemplateFault(template: string, names: readonly string[]): string | undefined {
  if (!template.startsWith('/')) return undefined; // the schema says so
  for (const [, inside = ''] of template.matchAll(PLACEHOLDER)) {
    const name = /^params\.(.+)$/.exec(inside)?.[1];
    if (name === undefined) return 'has braces without a parameter — write {params.name}, or %7B for a brace';
    if (!names.includes(name)) return explainUnknown(names, suggest(name, names));
  }
  const literal = template.replace(PLACEHOLDER, 'x');
  if (/[{}]/.test(literal))
    return 'has a brace without its other half — write {params.name}, or %7B for a brace';
  if (/(^|\/):/.test(literal) || literal.includes('*')) {
    return 'holds : or *, which stand only in path — write {params.name} or {params.*}';
  }
  return findSpellingFault(literal);
}

/** Tells whether what a template gives, whatever the parameters are, matches a route's path again. */
export function matchesPattern(
  template: string,
  pattern: string,
  { isCaseSensitive, isSlashExact }: RouteMatching,
): boolean {
  if (!isSlashExact) {
    const matching = { isCaseSensitive, isSlashExact: true };
    return matchesPattern(withoutSlash(template), withoutSlash(pattern), matching);
  }
  const given = parsePathPattern(template);
  const isSame = (a: string, b: string) => (isCaseSensitive ? a === b : foldText(a) === foldText(b));
  for (const [i, segment] of parsePathPattern(pattern).entries()) {
    if (segment.kind === 'rest') return true;
    const other = given[i];
    if (other?.kind !== 'static') return false;
    const isLiteral = !other.text.includes('{');
    if (segment.kind === 'static' ? !isSame(segment.text, other.text) : other.text === '') return false;
    if (!isLiteral && other.text.includes('params.*')) return false;
  }
  return given.length === parsePathPattern(pattern).length;
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

function explainUnknown(names: readonly string[], close: string | undefined): string {
  const known = names.map((name) => `{params.${name}}`).join(', ');
  const remedy =
    close !== undefined
      ? `did you mean {params.${close}}?`
      : known === ''
        ? 'add it to path'
        : `write ${known}`;
  return `names a parameter that the path does not have — ${remedy}`;
}
