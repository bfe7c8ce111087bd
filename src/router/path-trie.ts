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

/** A place in the tree of path segments, and the routes that end there. */
export class PathTrie<C extends Precedence> {
  private children: Map<string, PathTrie<C>> | undefined = undefined;
  /** The one child where there is only one, as is usual below the first segments: compared in place, not looked up. */
  private onlyText = '';
  private onlyChild: PathTrie<C> | undefined = undefined;
  private param: PathTrie<C> | undefined = undefined;
  /** Routes for exactly this path, and for all paths from here on, each in order of precedence. */
  private exact: C[] | undefined = undefined;
  private prefix: C[] | undefined = undefined;

  add(path: RoutePath, candidate: C): void {
    let node: PathTrie<C> = this;
    for (const segment of path.segments) node = node.childFor(segment);
    const list = path.isPrefix ? node.prefix : node.exact;
    // Most paths have one route, and a list that is made with it has no room to spare.
    if (list !== undefined) insertByPrecedence(list, candidate);
    else if (path.isPrefix) node.prefix = [candidate];
    else node.exact = [candidate];
  }

  /**
   * Finds the most specific path that `walk.pick` takes. From left to right a literal segment beats a parameter, and
   * that beats `*`. Every node is visited at most once, so the work is bounded by the routes, not by the path.
   * `start` is where the next segment begins; one past the end of the path when there is none.
   */
  find(walk: Walk<C>, start: number, paramCount: number): C | undefined {
    const path = walk.path;
    if (start > path.length) return this.pickAt(walk, path.length);
    const end = segmentEnd(path, start);
    const found = this.findChild(path, start, end)?.find(walk, end + 1, paramCount);
    if (found !== undefined) return found;
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
    return found ?? this.pickPrefix(walk, end);
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

function segmentEnd(path: string, start: number): number {
  const end = path.indexOf('/', start);
  return end < 0 ? path.length : end;
}
