/**
 * Asks how long finding a route takes with 10 and with 10,000 routes, beside find-my-way (which has no hosts here).
 * Goal: 10,000 routes within 1.2 times of 10, as many paths in use. Run: `node bench/router.ts`.
 */
import { createRequire } from 'node:module';
import { HeaderList } from '../src/core/header-list.ts';
import { normaliseTarget } from '../src/router/normalise.ts';
import { DEFAULT_SPELLING } from '../src/router/path-spelling.ts';
import { compileRouter, type RouterEntry } from '../src/router/router.ts';

type Lookup = (path: string) => unknown;

interface Case {
  readonly name: string;
  readonly lookup: Lookup;
  readonly paths: readonly string[];
  bestNs: number;
}

const ROUNDS = 25;
const LOOKUPS = 100_000;
const NO_HEADERS = HeaderList.from();
const FEW = 10;
const MANY = 10_000;

/** By turns parametric and static. */
function makeEntries(count: number): RouterEntry<number>[] {
  return Array.from({ length: count }, (_, i) => ({
    path: i % 2 === 0 ? `/service-${i}/items/:id` : `/service-${i}/status`,
    methods: ['GET'],
    order: i,
    value: i,
  }));
}

function pathFor(i: number): string {
  return i % 2 === 0 ? `/service-${i}/items/${1000 + i}` : `/service-${i}/status`;
}

/** `inUse` paths spread evenly over the routes, half of them parametric. */
function spread(routes: number, inUse: number): string[] {
  return Array.from({ length: inUse }, (_, i) => pathFor(Math.floor((i * routes) / inUse / 2) * 2 + (i % 2)));
}

async function sallyport(count: number): Promise<Lookup> {
  const router = await compileRouter(makeEntries(count));
  return (path) => router.find('api.example.com', 'GET', path, NO_HEADERS, '');
}

/** Every route on one of 100 wildcard hosts. */
async function sallyportByHost(count: number): Promise<Lookup> {
  const entries = makeEntries(count).map((entry, i) => ({ ...entry, hosts: [`*.h${i % 100}.example.com`] }));
  const router = await compileRouter(entries);
  const hosts = Array.from({ length: 100 }, (_, i) => `api.h${i}.example.com`);
  return (path) => {
    const route = Number.parseInt(path.slice('/service-'.length), 10);
    return router.find(hosts[route % 100] as string, 'GET', path, NO_HEADERS, '');
  };
}

function findMyWay(count: number): Lookup | undefined {
  try {
    const router = createRequire(import.meta.url)('find-my-way')();
    for (const entry of makeEntries(count)) router.on('GET', entry.path, () => {});
    return (path) => router.find('GET', path);
  } catch {
    return undefined;
  }
}

/** Each path is cut fresh from a longer text, as a request's is, so that nobody has computed its hash yet. */
function measureNs({ lookup, paths }: Case): number {
  const text = paths.join('?');
  const cuts = paths.map((_, i) => paths.slice(0, i).reduce((sum, path) => sum + path.length + 1, 0));
  const startedAt = process.hrtime.bigint();
  for (let i = 0; i < LOOKUPS; i++) {
    const at = i % paths.length;
    const start = cuts[at] as number;
    lookup(text.slice(start, start + (paths[at] as string).length));
  }
  return Number(process.hrtime.bigint() - startedAt) / LOOKUPS;
}

async function makeCases(): Promise<Case[]> {
  const cases: Case[] = [];
  const add = (name: string, lookup: Lookup | undefined, paths: readonly string[]): void => {
    if (lookup) cases.push({ name, lookup, paths, bestNs: Number.POSITIVE_INFINITY });
  };
  for (const [name, build] of [
    ['sallyport', sallyport],
    ['sallyport, by host', sallyportByHost],
    ['find-my-way', findMyWay],
  ] as const) {
    add(`${name}: ${FEW} routes`, await build(FEW), spread(FEW, FEW));
    add(`${name}: ${MANY} routes, ${FEW} paths in use`, await build(MANY), spread(MANY, FEW));
    add(`${name}: ${MANY} routes, 1000 paths in use`, await build(MANY), spread(MANY, 1000));
  }
  const normalise: Lookup = (path) => normaliseTarget(path, 'GET', DEFAULT_SPELLING);
  for (const target of ['/orders/123?x=1', '/a/%2e%2e/caf%c3%a9'])
    add(`normalise ${target}`, normalise, [target]);
  add('nothing (the cost of measuring)', () => undefined, spread(FEW, FEW));
  return cases;
}

const cases = await makeCases();
for (let round = 0; round < ROUNDS; round++) {
  for (const item of cases) item.bestNs = Math.min(item.bestNs, measureNs(item));
}
for (const { name, bestNs } of cases) {
  process.stdout.write(`${name.padEnd(52)} ${bestNs.toFixed(0).padStart(5)} ns\n`);
}
