import { FORWARDED_METHODS } from '../../../core/methods.ts';
import { asFields, asList, type Fields } from '../../findings.ts';
import { findPatternFault, parsePathPattern } from '../../schema/path-pattern.ts';
import { foldText, readMatching } from './route-matching.ts';

/** A route that can never match, and the one that takes its requests. */
export interface ShadowedRoute {
  readonly index: number;
  readonly by: number;
}

/**
 * Finds routes that can never match. Where two differ in path shape, in whether they name methods, or in their header
 * or query conditions, the router's precedence gives each its share. So only routes equal in all of these compete, by
 * order: a later one is lost when earlier ones take all its methods on all its hosts. One pass, whatever the number.
 */
export function findShadowedRoutes(routes: readonly Fields[], gateway: Fields): ShadowedRoute[] {
  const takenBy = new Map<string, number>();
  const shadowed: ShadowedRoute[] = [];
  for (const [index, route] of routes.entries()) {
    const claims = readClaims(route, gateway);
    const owners = claims.map((claim) => takenBy.get(claim));
    const [by] = owners;
    if (by !== undefined && owners.every((owner) => owner !== undefined)) shadowed.push({ index, by });
    for (const claim of claims) if (!takenBy.has(claim)) takenBy.set(claim, index);
  }
  return shadowed;
}

/** One key for each host and method that a route asks for; none if it is not well formed. */
function readClaims(route: Fields, gateway: Fields): string[] {
  const shape = readShape(route.path, readMatching(route, gateway).isCaseSensitive);
  const methods = readTexts(route.methods, FORWARDED_METHODS);
  const hosts = readTexts(route.hosts);
  if (shape === undefined || methods === undefined || hosts === undefined) return [];
  const conditions = JSON.stringify([
    readConditions(route.headers, true),
    readConditions(route.query, false),
  ]);
  return hosts.flatMap((host) =>
    methods.map((method) => `${host.toLowerCase()} ${method} ${shape} ${conditions}`),
  );
}

/** A path in any case is another than the same with case, which goes before it. */
function readShape(path: unknown, isCaseSensitive: boolean): string | undefined {
  if (typeof path !== 'string' || findPatternFault(path) !== undefined) return undefined;
  const spell = (text: string) => (isCaseSensitive ? text : `{${foldText(text)}}`);
  return parsePathPattern(path)
    .map((segment) =>
      segment.kind === 'static' ? spell(segment.text) : segment.kind === 'param' ? '{}' : '{*}',
    )
    .join('/');
}

/** Left out is a claim of its own: a route that names methods or hosts goes before one that takes all. */
function readTexts(value: unknown, known?: readonly string[]): readonly string[] | undefined {
  if (value === undefined) return ['*'];
  const texts = asList(value).filter((item) => typeof item === 'string');
  const isWhole = texts.length > 0 && texts.length === asList(value).length;
  return isWhole && texts.every((item) => known?.includes(item) ?? true) ? texts : undefined;
}

function readConditions(value: unknown, isHeader: boolean): unknown {
  return Object.entries(asFields(value))
    .map(([name, wanted]) => [isHeader ? name.toLowerCase() : name, wanted])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
}
