import { foldCase } from './fold-case.ts';
import { insertByPrecedence, type Precedence } from './precedence.ts';
import type { RoutePath } from './route-path.ts';

/** One walk over a path: what is looked for, and where the walk stands. */
export interface Walk<C> {
  readonly path: string;
  /** Where the parameters passed so far begin and end, two numbers each. */
  readonly bounds: number[];
  /** Where that begins which `*` stands for. */
  restStart: number;
  /** Chooses among the routes of one path, in order of precedence. `undefined` walks on to a less specific path. */
  pick(candidates: readonly C[]): C | undefined;
}

/** Which spellings of its path a route takes beside the one that is written. */
export interface PathMatching {
  /** `false` takes literal segments in any case. */
  readonly caseSensitive: boolean;
  /** Whether a slash at the end counts, or is the same with and without. */
  readonly trailingSlash: 'exact' | 'same';
}

/** A place in the tree of path segments, and the routes that end there. */
export class PathTrie<C extends Precedence> {
  private children: Map<string, PathTrie<C>> | undefined = undefined;
  /** The one child where there is only one, as is usual below the first segments: compared in place, not looked up. */
  private onlyText = '';
  private onlyChild: PathTrie<C> | undefined = undefined;
  /** Children by their folded text, of routes to which case means nothing. */
  private folded: Map<string, PathTrie<C>> | undefined = undefined;
  private param: PathTrie<C> | undefined = undefined;
  /** Routes for exactly this path, and for all paths from here on, each in order of precedence. */
  private exact: C[] | undefined = undefined;
  private prefix: C[] | undefined = undefined;
  /** Routes for this path with a slash more or less at its end, to which that is the same. */
  private slashed: C[] | undefined = undefined;

  add(path: RoutePath, candidate: C, { caseSensitive, trailingSlash }: PathMatching): void {
    const node = this.nodeFor(path.segments, caseSensitive);
    if (path.isPrefix) node.prefix = withCandidate(node.prefix, candidate);
    else node.exact = withCandidate(node.exact, candidate);
    const isRoot = path.segments.length === 1 && path.segments[0] === '';
    if (path.isPrefix || trailingSlash === 'exact' || isRoot) return;
    const other = path.segments.at(-1) === '' ? path.segments.slice(0, -1) : [...path.segments, ''];
    const twin = this.nodeFor(other, caseSensitive);
    twin.slashed = withCandidate(twin.slashed, candidate);
  }

  /**
   * Finds the most specific path that `walk.pick` takes. From left to right a literal segment beats one in other case,
   * that a parameter, and that `*`; at the end, the path as written beats that with a slash more or less. Every node is visited at most once, so the work is bounded by the routes, not by the path.
   * `start` is where the next segment begins; one past the end of the path when there is none.
   */
  find(walk: Walk<C>, start: number, paramCount: number): C | undefined {
    const path = walk.path;
    if (start > path.length) return this.pickAt(walk, path.length);
    const end = segmentEnd(path, start);
    const found = this.findChild(path, start, end)?.find(walk, end + 1, paramCount);
    if (found !== undefined) return found;
    if (this.folded !== undefined) {
      const found = this.folded.get(foldCase(path.slice(start, end)))?.find(walk, end + 1, paramCount);
      if (found !== undefined) return found;
    }
    if (this.param !== undefined && end > start) {
      walk.bounds[paramCount * 2] = start;
      walk.bounds[paramCount * 2 + 1] = end;
      const found = this.param.find(walk, end + 1, paramCount + 1);
      if (found !== undefined) return found;
    }
    return this.pickPrefix(walk, start);
  }

  private pickAt(walk: Walk<C>, end: number): C | undefined {
    const found = this.exact === undefined ? undefined : walk.pick(this.exact);
    if (found !== undefined) return found;
    const slashed = this.slashed === undefined ? undefined : walk.pick(this.slashed);
    return slashed ?? this.pickPrefix(walk, end);
  }

  private pickPrefix(walk: Walk<C>, restStart: number): C | undefined {
    if (this.prefix === undefined) return undefined;
    walk.restStart = restStart;
    return walk.pick(this.prefix);
  }

  private findChild(path: string, start: number, end: number): PathTrie<C> | undefined {
    if (this.children !== undefined) return this.children.get(path.slice(start, end));
    if (this.onlyChild === undefined || end - start !== this.onlyText.length) return undefined;
    return path.startsWith(this.onlyText, start) ? this.onlyChild : undefined;
  }

  private nodeFor(segments: readonly (string | undefined)[], isCaseSensitive: boolean): PathTrie<C> {
    let node: PathTrie<C> = this;
    for (const segment of segments)
      node = isCaseSensitive || segment === undefined ? node.childFor(segment) : node.foldedFor(segment);
    return node;
  }

  private foldedFor(segment: string): PathTrie<C> {
    const folded = foldCase(segment);
    this.folded ??= new Map();
    const child = this.folded.get(folded) ?? new PathTrie<C>();
    this.folded.set(folded, child);
    return child;
  }

  private childFor(segment: string | undefined): PathTrie<C> {
    if (segment === undefined) {
      this.param ??= new PathTrie();
      return this.param;
    }
    const child = this.findChild(segment, 0, segment.length) ?? new PathTrie();
    if (this.onlyChild === undefined) {
      this.onlyText = segment;
      this.onlyChild = child;
    } else if (child !== this.onlyChild) {
      this.children ??= new Map([[this.onlyText, this.onlyChild]]);
      this.children.set(segment, child);
    }
    return child;
  }
}

/** Most paths have one route, and a list that is made with it has no room to spare. */
function withCandidate<C extends Precedence>(list: C[] | undefined, candidate: C): C[] {
  if (list === undefined) return [candidate];
  insertByPrecedence(list, candidate);
  return list;
}

function segmentEnd(path: string, start: number): number {
  const end = path.indexOf('/', start);
  return end < 0 ? path.length : end;
}
