import { asFields, asList, type Fields, type Findings } from '../findings.ts';
import { findPatternFault, type PatternSegment, parsePathPattern } from '../schema/path-pattern.ts';
import { mayIdentify, type WrittenRoute, type WrittenUse } from './check-access.ts';

/** A route as far as it decides which spellings of a path it takes. */
interface SpelledRoute {
  readonly index: number;
  readonly fields: Fields;
  readonly segments: readonly PatternSegment[];
  readonly upstreams: readonly unknown[];
}

/** Beyond so many pairs they are not compared: this is advice, and must not hold a reload up. */
const MAX_PAIRS = 1_000_000;

/**
 * Warns where another spelling of a protected path, which many services take for the same (`/ADMIN`, `/admin/`), goes
 * to the same service by a route that asks nobody.
 */
export function checkSpellings(
  topLevel: readonly WrittenUse[],
  routes: readonly WrittenRoute[],
  findings: Findings,
): void {
  const [closed, open]: [SpelledRoute[], SpelledRoute[]] = [[], []];
  for (const [index, { fields, uses }] of routes.entries()) {
    const route = readRoute(index, fields);
    if (route === undefined) continue;
    const asks = uses.some(mayIdentify) || (fields.public !== true && topLevel.some(mayIdentify));
    if (asks) closed.push(route);
    else if (route.segments.at(-1)?.kind === 'rest') open.push(route);
  }
  if (closed.length * open.length > MAX_PAIRS) return;
  for (const route of closed) {
    const other = open.find((candidate) => takesOtherSpelling(candidate, route));
    if (other === undefined) continue;
    findings.warn(
      ['routes', route.index, 'path'],
      `is protected in this spelling alone: another one, such as ${respell(route.segments)}, goes to the same service by routes[${other.index}], which asks nobody — ask there too, or put what identifies at the top level and public: true where everyone may come in`,
    );
  }
}

function readRoute(index: number, fields: Fields): SpelledRoute | undefined {
  const { path, upstream, split } = fields;
  if (typeof path !== 'string' || findPatternFault(path) !== undefined) return undefined;
  const upstreams =
    upstream === undefined ? asList(split).map((part) => asFields(part).upstream) : [upstream];
  return { index, fields, segments: parsePathPattern(path), upstreams };
}

function takesOtherSpelling(open: SpelledRoute, closed: SpelledRoute): boolean {
  return (
    open.upstreams.some((name) => closed.upstreams.includes(name)) &&
    mayMeet(open.fields.hosts, closed.fields.hosts) &&
    mayMeet(open.fields.methods, closed.fields.methods) &&
    covers(open.segments.slice(0, -1), closed.segments)
  );
}

/** Whether two lists, of which a missing one stands for everything, have something in common. */
function mayMeet(one: unknown, other: unknown): boolean {
  return one === undefined || other === undefined || asList(one).some((item) => asList(other).includes(item));
}

/** Whether what begins with `prefix` takes a path of `segments` with a literal part in other letters. */
function covers(prefix: readonly PatternSegment[], segments: readonly PatternSegment[]): boolean {
  const fits = prefix.every((own, i) => {
    const other = segments[i];
    return (
      own.kind === 'param' || (other?.kind === 'static' && own.kind === 'static' && other.text === own.text)
    );
  });
  return fits && segments.some((segment, i) => isSpelled(segment) && prefix[i]?.kind !== 'static');
}

function isSpelled(segment: PatternSegment): boolean {
  return segment.kind === 'static' && /[a-z]/i.test(segment.text);
}

/** Writes the path with its last literal part in other letters. */
function respell(segments: readonly PatternSegment[]): string {
  const last = segments.findLastIndex(isSpelled);
  const texts = segments.map((segment, i) => {
    if (segment.kind === 'rest') return '*';
    if (segment.kind === 'param') return `:${segment.name}`;
    const upper = segment.text.toUpperCase();
    if (i !== last) return segment.text;
    return upper === segment.text ? segment.text.toLowerCase() : upper;
  });
  return `/${texts.join('/')}`;
}
