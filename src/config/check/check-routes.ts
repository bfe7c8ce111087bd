import { asFields, asList, type Fields, type Findings, splitParts } from '../findings.ts';
import type { ConfigPath } from '../problem.ts';
import { findPatternFault, paramNames, parsePathPattern } from '../schema/path-pattern.ts';
import { checkAggregate } from './check-aggregate.ts';
import { readMatching } from './matching/route-matching.ts';
import { findShadowedRoutes } from './matching/shadowing.ts';
import { findTemplateFault, matchesPattern } from './template.ts';
import { checkUpstreamName } from './upstream-name.ts';

const ANSWERS = ['upstream', 'split', 'aggregate', 'batch', 'respond', 'redirect'] as const;
const UPSTREAM_ONLY = ['rewrite', 'stripPrefix', 'hostHeader', 'timeout'] as const;

/** Checks each route in itself, against the upstreams, and against the other routes. */
export function checkRoutes(gateway: Fields, findings: Findings): void {
  const routes = asList(gateway.routes).map(asFields);
  const upstreams = Object.keys(asFields(gateway.upstreams));
  const firstById = new Map<string, number>();
  for (const [i, route] of routes.entries()) {
    const path = ['routes', i];
    if (Object.keys(route).length === 0) continue;
    checkId(route, i, firstById, findings);
    checkResponse(route, path, findings);
    checkUpstreamName(route.upstream, [...path, 'upstream'], upstreams, findings);
    checkSplit(route, path, upstreams, findings);
    checkPaths(route, path, findings);
    checkParts(route, path, upstreams, findings);
    checkBatch(route, path, findings);
    checkRespond(asFields(route.respond), [...path, 'respond'], findings);
    checkRedirect(route, path, gateway, findings);
  }
  for (const { index, by } of findShadowedRoutes(routes, gateway)) {
    const id = routes[by]?.id;
    const name = typeof id === 'string' ? ` (${findings.quote(['routes', by, 'id'], id)})` : '';
    findings.reject(
      ['routes', index],
      `can never match, since routes[${by}]${name} takes every such request — take one out, or tell them apart by methods, hosts, headers or query`,
    );
  }
}

function checkId({ id }: Fields, i: number, firstById: Map<string, number>, findings: Findings): void {
  if (typeof id !== 'string') return;
  const first = firstById.get(id);
  if (first === undefined) {
    firstById.set(id, i);
    return;
  }
  const path = ['routes', i, 'id'];
  findings.reject(path, `${findings.quote(path, id)} is the id of routes[${first}] too — give each its own`);
}

function checkResponse(route: Fields, path: ConfigPath, findings: Findings): void {
  const [first, ...others] = ANSWERS.filter((key) => route[key] !== undefined);
  if (first === undefined) {
    findings.reject(path, 'defines no response — add upstream, split, aggregate, batch, respond or redirect');
    return;
  }
  for (const key of others) findings.reject([...path, key], `stands beside ${first} — keep one of them`);
  if (first === 'upstream' || first === 'split') return;
  for (const key of UPSTREAM_ONLY) {
    if (route[key] !== undefined)
      findings.reject([...path, key], 'has no effect without an upstream — take it out');
  }
}

function checkSplit(
  { split }: Fields,
  path: ConfigPath,
  upstreams: readonly string[],
  findings: Findings,
): void {
  const { parts, at: within } = splitParts(split);
  const at = [...path, ...within];
  for (const [i, { upstream }] of parts.entries()) {
    checkUpstreamName(upstream, [...at, i, 'upstream'], upstreams, findings);
  }
  const hasWeight = ({ weight }: Fields): boolean => weight !== undefined && weight !== 0;
  if (parts.length > 1 && !parts.some(hasWeight))
    findings.reject(
      at,
      'leaves requests over that no condition takes — give the part that takes them a weight',
    );
  for (const [i, part] of parts.entries()) {
    if (!hasWeight(part) && part.headers === undefined && part.cookies === undefined)
      findings.reject([...at, i], 'takes no requests — add weight, headers or cookies');
  }
}

function checkParts(route: Fields, path: ConfigPath, upstreams: readonly string[], findings: Findings): void {
  const params = readParamNames(route.path);
  if (route.aggregate === undefined || params === undefined) return;
  checkAggregate(asFields(route.aggregate), [...path, 'aggregate'], { params, upstreams }, findings);
}

function checkBatch({ batch, methods }: Fields, path: ConfigPath, findings: Findings): void {
  if (batch === undefined || (Array.isArray(methods) && methods.every((method) => method === 'POST'))) return;
  findings.reject(
    methods === undefined ? [...path, 'batch'] : [...path, 'methods'],
    'takes a batch, which is sent with POST alone — write methods: [POST]',
  );
}

function checkPaths(route: Fields, path: ConfigPath, findings: Findings): void {
  const { path: pattern, rewrite, stripPrefix } = route;
  const names = readParamNames(pattern);
  if (typeof rewrite === 'string' && names !== undefined) {
    const fault = findTemplateFault(rewrite, names);
    if (fault !== undefined) findings.reject([...path, 'rewrite'], fault);
  }
  if (stripPrefix === undefined && route.restorePrefix === true)
    findings.reject([...path, 'restorePrefix'], 'has nothing to restore — add stripPrefix, or take it out');
  if (stripPrefix === undefined) return;
  const at = [...path, 'stripPrefix'];
  if (rewrite !== undefined) findings.reject(at, 'stands beside rewrite — keep one of them');
  if (typeof stripPrefix !== 'string' || typeof pattern !== 'string' || names === undefined) return;
  if (!stripPrefix.startsWith('/')) return;
  const fault = findPatternFault(stripPrefix);
  if (fault !== undefined) findings.reject(at, fault);
  if (fault !== undefined || beginsWith(pattern, stripPrefix)) return;
  findings.reject(
    at,
    'is not how the path of this route begins — write its first segments, without parameters',
  );
}

function readParamNames(pattern: unknown): string[] | undefined {
  if (typeof pattern !== 'string' || findPatternFault(pattern) !== undefined) return undefined;
  return paramNames(pattern);
}

function beginsWith(pattern: string, prefix: string): boolean {
  const whole = parsePathPattern(pattern);
  return parsePathPattern(prefix.replace(/(?<=.)\/$/, '')).every((segment, i) => {
    const other = whole[i];
    return segment.kind === 'static' && other?.kind === 'static' && segment.text === other.text;
  });
}

function checkRespond({ status, body, headers }: Fields, path: ConfigPath, findings: Findings): void {
  if (body !== undefined && (status === 204 || status === 304)) {
    findings.reject(
      [...path, 'body'],
      `cannot be sent with status ${status} — take it out, or use status 200`,
    );
  }
  for (const name of Object.keys(asFields(headers))) {
    if (!/^(content-length|transfer-encoding|connection|keep-alive|upgrade|trailer)$/i.test(name)) continue;
    findings.reject([...path, 'headers', name], 'is written by the gateway itself — take it out');
  }
}

function checkRedirect(route: Fields, path: ConfigPath, gateway: Fields, findings: Findings): void {
  const { path: pattern, redirect } = route;
  if (typeof redirect !== 'object' || redirect === null || Array.isArray(redirect)) return;
  const { scheme, host, port, path: template } = redirect as Fields;
  const at = [...path, 'redirect'];
  const staysOnHost = scheme === undefined && host === undefined && port === undefined;
  if (staysOnHost && template === undefined) {
    findings.reject(at, 'leads nowhere else — add scheme, host, port or path');
  }
  const names = readParamNames(pattern);
  if (typeof pattern !== 'string' || typeof template !== 'string' || names === undefined) return;
  const fault = findTemplateFault(template, names);
  if (fault !== undefined) findings.reject([...at, 'path'], fault);
  else if (staysOnHost && leadsBack(template, route, gateway)) {
    findings.reject(
      [...at, 'path'],
      'leads back to this route, without end — write a path that the route does not match',
    );
  }
}

/** Another route that takes the new path ends the loop, so only a lone match is one for sure. */
function leadsBack(template: string, route: Fields, gateway: Fields): boolean {
  const takes = (each: Fields) =>
    readParamNames(each.path) !== undefined &&
    matchesPattern(template, String(each.path), readMatching(each, gateway));
  return takes(route) && !asList(gateway.routes).some((other) => other !== route && takes(asFields(other)));
}
