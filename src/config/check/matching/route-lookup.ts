import { asFields, asList, type Fields } from '../../findings.ts';
import type { PatternSegment } from '../../schema/path-pattern.ts';
import { foldText, type RouteMatching } from './route-matching.ts';

/** A route whose path is good. */
export interface PlacedRoute {
  readonly index: number;
  readonly fields: Fields;
  readonly segments: readonly PatternSegment[];
  readonly matching: RouteMatching;
}

interface Place<R> {
  readonly children: Map<string, Place<R>>;
  readonly folded: Map<string, Place<R>>;
  param: Place<R> | undefined;
  readonly exact: R[];
  readonly slashed: R[];
  readonly prefix: R[];
}

/** Finds the routes that take a path in the order in which the router asks them, whatever else they ask of a request. */
export class RouteLookup<R extends PlacedRoute> {
  private readonly root: Place<R> = createPlace();

  constructor(routes: readonly R[]) {
    for (const route of [...routes].sort(comparePrecedence)) this.add(route);
  }

  /** The routes whose path matches, most specific hosts first. */
  find(segments: readonly string[]): readonly R[] {
    const found: R[] = [];
    collect(this.root, segments, 0, found);
    return found.sort((a, b) => hostRank(b) - hostRank(a));
  }

  private add(route: R): void {
    const { segments, matching } = route;
    const isPrefix = segments.at(-1)?.kind === 'rest';
    const own = isPrefix ? segments.slice(0, -1) : segments;
    const place = this.placeOf(own, matching);
    (isPrefix ? place.prefix : place.exact).push(route);
    const last = own.at(-1);
    const endsOpen = last?.kind === 'static' && last.text === '';
    if (isPrefix || matching.isSlashExact || (endsOpen && own.length === 1)) return;
    const other = endsOpen ? own.slice(0, -1) : [...own, { kind: 'static', text: '' } as const];
    this.placeOf(other, matching).slashed.push(route);
  }

  private placeOf(segments: readonly PatternSegment[], { isCaseSensitive }: RouteMatching): Place<R> {
    let place = this.root;
    for (const segment of segments) {
      if (segment.kind === 'static') {
        const text = isCaseSensitive ? segment.text : foldText(segment.text);
        place = obtain(isCaseSensitive ? place.children : place.folded, text);
      } else {
        place.param ??= createPlace();
        place = place.param;
      }
    }
    return place;
  }
}

function collect<R>(place: Place<R>, segments: readonly string[], at: number, found: R[]): void {
  const segment = segments[at];
  if (segment === undefined) {
    found.push(...place.exact, ...place.slashed);
  } else {
    const child = place.children.get(segment);
    if (child !== undefined) collect(child, segments, at + 1, found);
    const folded = place.folded.size === 0 ? undefined : place.folded.get(foldText(segment));
    if (folded !== undefined) collect(folded, segments, at + 1, found);
    if (place.param !== undefined && segment !== '') collect(place.param, segments, at + 1, found);
  }
  found.push(...place.prefix);
}

function comparePrecedence(a: PlacedRoute, b: PlacedRoute): number {
  const count = (fields: unknown): number => Object.keys(asFields(fields)).length;
  return (
    Number(b.fields.methods !== undefined) - Number(a.fields.methods !== undefined) ||
    count(b.fields.headers) - count(a.fields.headers) ||
    count(b.fields.query) - count(a.fields.query) ||
    a.index - b.index
  );
}

function hostRank({ fields }: PlacedRoute): number {
  const ranks = asList(fields.hosts).map((host) => {
    const name = String(host);
    return name.startsWith('*') ? name.length : 1000;
  });
  return Math.max(0, ...ranks);
}

function obtain<R>(places: Map<string, Place<R>>, text: string): Place<R> {
  const place = places.get(text) ?? createPlace<R>();
  places.set(text, place);
  return place;
}

function createPlace<R>(): Place<R> {
  return {
    children: new Map(),
    folded: new Map(),
    param: undefined,
    exact: [],
    slashed: [],
    prefix: [],
  };
}
