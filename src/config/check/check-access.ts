import type { Policy } from '../../core/policy.ts';
import { isStandIn } from '../document/custom-policies.ts';
import { asFields, asList, type Fields, type Findings } from '../findings.ts';
import type { ConfigPath } from '../problem.ts';
import { findPatternFault, paramNames } from '../schema/path-pattern.ts';

/** A use of a policy as written, as far as it can be read. */
export interface WrittenUse {
  readonly name: string;
  /** `undefined` where there is none of that name. */
  readonly policy: Policy | undefined;
  readonly options: Fields;
  /** Names of the policies within `any`. */
  readonly ways: readonly string[];
  readonly path: ConfigPath;
}

/** A route as written, with its policies. */
export interface WrittenRoute {
  readonly fields: Fields;
  readonly path: ConfigPath;
  readonly uses: readonly WrittenUse[];
}

/**
 * Checks that nobody gets in because of where policies stand.
 *
 * 1. One way in: of policies that identify, a route has at most one.
 * 2. What decides by who is calling stands behind what finds that out.
 * 3. What is open by a word in the configuration is named.
 */
export function checkAccess(
  topLevel: readonly WrittenUse[],
  routes: readonly WrittenRoute[],
  findings: Findings,
): void {
  // 1.
  const way = topLevel.find(identifies);
  checkOneWay(topLevel, undefined, findings);
  for (const { fields, uses } of routes)
    checkOneWay(uses, fields.public === true ? undefined : way, findings);
  // 2.
  const isIdentifiedLater = routes.some(({ uses }) => uses.some(identifies));
  checkOrder(topLevel, false, isIdentifiedLater, findings);
  for (const { fields, uses } of routes) {
    const inherited = fields.public !== true && topLevel.some(mayIdentify);
    checkOrder(uses, inherited, false, findings);
    checkParams(fields.public === true ? uses : [...topLevel, ...uses], fields, findings);
  }
  // 3.
  for (const { options, name, path } of [...topLevel, ...routes.flatMap(({ uses }) => uses)]) {
    if (options.dangerouslyObserve === true)
      findings.warn(
        [...path, name, 'dangerouslyObserve'],
        `accepts whoever ${name} rejects — take it out when the trial is over`,
      );
  }
  if (way === undefined) return;
  for (const { fields, path, uses } of routes) {
    const isMeant = fields.respond === 'jwks';
    if (fields.public === true && !isMeant && !uses.some(mayIdentify))
      findings.warn([...path, 'public'], 'opens this route to everyone — take it out if that is not meant');
  }
}

function identifies({ policy }: WrittenUse): boolean {
  return policy?.access === 'identifies';
}

/** What is reported as unknown or missing may be what identifies, so nothing follows from it. */
export function mayIdentify(use: WrittenUse): boolean {
  return use.policy === undefined || isStandIn(use.policy) || identifies(use);
}

function checkOneWay(
  uses: readonly WrittenUse[],
  inherited: WrittenUse | undefined,
  findings: Findings,
): void {
  let way = inherited;
  for (const use of uses.filter(identifies)) {
    if (way === undefined) {
      way = use;
      continue;
    }
    const where = way === inherited ? `the top-level ${way.name}` : way.name;
    const remedy = `put both into one any: [${way.name}, ${use.name}]`;
    findings.reject(
      use.path,
      way === inherited
        ? `is a second authentication method beside ${where}, which no route replaces — ${remedy} there, or write public: true in the route to leave the top-level one out`
        : `is a second authentication method beside ${where}, and a caller would have to pass both — ${remedy}`,
    );
  }
}

/** Keys that mean nothing before somebody is identified. */
const IDENTITY_KEY = /^(?:subject$|api-key$|claim:)/;

function checkOrder(
  uses: readonly WrittenUse[],
  isIdentified: boolean,
  isIdentifiedLater: boolean,
  findings: Findings,
): void {
  for (const [i, { name, policy, options, path }] of uses.entries()) {
    if (isIdentified || uses.slice(0, i).some(mayIdentify)) return;
    const later =
      uses.slice(i + 1).find(identifies)?.name ?? (isIdentifiedLater ? 'that of a route' : undefined);
    if (policy?.access === 'authorizes') {
      const remedy =
        later === undefined
          ? 'put jwt, api-key or another authentication method before it'
          : 'put it behind what identifies';
      findings.reject(path, `decides by who is calling, but nothing before it finds that out — ${remedy}`);
      continue;
    }
    const key = asList(keyOf(policy, options)).find(
      (part) => typeof part === 'string' && IDENTITY_KEY.test(part),
    );
    if (policy?.access !== 'none' || key === undefined) continue;
    const isWritten = options.key !== undefined;
    const at = isWritten ? [...path, name, 'key'] : path;
    const text = `${isWritten ? 'names' : 'counts by'} the caller, but nothing before it finds out who that is, so that all count by address`;
    if (later !== undefined) findings.reject(at, `${text} — put it behind what identifies, or write key: ip`);
    else if (isWritten)
      findings.warn(at, `${text} — put jwt, api-key or another authentication method before it`);
  }
}

/** The key as written, or that which the policy takes where none is. */
function keyOf(policy: WrittenUse['policy'], options: Fields): readonly unknown[] {
  const { id: _id, observe: _observe, ...own } = options;
  const key = options.key ?? asFields(policy?.options.safeParse(own).data).key;
  return typeof key === 'string' ? [key] : asList(key);
}

/** Whether the parameters that policies name are those of the route: in the claims of `authorize`, and in keys. */
function checkParams(uses: readonly WrittenUse[], { path: pattern }: Fields, findings: Findings): void {
  if (typeof pattern !== 'string' || findPatternFault(pattern) !== undefined) return;
  const known = paramNames(pattern);
  for (const use of uses) {
    const isTopLevel = use.path[0] === 'policies';
    for (const [at, param] of use.name === 'authorize' ? paramsInClaims(use) : paramsInKey(use, isTopLevel)) {
      if (known.includes(param)) continue;
      const remedy = known.length === 0 ? 'add it to path' : `use one of ${known.join(', ')}`;
      const route = isTopLevel ? ` of the route with path ${pattern}` : '';
      findings.reject(at, `names the parameter ${param}, which the path${route} does not have — ${remedy}`);
    }
  }
}

type NamedParam = readonly [at: ConfigPath, param: string];

function paramsInClaims({ name, options, path }: WrittenUse): NamedParam[] {
  return Object.entries(asFields(options.claims)).flatMap(([claim, value]): NamedParam[] => {
    const param = /^\{params\.([^{}]+)\}$/.exec(typeof value === 'string' ? value : '')?.[1];
    return param === undefined ? [] : [[[...path, name, 'claims', claim], param]];
  });
}

/** A key of the top level may name what only some routes have; the others count by address. */
function paramsInKey({ name, policy, options, path }: WrittenUse, isTopLevel: boolean): NamedParam[] {
  if (isTopLevel || policy?.access !== 'none') return [];
  return keyOf(policy, options).flatMap((key): NamedParam[] => {
    const param = /^param:(.+)$/.exec(typeof key === 'string' ? key : '')?.[1];
    return param === undefined ? [] : [[[...path, name, 'key'], param]];
  });
}
