import { expect, it } from 'vitest';
import { HeaderList } from '../../src/core/header-list.ts';
import { compileRouterSync, type RouterEntry } from '../../src/router/router.ts';
import { fc } from '../support/fast-check.ts';

interface Question {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly query: string;
}

type Entry = RouterEntry<number>;

const segments = fc.array(fc.constantFrom('a', 'b', 'B', ':p'), { maxLength: 3 });
const condition = fc.option(fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('1', '2')), {
  nil: undefined,
});

const routes = fc
  .array(
    fc.record({
      path: fc.tuple(segments, fc.constantFrom('', '/', '/*')),
      methods: fc.option(fc.subarray(['GET', 'PUT', 'HEAD', 'OPTIONS'], { minLength: 1 }), {
        nil: undefined,
      }),
      hosts: fc.option(fc.subarray(['h.test', '*.test', '*.h.test', 'a.h.test'], { minLength: 1 }), {
        nil: undefined,
      }),
      headers: condition,
      query: condition,
      caseSensitive: fc.boolean(),
      trailingSlash: fc.constantFrom('exact' as const, 'same' as const),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((written) =>
    written.map(({ path: [parts, end], ...rest }, order): Entry => {
      const named = parts.map((part, i) => (part === ':p' ? `:p${i}` : part));
      const path = named.map((part) => `/${part}`).join('') + end;
      return { ...rest, path: path === '' ? '/' : path, order, value: order };
    }),
  );

const question: fc.Arbitrary<Question> = fc.record({
  host: fc.constantFrom('h.test', 'a.h.test', 'b.a.h.test', 'test', 'other'),
  method: fc.constantFrom('GET', 'PUT', 'POST', 'HEAD', 'OPTIONS'),
  path: fc
    .tuple(fc.array(fc.constantFrom('a', 'b', 'B', 'c'), { maxLength: 4 }), fc.constantFrom('', '/'))
    .map(([parts, end]) => (parts.length === 0 ? '/' : `/${parts.join('/')}${end}`)),
  headers: fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('1', '2')),
  query: fc
    .dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('1', '2'))
    .map((pairs) => new URLSearchParams(pairs).toString()),
});

function hostRank(entry: Entry, host: string): number {
  const ranks = (entry.hosts ?? ['']).map((name) => {
    if (name === '') return 0;
    if (!name.startsWith('*')) return name === host ? 1000 : -1;
    return host.endsWith(name.slice(1)) ? name.length : -1;
  });
  return Math.max(...ranks);
}

function matchesPath(entry: Entry, path: string): boolean {
  return takesPath(entry, path) || (takesSlashed(entry) && takesPath(entry, withOtherSlash(path)));
}

function takesPath(entry: Entry, path: string): boolean {
  const source = entry.path.replace(/:\w+/g, '[^/]+').replace(/\/\*$/, '(?:/.*)?');
  return new RegExp(`^${source}$`, entry.caseSensitive ? '' : 'i').test(path);
}

function takesSlashed({ path, trailingSlash }: Entry): boolean {
  return trailingSlash === 'same' && path !== '/' && !path.endsWith('*');
}

function withOtherSlash(path: string): string {
  if (path === '/') return path;
  return path.endsWith('/') ? path.slice(0, -1) : `${path}/`;
}

/**
 * One letter a segment, so that the greater string is the more specific path: end > end but for a slash > literal >
 * literal in any case > parameter > `*`.
 */
function pathRank(entry: Entry, path: string): string {
  const isOwn = takesPath(entry, path);
  const parts = (isOwn ? entry.path : withOtherSlash(entry.path)).slice(1).split('/');
  const literal = entry.caseSensitive ? '4' : '3';
  const ranks = parts.map((part) => (part === '*' ? '1' : part.startsWith(':') ? '2' : literal));
  return ranks.join('').concat(parts.at(-1) === '*' ? '' : isOwn ? '9' : '8');
}

function meetsAll(entry: Entry, asked: Question): boolean {
  const query = new URLSearchParams(asked.query);
  return (
    hostRank(entry, asked.host) >= 0 &&
    matchesPath(entry, asked.path) &&
    Object.entries(entry.headers ?? {}).every(([name, value]) => asked.headers[name] === value) &&
    Object.entries(entry.query ?? {}).every(([name, value]) => query.get(name) === value)
  );
}

/** 2: names HEAD itself; 1: takes the method; 0: does not. */
function methodRank(entry: Entry, method: string): number {
  if (method !== 'HEAD') return Number(entry.methods?.includes(method) ?? true);
  if (entry.methods?.includes('HEAD')) return 2;
  return Number(entry.methods?.includes('GET') ?? true);
}

function compare(a: Entry, b: Entry, asked: Question): number {
  const [rankA, rankB] = [pathRank(a, asked.path), pathRank(b, asked.path)];
  const sizeOf = (record: object | undefined) => Object.keys(record ?? {}).length;
  return (
    hostRank(b, asked.host) - hostRank(a, asked.host) ||
    (rankA < rankB ? 1 : rankA > rankB ? -1 : 0) ||
    methodRank(b, asked.method) - methodRank(a, asked.method) ||
    Number(b.methods !== undefined) - Number(a.methods !== undefined) ||
    sizeOf(b.headers) - sizeOf(a.headers) ||
    sizeOf(b.query) - sizeOf(a.query) ||
    a.order - b.order
  );
}

/** Looks at every route and sorts those that match: what the router must find without doing so. */
function modelOf(entries: Entry[], asked: Question): unknown {
  const meeting = entries.filter((entry) => meetsAll(entry, asked));
  const [best] = meeting
    .filter((entry) => methodRank(entry, asked.method) > 0)
    .sort((a, b) => compare(a, b, asked));
  if (best) return best.value;
  if (meeting.length === 0) return 'not-found';
  const methods = new Set(meeting.flatMap((entry) => entry.methods ?? []));
  if (methods.has('GET')) methods.add('HEAD');
  return [
    asked.method === 'OPTIONS' ? 'options' : 'method-not-allowed',
    ...[...methods.add('OPTIONS')].sort(),
  ];
}

it('finds what looking at every route would find', () => {
  fc.assert(
    fc.property(routes, fc.array(question, { minLength: 1, maxLength: 8 }), (entries, questions) => {
      const router = compileRouterSync(entries);
      for (const asked of questions) {
        const { host, method, path, query } = asked;
        const result = router.find(host, method, path, HeaderList.from(asked.headers), query);
        const found =
          result.kind === 'match'
            ? result.value
            : 'allow' in result
              ? [result.kind, ...result.allow]
              : result.kind;
        expect(found).toEqual(modelOf(entries, asked));
      }
    }),
    { numRuns: 2000 },
  );
});
