import type { Policy } from '../../core/policy.ts';
import { asFields, asList, type Fields, type Findings } from '../findings.ts';
import type { ConfigPath } from '../problem.ts';

/** What decides only about keys that the gateway makes itself. */
const OWN_KEYS_ONLY = ['algorithm', 'rotateEvery'] as const;

/** Checks that whoever wants internal tokens can have them, and that upstreams can find the keys. */
export function checkInternalTokens(gateway: Fields, policies: readonly Policy[], findings: Findings): void {
  const wishes = findWishes(gateway);
  const isConfigured = gateway.internalTokens !== undefined;
  if (!isConfigured) {
    const remedy = 'add internalTokens: { issuer: … }';
    for (const path of wishes) findings.reject(path, `needs a key of the gateway to sign with — ${remedy}`);
  }
  const pages = asList(gateway.routes).flatMap((route, i) => (asFields(route).respond === 'jwks' ? [i] : []));
  if (!isConfigured) {
    for (const i of pages)
      findings.reject(['routes', i, 'respond'], 'has no keys to show — add internalTokens: { issuer: … }');
    return;
  }
  checkKeys(asFields(gateway.internalTokens), gateway.redis !== undefined, findings);
  if (identifies(gateway.policies, policies)) checkPages(gateway, pages, findings);
  if (wishes.length === 0)
    findings.warn(
      ['internalTokens'],
      'is used by no policy — take it out, or write forward: exchange in one',
    );
  else if (pages.length === 0)
    findings.warn(
      ['internalTokens'],
      'signs tokens whose keys no upstream can find — add a route with respond: jwks, or give the upstreams the public half of keyFile',
    );
}

/** Tells whether all routes ask who is calling, but for those that say otherwise. */
function identifies(topLevel: unknown, policies: readonly Policy[]): boolean {
  const names = asList(topLevel).flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Object.keys(asFields(entry)),
  );
  return policies.some(({ name, access }) => access === 'identifies' && names.includes(name));
}

function checkPages(gateway: Fields, pages: readonly number[], findings: Findings): void {
  for (const i of pages) {
    if (asFields(asList(gateway.routes)[i]).public === true) continue;
    findings.warn(
      ['routes', i],
      'gives keys only to who shows credentials, which upstreams have none of — add public: true',
    );
  }
}

function checkKeys(tokens: Fields, isShared: boolean, findings: Findings): void {
  const path = ['internalTokens'];
  if (tokens.keyFile === undefined) {
    if (asList(tokens.formerKeyFiles).length > 0)
      findings.reject([...path, 'formerKeyFiles'], 'has no key that came after — add keyFile');
    if (isShared)
      findings.warn(path, 'has a key of its own on each machine, of which upstreams see one — set keyFile');
    return;
  }
  for (const name of OWN_KEYS_ONLY) {
    if (tokens[name] !== undefined)
      findings.reject([...path, name], 'has no effect beside keyFile — take one of the two out');
  }
}

/** Finds the uses of policies with `forward: exchange`. */
function findWishes(gateway: Fields): ConfigPath[] {
  return [
    ...wishesIn(gateway.policies, ['policies']),
    ...asList(gateway.routes).flatMap((route, i) =>
      wishesIn(asFields(route).policies, ['routes', i, 'policies']),
    ),
  ];
}

function wishesIn(list: unknown, path: ConfigPath): ConfigPath[] {
  return asList(list).flatMap((entry, i) =>
    Object.entries(asFields(entry)).flatMap(([name, options]) => {
      const at = [...path, i, name];
      if (name === 'any') return wishesIn(options, at);
      return asFields(options).forward === 'exchange' ? [[...at, 'forward']] : [];
    }),
  );
}
