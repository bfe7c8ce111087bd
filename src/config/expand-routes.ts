import { resolve } from 'node:path';
import { FORWARDED_METHODS } from '../core/methods.ts';
import type { OptionFiles } from '../core/policy.ts';
import { ApiSource } from '../openapi/api-source.ts';
import { basePathOf } from '../openapi/base-path.ts';
import type { Operation } from '../openapi/operations.ts';
import { rewriteOf, routePathOf } from '../openapi/path-template.ts';
import type { SourcePlace } from '../openapi/source-file.ts';
import { codeOf } from './document/document.ts';
import { asFields, asList, type Fields } from './findings.ts';
import type { Finding } from './issue-problems.ts';
import { type ConfigPath, splitRemedy } from './problem.ts';

/** Where a route comes from that no one has written. */
interface RouteOrigin {
  /** Of the entry in `routesFrom`. */
  readonly path: ConfigPath;
  /** Finds the operation in its document. */
  readonly locate: () => SourcePlace;
  /** How many of its policies are written in that entry. */
  readonly ownPolicies: number;
}

/** A configuration as written, with the routes that OpenAPI documents describe behind its own. */
export interface ExpandedRoutes {
  readonly data: unknown;
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
  /** Gives a finding about a route that was made the place of what it was made of. */
  trace(finding: Finding): Finding;
}

/** Makes the routes that `routesFrom` asks for. */
export async function expandRoutes(data: unknown, files: OptionFiles): Promise<ExpandedRoutes> {
  const gateway = asFields(data);
  const entries = asList(gateway.routesFrom).map(asFields);
  const written = asList(gateway.routes);
  const problems: Finding[] = [];
  const warnings: Finding[] = [];
  const made: { route: object; origin: RouteOrigin }[] = [];
  const ids = new Set(written.map((route) => asFields(route).id));
  const taken = claimsOf(written);
  for (const [i, entry] of entries.entries()) {
    const path = ['routesFrom', i];
    if (typeof entry.openapi !== 'string' || entry.openapi === '') continue;
    const found = await readEntry(entry, entry.openapi, path, files);
    problems.push(...found.problems);
    warnings.push(...found.warnings);
    if (found.source === undefined) continue;
    for (const operation of found.source.operations) {
      const { document } = found.source;
      const locate = () => document.placeOf(operation.located);
      const route = routeOf(operation, entry, found.source, resolve(files.folder, entry.openapi));
      const lack = findLack(operation, route);
      if (lack !== undefined)
        warnings.push({ path, message: lack, remedy: 'it gets no route', place: locate() });
      else if (!route.methods.every((method) => taken.has(claim(method, route.path)))) {
        // A route of one's own takes the place of one that is described.
        const id = uniqueId(route.id, String(entry.upstream), ids);
        const ownPolicies = asList(entry.policies).length;
        made.push({ route: { ...route, id }, origin: { path, locate, ownPolicies } });
      }
    }
  }
  if (entries.length === 0) return { data, problems, warnings, trace: (finding) => finding };
  const routes = [...written, ...made.map(({ route }) => route)];
  return {
    data: { ...gateway, routes },
    problems,
    warnings,
    trace: (finding) => trace(finding, written.length, made),
  };
}

function trace(finding: Finding, firstMade: number, made: readonly { origin: RouteOrigin }[]): Finding {
  const [root, index, key, position, ...rest] = finding.path;
  const origin = root === 'routes' && typeof index === 'number' ? made[index - firstMade]?.origin : undefined;
  if (origin === undefined) return finding;
  const { path, locate, ownPolicies } = origin;
  if (key === 'upstream') return { ...finding, path: [...path, key] };
  const isOwn = key === 'policies' && typeof position === 'number' && position < ownPolicies;
  if (isOwn) return { ...finding, path: [...path, key, position, ...rest] };
  return { ...finding, path, place: finding.place ?? locate() };
}

async function readEntry(entry: Fields, file: string, path: ConfigPath, files: OptionFiles) {
  const absolute = resolve(files.folder, file);
  const at = [...path, 'openapi'];
  const toFinding = ({ text, place }: { text: string; place: SourcePlace }): Finding => {
    const { message, remedy = '' } = splitRemedy(text);
    return { path: at, message, remedy, place };
  };
  try {
    const source = await files.share(`openapi ${absolute}`, () => ApiSource.load(absolute, files.read));
    if (Array.isArray(source)) return { source: undefined, problems: source.map(toFinding), warnings: [] };
    const judges = entry.validate ?? 'requests';
    const directions =
      judges === 'off' ? [] : judges === 'both' ? (['request', 'response'] as const) : (['request'] as const);
    const findings = source.findFaults(directions);
    return {
      source,
      problems: findings.filter(({ isDoubt }) => isDoubt !== true).map(toFinding),
      warnings: findings.filter(({ isDoubt }) => isDoubt === true).map(toFinding),
    };
  } catch (error) {
    const message = `names a file that cannot be read (${codeOf(error)})`;
    const remedy = "create it, or correct its name; it is found from the configuration's folder";
    return { source: undefined, problems: [{ path: at, message, remedy }], warnings: [] };
  }
}

/** A route as it would be written. */
interface MadeRoute extends Fields {
  readonly id: string;
  readonly path: string;
  readonly methods: readonly string[];
}

function routeOf(operation: Operation, entry: Fields, source: ApiSource, file: string): MadeRoute {
  const { method, path, operationId } = operation;
  const { prefix, upstream, policies, validate = 'requests' } = entry;
  const base = basePathOf(source.document);
  const before = typeof prefix === 'string' ? prefix.replace(/\/$/, '') : base;
  const response = validate === 'both' ? { response: 'enforce' } : {};
  const judge = { validate: { openapi: { file, operation: `${method} ${path}` }, ...response } };
  return {
    id: idOf(operationId ?? `${method.toLowerCase()}${path}`),
    path: `${before}${routePathOf(path)}`,
    methods: FORWARDED_METHODS.filter((each) => each === method),
    ...(upstream !== undefined && { upstream }),
    ...(before !== base &&
      (base === '' ? { stripPrefix: before } : { rewrite: `${base}${rewriteOf(path)}` })),
    policies: [...asList(policies), ...(validate === 'off' ? [] : [judge])],
  };
}

/** Says why an operation cannot be a route, if it cannot. */
function findLack({ method, path }: Operation, { methods }: MadeRoute): string | undefined {
  if (methods.length === 0) return `has a method that is not forwarded: ${method}`;
  // Written where one path has several operations of one method, which no request tells apart.
  return /[?#]/.test(path) ? "has a path that no request has: with '?' or '#'" : undefined;
}

function idOf(name: string): string {
  const id = name.replace(/[{}]/g, '').replace(/[^A-Za-z0-9._-]+/g, '-');
  return id.replace(/^[._-]+|-+$/g, '') || 'root';
}

function uniqueId(id: string, upstream: string, ids: Set<unknown>): string {
  let unique = id;
  if (ids.has(unique)) unique = `${upstream}.${id}`;
  for (let i = 2; ids.has(unique); i++) unique = `${upstream}.${id}.${i}`;
  ids.add(unique);
  return unique;
}

/** What routes of one's own take, where they take it whatever else a request has. */
function claimsOf(routes: readonly unknown[]): ReadonlySet<string> {
  return new Set(
    routes.map(asFields).flatMap(({ path, methods = FORWARDED_METHODS, hosts, headers, query }) => {
      if (typeof path !== 'string' || hosts !== undefined || headers !== undefined || query !== undefined)
        return [];
      return asList(methods).map((method) => claim(String(method), path));
    }),
  );
}

function claim(method: string, path: string): string {
  return `${method} ${path.replace(/\/:[^/]+/g, '/:')}`;
}
