import { asFields, asList, type Fields, type Findings, splitParts } from '../../findings.ts';
import { findPatternFault, parsePathPattern } from '../../schema/path-pattern.ts';
import type { WrittenRoute, WrittenUse } from '../check-access.ts';
import { findLack, listRejecting } from '../protection.ts';
import { type ListenerSpellings, type Respelling, readListenerSpellings, respell } from './respellings.ts';
import { type PlacedRoute, RouteLookup } from './route-lookup.ts';
import { readMatching } from './route-matching.ts';

interface SpelledRoute extends PlacedRoute {
  /** What may reject a request. */
  readonly refusing: readonly WrittenUse[];
  /** Of each service that it reaches, whatever the name of the upstream: targets, or where they are found. */
  readonly services: ReadonlySet<string>;
}

/** A spelling that passes by what guards a route. */
interface Bypass {
  readonly by: SpelledRoute;
  readonly lack: string;
  readonly spelling: Respelling;
}

/** Beyond so many looks at a route the others are not compared: this is advice, and must not hold a reload up. */
const MAX_LOOKS = 1_000_000;

/**
 * Warns where another spelling of a guarded path, which services may take for the same (`/ADMIN`, `/admin/`), goes to the
 * same service by a route whose policies reject less.
 */
export function checkSpellings(
  topLevel: readonly WrittenUse[],
  routes: readonly WrittenRoute[],
  gateway: Fields,
  findings: Findings,
): void {
  const placed = routes.flatMap((route, index) => placeRoute(route, index, topLevel, gateway));
  const lookup = new RouteLookup(placed);
  const listeners = readListenerSpellings(gateway.listeners);
  let looks = 0;
  for (const route of placed) {
    if (route.refusing.length === 0) continue;
    const bypasses: Bypass[] = [];
    for (const spelling of spellingsOf(route, listeners)) {
      const takers = lookup.find(spelling.segments);
      looks += takers.length;
      if (looks > MAX_LOOKS) return;
      const bypass = findBypass(route, takers, spelling);
      if (bypass !== undefined) bypasses.push(bypass);
    }
    for (const alike of Map.groupBy(bypasses, ({ by }) => by).values()) warn(route, alike, findings);
  }
}

function placeRoute(
  route: WrittenRoute,
  index: number,
  topLevel: readonly WrittenUse[],
  gateway: Fields,
): SpelledRoute[] {
  const { fields } = route;
  if (typeof fields.path !== 'string' || findPatternFault(fields.path) !== undefined) return [];
  return [
    {
      index,
      fields,
      segments: parsePathPattern(fields.path),
      matching: readMatching(fields, gateway),
      refusing: listRejecting(topLevel, route),
      services: readServices(fields, asFields(gateway.upstreams)),
    },
  ];
}

function readServices({ upstream, split }: Fields, upstreams: Fields): ReadonlySet<string> {
  const names = upstream === undefined ? splitParts(split).parts.map((part) => part.upstream) : [upstream];
  return new Set(
    names.flatMap((name) => {
      const { targets, discovery } = asFields(upstreams[String(name)]);
      const urls = asList(targets).map((target) => String(asFields(target).url ?? target));
      return [`upstream ${name}`, ...urls, ...(discovery === undefined ? [] : [JSON.stringify(discovery)])];
    }),
  );
}

/** A spelling that its own matching takes needs no look. */
function spellingsOf(route: SpelledRoute, listeners: ListenerSpellings): readonly Respelling[] {
  return route.services.size === 0 ? [] : respell(route.segments, listeners);
}

/** Goes through those that take a spelling in the order of the router, up to one that takes all that `route` would. */
function findBypass(
  route: SpelledRoute,
  takers: readonly SpelledRoute[],
  spelling: Respelling,
): Bypass | undefined {
  for (const taker of takers) {
    if (taker === route) return undefined;
    if (!meet(taker.fields, route.fields)) continue;
    const lack = reaches(taker, route) ? findLack(route.refusing, taker.refusing) : undefined;
    if (lack !== undefined) return { by: taker, lack, spelling };
    if (takesAll(taker.fields)) return undefined;
  }
  return undefined;
}

function reaches(taker: SpelledRoute, route: SpelledRoute): boolean {
  const { rewrite } = taker.fields;
  // What is one path whatever the request's was says nothing of its spelling.
  if (typeof rewrite === 'string' && !rewrite.includes('{params.')) return false;
  return [...taker.services].some((service) => route.services.has(service));
}

function meet(one: Fields, other: Fields): boolean {
  return (
    mayMeet(one.methods, other.methods, (a, b) => a === b) && mayMeet(one.hosts, other.hosts, hostsMayMeet)
  );
}

/** Whether two lists, of which a missing one stands for everything, have something in common. */
function mayMeet(one: unknown, other: unknown, isSame: (a: string, b: string) => boolean): boolean {
  if (one === undefined || other === undefined) return true;
  return asList(one).some((a) => asList(other).some((b) => isSame(String(a), String(b))));
}

function hostsMayMeet(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  if (a === b) return true;
  const within = (name: string, pattern: string): boolean =>
    pattern.startsWith('*') && name.endsWith(pattern.slice(1));
  return within(a, b) || within(b, a);
}

function takesAll({ methods, hosts, headers, query }: Fields): boolean {
  return [methods, hosts, headers, query].every((condition) => condition === undefined);
}

function warn(route: SpelledRoute, bypasses: readonly Bypass[], findings: Findings): void {
  const { by, lack } = bypasses[0] as Bypass;
  const remedies = new Set(bypasses.flatMap(({ spelling }) => spelling.remedy ?? []));
  const shown = bypasses
    .map(({ spelling }) => spelling)
    .filter(({ remedy }, i, all) => all.findIndex((other) => other.remedy === remedy) === i)
    .map((spelling) => spelling.shown);
  const last = shown.pop();
  const examples = shown.length === 0 ? last : `${shown.join(', ')} or ${last}`;
  const orElse =
    remedies.size === 0 ? '' : `, or, where the service reads them as one, write ${[...remedies].join(', ')}`;
  findings.warn(
    ['routes', route.index, 'path'],
    `is protected in this spelling alone: another one, such as ${examples}, goes to the same service by routes[${by.index}], ${lack} — give both the same policies, or put them at the top level with public: true where everyone may come in${orElse}`,
  );
}
