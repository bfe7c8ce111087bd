import {
  type Condition,
  type ConditionInput,
  compileConditions,
  type HeaderSource,
  meetsHeaders,
  meetsQuery,
} from './conditions.ts';
import { HostTable } from './host-table.ts';
import { LongWork } from './long-work.ts';
import { type PathMatching, PathTrie, type Walk } from './path-trie.ts';
import { RouteMatch } from './route-match.ts';
import { parseRoutePath } from './route-path.ts';

/** A route as the router takes it. What is left out matches everything. */
export interface RouterEntry<T> extends Partial<PathMatching> {
  /** Literal segments, `:param`, and `*` as the last. */
  readonly path: string;
  readonly methods?: readonly string[] | undefined;
  /** Names without port; `*.example.com` stands for all names below, not for `example.com`. */
  readonly hosts?: readonly string[] | undefined;
  /** Header names in any case and the exact values they must have. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Query parameters and the exact values they must have, decoded. */
  readonly query?: Readonly<Record<string, string>> | undefined;
  /** Decides between equals: the smaller wins. */
  readonly order: number;
  readonly value: T;
}

export type RouteResult<T> =
  | RouteMatch<T>
  | { readonly kind: 'not-found' }
  /** Some route would match but for its methods: 405 with `Allow`. */
  | { readonly kind: 'method-not-allowed'; readonly allow: readonly string[] }
  /** OPTIONS for a path whose routes do not take it themselves: 204 with `Allow`. */
  | { readonly kind: 'options'; readonly allow: readonly string[] }
  /** `OPTIONS *`, which asks about the server as a whole: 204. */
  | { readonly kind: 'server-options' };

interface Candidate<T> {
  readonly value: T;
  readonly methods: readonly string[] | undefined;
  readonly headers: readonly Condition[];
  readonly query: readonly Condition[];
  readonly order: number;
  readonly paramNames: readonly string[];
  readonly isPrefix: boolean;
}

type Hosts<T> = HostTable<PathTrie<Candidate<T>>>;

const NO_VALUES: readonly string[] = [];
const NOT_FOUND = { kind: 'not-found' } as const;
const SERVER_OPTIONS = { kind: 'server-options' } as const;

/**
 * Finds the route for a request. A route matches when host, path, method, headers and query all do; among those that
 * match the most specific host wins, then the most specific path, then as `comparePrecedence` says. So a request that
 * no route of its own host takes goes to a wildcard's, then to one without hosts; the same holds for paths.
 */
export class Router<T> {
  private readonly hosts: Hosts<T>;

  constructor(hosts: Hosts<T>) {
    this.hosts = hosts;
  }

  /**
   * Finds the route. `host` is as `hostNameOf` gives it, `path` and `query` as `normaliseTarget` does. HEAD goes to a
   * route that names it, else where GET goes.
   */
  find(host: string, method: string, path: string, headers: HeaderSource, query: string): RouteResult<T> {
    return this.search(host, new Search(method, path, headers, query, undefined));
  }

  /**
   * Finds the route of the request that a CORS preflight announces. Conditions on headers that it announces count as
   * met, since their values are not known yet.
   */
  findPreflight(host: string, path: string, headers: HeaderSource, query: string): RouteResult<T> {
    const method = headers.get('access-control-request-method') ?? 'OPTIONS';
    const names = headers.get('access-control-request-headers')?.toLowerCase().split(',') ?? [];
    const announced = new Set(names.map((name) => name.trim()));
    return this.search(host, new Search(method, path, headers, query, announced));
  }

  private search(host: string, search: Search<T>): RouteResult<T> {
    if (search.path === '*') return SERVER_OPTIONS;
    const found = this.hosts.first(host, walkTrie, search);
    if (found !== undefined) return search.matchOf(found);
    return this.explainMiss(host, search);
  }

  /** Walks again, to learn whether the method was all that stood in the way. */
  private explainMiss(host: string, search: Search<T>): RouteResult<T> {
    search.allowed = new Set();
    this.hosts.first(host, walkTrie, search);
    if (search.allowed.size === 0) return NOT_FOUND;
    if (search.allowed.has('GET')) search.allowed.add('HEAD');
    const allow = [...search.allowed.add('OPTIONS')].sort();
    return { kind: search.method === 'OPTIONS' ? 'options' : 'method-not-allowed', allow };
  }
}

function walkTrie<T>(trie: PathTrie<Candidate<T>>, search: Search<T>): Candidate<T> | undefined {
  return trie.find(search, 1, 0);
}

/** Shared by all walks, which never overlap: each ends before `find` returns. */
const BOUNDS: number[] = [];

class Search<T> implements Walk<Candidate<T>>, ConditionInput {
  readonly method: string;
  readonly path: string;
  readonly headers: HeaderSource;
  readonly query: string;
  readonly announced: ReadonlySet<string> | undefined;
  readonly bounds = BOUNDS;
  restStart = 0;
  parsedQuery: URLSearchParams | undefined = undefined;
  /** Where set, nothing is picked, and the methods that would have been taken are gathered. */
  allowed: Set<string> | undefined = undefined;

  constructor(
    method: string,
    path: string,
    headers: HeaderSource,
    query: string,
    announced: ReadonlySet<string> | undefined,
  ) {
    this.method = method;
    this.path = path;
    this.headers = headers;
    this.query = query;
    this.announced = announced;
  }

  pick(candidates: readonly Candidate<T>[]): Candidate<T> | undefined {
    if (this.allowed !== undefined) return this.gatherMethods(candidates, this.allowed);
    if (this.method !== 'HEAD') return this.firstTaking(candidates, this.method);
    const naming = candidates.filter((candidate) => candidate.methods !== undefined);
    return this.firstTaking(naming, 'HEAD') ?? this.firstTaking(candidates, 'GET');
  }

  matchOf(candidate: Candidate<T>): RouteMatch<T> {
    const { paramNames, isPrefix, value } = candidate;
    const count = paramNames.length;
    if (count === 0) return new RouteMatch(value, paramNames, NO_VALUES);
    const values = new Array<string>(count);
    for (let i = 0; i < count; i++) values[i] = this.path.slice(this.bounds[i * 2], this.bounds[i * 2 + 1]);
    if (isPrefix) values[count - 1] = this.path.slice(this.restStart);
    return new RouteMatch(value, paramNames, values);
  }

  private firstTaking(candidates: readonly Candidate<T>[], method: string): Candidate<T> | undefined {
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i] as Candidate<T>;
      if (candidate.methods !== undefined && !candidate.methods.includes(method)) continue;
      if (this.meetsConditions(candidate)) return candidate;
    }
    return undefined;
  }

  private gatherMethods(candidates: readonly Candidate<T>[], allowed: Set<string>): undefined {
    for (const candidate of candidates) {
      if (!this.meetsConditions(candidate)) continue;
      for (const method of candidate.methods ?? []) allowed.add(method);
    }
  }

  private meetsConditions(candidate: Candidate<T>): boolean {
    return (
      (candidate.headers.length === 0 || meetsHeaders(candidate.headers, this)) &&
      (candidate.query.length === 0 || meetsQuery(candidate.query, this))
    );
  }
}

/** Builds a router in slices, so that other work goes on meanwhile. Rejects with `TypeError` for an impossible path. */
export async function compileRouter<T>(entries: Iterable<RouterEntry<T>>): Promise<Router<T>> {
  const hosts: Hosts<T> = new HostTable();
  const work = new LongWork();
  for (const _ of addEntries(hosts, entries)) {
    if (work.isDue) await work.rest();
  }
  return new Router(hosts);
}

/** Builds a router at once. Throws `TypeError` for an impossible path. */
export function compileRouterSync<T>(entries: Iterable<RouterEntry<T>>): Router<T> {
  const hosts: Hosts<T> = new HostTable();
  for (const _ of addEntries(hosts, entries));
  return new Router(hosts);
}

/** Adds entries, yielding after each step. */
function* addEntries<T>(hosts: Hosts<T>, entries: Iterable<RouterEntry<T>>): Generator<void> {
  for (const entry of entries) {
    const path = parseRoutePath(entry.path);
    const { caseSensitive = true, trailingSlash = 'exact' } = entry;
    const matching: PathMatching = { caseSensitive, trailingSlash };
    const candidate: Candidate<T> = {
      value: entry.value,
      methods: entry.methods,
      headers: compileConditions(entry.headers, true),
      query: compileConditions(entry.query, false),
      order: entry.order,
      paramNames: path.paramNames,
      isPrefix: path.isPrefix,
    };
    for (const host of entry.hosts ?? [undefined]) {
      hosts.obtain(host, () => new PathTrie()).add(path, candidate, matching);
      yield;
    }
  }
}
