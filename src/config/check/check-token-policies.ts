import type { Policy } from '../../core/policy.ts';
import { asFields, asList, type Fields, type Findings } from '../findings.ts';
import { type ConfigPath, formatPath } from '../problem.ts';
import { suggest } from '../suggest.ts';
import { type AuthKind, findAuthKind, isSecretKind } from './check-auth-services.ts';

/** The auth service of a policy that names none. */
const USUAL_SERVICE = 'main';

interface TokenUse {
  readonly policy: Policy;
  readonly options: Fields;
  readonly path: ConfigPath;
  /** Where the list stands, if that is in `any`. */
  readonly within?: string;
}

interface NamedService {
  readonly name: unknown;
  readonly path: ConfigPath;
}

/** Checks that policies such as `jwt` and `introspect` name auth services that fit, and that each service is named. */
export function checkTokenPolicies(gateway: Fields, policies: readonly Policy[], findings: Findings): void {
  const services = asFields(gateway.authServices);
  const byName = new Map(policies.map((policy) => [policy.name, policy]));
  const uses = [
    ...findUses(gateway.policies, ['policies'], byName),
    ...asList(gateway.routes).flatMap((route, i) =>
      findUses(asFields(route).policies, ['routes', i, 'policies'], byName),
    ),
  ];
  checkPlaces(uses, findings);
  const used = new Set<unknown>();
  for (const use of uses) {
    const named = servicesOf(use);
    for (const { name } of named) used.add(name);
    for (const service of named) checkService(service, use, services, findings);
    if (named.length > 1) checkIssuers(named, services, findings);
  }
  for (const name of Object.keys(services)) {
    if (!used.has(name))
      findings.warn(['authServices', name], 'is used by no policy — take it out, or name it in jwt');
  }
}

/** Finds the uses in a list of policies, and those inside `any`. */
function findUses(list: unknown, path: ConfigPath, byName: ReadonlyMap<string, Policy>): TokenUse[] {
  return asList(list).flatMap((entry, i): TokenUse[] => {
    const name = typeof entry === 'string' ? entry : Object.keys(asFields(entry))[0];
    if (name === undefined) return [];
    const options = asFields(entry)[name];
    const at = [...path, i, ...(typeof entry === 'string' ? [] : [name])];
    if (name === 'any')
      return findUses(options, at, byName).map((use) => ({ ...use, within: formatPath(at) }));
    const policy = byName.get(name);
    return policy?.authServices === undefined ? [] : [{ policy, options: asFields(options), path: at }];
  });
}

/** The first that finds something in its place decides, so that a second one for that place is never asked. */
function checkPlaces(uses: readonly TokenUse[], findings: Findings): void {
  const seen = new Map<string, string>();
  for (const { within, policy, options, path } of uses) {
    if (within === undefined) continue;
    const { header, cookie } = asFields(options.from ?? { header: 'authorization' });
    const headerPlace = typeof header === 'string' ? [`header ${header.toLowerCase()}`] : [];
    const cookiePlace = typeof cookie === 'string' ? [`cookie ${cookie}`] : [];
    for (const place of [...headerPlace, ...cookiePlace]) {
      const other = seen.get(`${within} ${place}`);
      if (other === undefined) seen.set(`${within} ${place}`, policy.name);
      else
        findings.reject(
          path,
          `looks at the ${place}, as does the ${other} before it, which decides about it — give it another place by from`,
        );
    }
  }
}

function servicesOf({ options, path }: TokenUse): NamedService[] {
  const { service, services } = options;
  if (services === undefined) return [{ name: service ?? USUAL_SERVICE, path: [...path, 'service'] }];
  return asList(services).map((name, i) => ({ name, path: [...path, 'services', i] }));
}

function checkService(
  { name, path }: NamedService,
  { policy }: TokenUse,
  services: Fields,
  findings: Findings,
): void {
  if (typeof name !== 'string' || name === '') return;
  if (!Object.hasOwn(services, name)) {
    const close = suggest(name, Object.keys(services));
    const remedy = close === undefined ? 'define it under authServices' : `did you mean '${close}'?`;
    findings.reject(path, `there is no auth service ${findings.quote(path, name)} — ${remedy}`);
    return;
  }
  const kind = findAuthKind(asFields(services[name]));
  if (kind === undefined || kind === 'code') return;
  const asks = kind === 'introspection';
  if (asks && policy.authServices === 'by-key')
    findings.reject(path, 'names a service that asks the issuer about each token — use introspect for it');
  if (!asks && policy.authServices === 'by-asking')
    findings.reject(path, `names a service that verifies tokens by ${wordFor(kind)} — use jwt for it`);
}

/** Where there are several services, `iss` decides, so each has its own. */
function checkIssuers(named: readonly NamedService[], services: Fields, findings: Findings): void {
  const seen = new Map<string, unknown>();
  for (const { name, path } of named) {
    if (typeof name !== 'string' || !Object.hasOwn(services, name)) continue;
    const { issuer } = asFields(services[name]);
    if (issuer === undefined) {
      const remedy = 'write what the iss of its tokens is';
      findings.reject(
        path,
        `names a service without issuer, by which one of several is chosen — ${remedy} there`,
      );
    } else if (typeof issuer === 'string') {
      const other = seen.get(issuer);
      if (other === undefined) seen.set(issuer, name);
      else findings.reject(path, `has the same issuer as '${other}' — keep one of the two`);
    }
  }
}

function wordFor(kind: AuthKind): string {
  return isSecretKind(kind) ? 'secret' : 'key';
}
