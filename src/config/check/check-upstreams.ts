import { asFields, asList, type Fields, type Findings, splitParts } from '../findings.ts';
import type { ConfigPath } from '../problem.ts';

/** Checks that each upstream has one way to answer, and that its settings have an effect. */
export function checkUpstreams(gateway: Fields, findings: Findings): void {
  const named = findNamedByPolicies(gateway);
  const used = new Set([
    ...named.map(({ upstream }) => upstream),
    ...asList(gateway.routes).flatMap((route) => {
      const { upstream, split, aggregate } = asFields(route);
      const parts = Object.values(asFields(asFields(aggregate).parts)).map(asFields);
      return [upstream, ...[...splitParts(split).parts, ...parts].map((part) => part.upstream)];
    }),
  ]);
  checkNames(named, Object.keys(asFields(gateway.upstreams)), findings);
  for (const [name, value] of Object.entries(asFields(gateway.upstreams))) {
    const path = ['upstreams', name];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) continue;
    checkKind(value as Fields, path, findings);
    checkTargets(value as Fields, path, findings);
    checkWeights(value as Fields, path, findings);
    checkTls(value as Fields, path, findings);
    checkActive(asFields(asFields((value as Fields).health).active), [...path, 'health', 'active'], findings);
    if (!used.has(name)) findings.warn(path, 'is used by no route — take it out, or name it in a route');
  }
}

interface NamedByPolicy {
  readonly upstream: unknown;
  readonly path: ConfigPath;
}

/** Policies whose option `upstream` names one. */
const SENDING = ['mirror', 'forward-auth'] as const;

/** Finds the upstreams that policies name, which no route need name. */
function findNamedByPolicies(gateway: Fields): NamedByPolicy[] {
  const inList = (policies: unknown, path: ConfigPath): NamedByPolicy[] =>
    asList(policies).flatMap((entry, i) => {
      const fields = asFields(entry);
      const named = SENDING.filter((name) => asFields(fields[name]).upstream !== undefined).map((name) => ({
        upstream: asFields(fields[name]).upstream,
        path: [...path, i, name, 'upstream'],
      }));
      return [...named, ...inList(fields.any, [...path, i, 'any'])];
    });
  return [
    ...inList(gateway.policies, ['policies']),
    ...asList(gateway.routes).flatMap((route, i) =>
      inList(asFields(route).policies, ['routes', i, 'policies']),
    ),
  ];
}

function checkNames(named: readonly NamedByPolicy[], upstreams: readonly string[], findings: Findings): void {
  for (const { upstream, path } of named) {
    if (typeof upstream !== 'string' || upstream === '' || upstreams.includes(upstream)) continue;
    findings.reject(
      path,
      `there is no upstream ${findings.quote(path, upstream)} — define it under upstreams`,
    );
  }
}

/** The ways to name where requests go. */
const KINDS = ['targets', 'discovery', 'app'] as const;

/** What is about targets elsewhere. */
const TARGETS_ONLY = ['tls', 'balance', 'sticky', 'slowStart', 'health', 'retries', 'hedge'] as const;

function checkKind(upstream: Fields, path: ConfigPath, findings: Findings): void {
  const { app } = upstream;
  const [kind, ...others] = KINDS.filter((key) => upstream[key] !== undefined);
  if (kind === undefined) {
    findings.reject(path, 'has nowhere to send requests — add targets: ["http://127.0.0.1:9001"]');
  }
  for (const other of others) {
    findings.reject([...path, other], `stands beside ${kind} — keep one of the two`);
  }
  if (app === undefined) return;
  for (const key of TARGETS_ONLY) {
    if (upstream[key] !== undefined)
      findings.reject([...path, key], 'has no effect on an app in this process — take it out');
  }
}

function checkTargets({ targets }: Fields, path: ConfigPath, findings: Findings): void {
  const seen = new Map<string, number>();
  for (const [i, target] of asList(targets).entries()) {
    const url = typeof target === 'string' ? target : asFields(target).url;
    if (typeof url !== 'string' || !URL.canParse(url)) continue;
    const { host, protocol, pathname } = new URL(url);
    const place = protocol === 'unix:' ? pathname : `${protocol}//${host}`;
    const first = seen.get(place);
    if (first === undefined) seen.set(place, i);
    else findings.reject([...path, 'targets', i], `is the same as targets[${first}] — keep one of them`);
  }
}

function checkWeights({ targets }: Fields, path: ConfigPath, findings: Findings): void {
  const all = asList(targets);
  if (all.length === 0 || !all.every((target) => asFields(target).weight === 0)) return;
  findings.reject(
    [...path, 'targets', 0, 'weight'],
    'is 0 as all of them are, so that no target would get a request — write at least 1, or add a target',
  );
}

function checkActive(active: Fields, path: ConfigPath, findings: Findings): void {
  if (active.path !== undefined) return;
  for (const key of ['status', 'body'] as const) {
    if (active[key] !== undefined)
      findings.reject([...path, key], 'has no effect without a path to ask for — add path, or take it out');
  }
}

function checkTls({ targets, tls }: Fields, path: ConfigPath, findings: Findings): void {
  if (tls === undefined) return;
  const at = [...path, 'tls'];
  const { certFile, keyFile, dangerouslySkipTlsVerification } = asFields(tls);
  if ((certFile === undefined) !== (keyFile === undefined)) {
    const [present, absent] = certFile === undefined ? ['keyFile', 'certFile'] : ['certFile', 'keyFile'];
    findings.reject([...at, present], `stands alone — add ${absent}, or take it out`);
  }
  const urls = asList(targets).map((target) => (typeof target === 'string' ? target : asFields(target).url));
  if (urls.length > 0 && urls.every((url) => typeof url === 'string' && /^(?:http|unix):/i.test(url))) {
    findings.reject(at, 'has no effect, since no target has an https URL — take it out, or correct the URLs');
  }
  if (dangerouslySkipTlsVerification === true) {
    findings.warn(
      [...at, 'dangerouslySkipTlsVerification'],
      'lets anyone on the way read and change what is sent — set caFile instead',
    );
  }
}
