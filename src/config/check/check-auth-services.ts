import {
  isBase64,
  isLossyText,
  secretBytesOf,
  type WrittenSecret,
} from '../../core/identity/secret-bytes.ts';
import { asFields, asList, type Fields, type Findings } from '../findings.ts';
import { readPublicKey } from '../key-material/public-key.ts';
import {
  isSymmetric,
  minSecretBytes,
  SIGNATURE_ALGORITHMS,
  type SignatureAlgorithm,
} from '../key-material/signature-algorithms.ts';
import type { ConfigPath } from '../problem.ts';
import { isPrivateWay } from '../schema/auth-schema.ts';

/** The ways to verify a token, of which a service has one. */
export const AUTH_KINDS = [
  'secret',
  'publicKey',
  'publicKeyFile',
  'jwks',
  'jwksFile',
  'discovery',
  'introspection',
  'code',
  'base64Secret',
] as const;

export type AuthKind = (typeof AUTH_KINDS)[number];

/** The kinds whose keys are others' too, so that a token must say who made it. */
const NEEDS_ISSUER: ReadonlySet<AuthKind> = new Set(['jwks', 'jwksFile']);
const NEEDS_AUDIENCE: ReadonlySet<AuthKind> = new Set([
  'publicKey',
  'publicKeyFile',
  'jwks',
  'jwksFile',
  'discovery',
]);
/** What is judged only where the gateway verifies signatures itself. */
const BY_KEY_ONLY = ['algorithms', 'typ', 'maxTokenAge'] as const;
const REMOTE = ['jwks', 'discovery'] as const;

/** Finds how a service verifies tokens, `undefined` where it says nothing about that. */
export function findAuthKind(service: Fields): AuthKind | undefined {
  return AUTH_KINDS.find((kind) => service[kind] !== undefined);
}

/** Checks that each auth service has one way to verify tokens, and that this way is safe. */
export function checkAuthServices(gateway: Fields, findings: Findings): void {
  for (const [name, value] of Object.entries(asFields(gateway.authServices))) {
    const path = ['authServices', name];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) continue;
    const service = value as Fields;
    const kind = checkKind(service, path, findings);
    if (kind === undefined) continue;
    checkClaims(service, kind, path, findings);
    checkAlgorithms(service, kind, path, findings);
    checkKeys(service, path, findings);
    checkUrls(service, path, findings);
  }
}

function checkKind(service: Fields, path: ConfigPath, findings: Findings): AuthKind | undefined {
  const [kind, ...others] = AUTH_KINDS.filter((key) => service[key] !== undefined);
  if (kind === undefined) {
    findings.reject(path, `does not say how tokens are verified — set one of ${AUTH_KINDS.join(', ')}`);
  }
  for (const other of others)
    findings.reject([...path, other], `stands beside ${kind} — keep one of the two`);
  return kind;
}

function checkClaims(service: Fields, kind: AuthKind, path: ConfigPath, findings: Findings): void {
  const { issuer, audience, discovery, dangerouslyAllowHttp } = service;
  if (issuer === undefined && (NEEDS_ISSUER.has(kind) || discovery === true))
    findings.reject([...path, 'issuer'], 'is missing — write what the iss of its tokens is');
  if (audience === undefined && NEEDS_AUDIENCE.has(kind)) {
    const remedy = 'write what the aud of tokens for this API is, or any';
    findings.reject([...path, 'audience'], `is missing — ${remedy}`);
  }
  if (audience === 'any' || (audience === undefined && isSecretKind(kind))) {
    const text = 'takes tokens that were made for other services — name the audience of this API';
    findings.warn(audience === undefined ? path : [...path, 'audience'], text);
  }
  if (dangerouslyAllowHttp === true) {
    const text = 'lets anyone on the way make tokens that are taken — use https';
    findings.warn([...path, 'dangerouslyAllowHttp'], text);
  }
}

function checkAlgorithms(service: Fields, kind: AuthKind, path: ConfigPath, findings: Findings): void {
  if (kind === 'introspection' || kind === 'code') {
    for (const key of BY_KEY_ONLY) {
      if (service[key] !== undefined)
        findings.reject([...path, key], `has no effect on ${kind}, which judges tokens itself — take it out`);
    }
    return;
  }
  for (const [i, algorithm] of asList(service.algorithms).entries()) {
    if (!isKnown(algorithm) || isSymmetric(algorithm) === isSecretKind(kind)) continue;
    const remedy = isSecretKind(kind)
      ? 'use HS256, HS384 or HS512'
      : 'use one for public keys, such as RS256';
    const what = isSecretKind(kind) ? 'needs a public key, not a secret' : 'needs a secret, not a public key';
    findings.reject([...path, 'algorithms', i], `${what} — ${remedy}`);
  }
}

function isKnown(algorithm: unknown): algorithm is SignatureAlgorithm {
  return (SIGNATURE_ALGORITHMS as readonly unknown[]).includes(algorithm);
}

function checkKeys(service: Fields, path: ConfigPath, findings: Findings): void {
  const { publicKey } = service;
  const algorithms = asList(service.algorithms).filter((name) => typeof name === 'string');
  for (const key of ['secret', 'base64Secret'] as const) {
    const written = service[key];
    // What is not base64 the schema has rejected.
    if (typeof written !== 'string' || written === '' || (key !== 'secret' && !isBase64(written))) continue;
    const fault = findSecretFault({ [key]: written }, algorithms);
    if (fault !== undefined) findings.reject([...path, key], fault);
  }
  // What is of another kind the schema has rejected.
  const isMap = typeof publicKey === 'object' && publicKey !== null && !Array.isArray(publicKey);
  if (!isMap && (typeof publicKey !== 'string' || publicKey === '')) return;
  const fault = findPublicKeyFault(publicKey, algorithms);
  if (fault !== undefined) findings.reject([...path, 'publicKey'], fault);
}

function findSecretFault(written: WrittenSecret, algorithms: readonly string[]): string | undefined {
  const bytes = secretBytesOf(written) as Buffer;
  const text = bytes.toString();
  const least = minSecretBytes(algorithms);
  if (written.secret !== undefined && isLossyText(text))
    return 'holds bytes that are not text, all of which became the same — write them in base64, as base64Secret';
  if (bytes.length < least) return `is short enough to be guessed — use at least ${least} random bytes`;
  return isKnownToAll(text) ? 'is a public key, which everybody may know — write it as publicKey' : undefined;
}

/** Whether both sides know what signs. */
export function isSecretKind(kind: AuthKind): boolean {
  return kind === 'secret' || kind === 'base64Secret';
}

/** As a secret, a public key would let whoever has it make tokens (RFC 8725 §2.1). */
function isKnownToAll(secret: string): boolean {
  return (
    /-----BEGIN (?:[A-Z]+ )*(?:PUBLIC KEY|CERTIFICATE)-----/.test(secret) ||
    typeof readPublicKey(secret) !== 'string'
  );
}

/** Says what is wrong with a key, by itself or with the algorithms asked for, with the remedy behind ' — '. */
export function findPublicKeyFault(source: unknown, algorithms: readonly string[]): string | undefined {
  const read = readPublicKey(source);
  if (typeof read === 'string') return read;
  const known: readonly string[] = read.algorithms satisfies readonly SignatureAlgorithm[];
  if (algorithms.length === 0 || algorithms.some((name) => known.includes(name))) return undefined;
  return `is a key for ${known.join(', ')}, none of which algorithms names — correct one of the two`;
}

function checkUrls(service: Fields, path: ConfigPath, findings: Findings): void {
  const { introspection, issuer, discovery, dangerouslyAllowHttp } = service;
  const urls = [
    ...REMOTE.map((key) => [[...path, key], service[key]] as const),
    [[...path, 'introspection', 'url'], asFields(introspection).url] as const,
    [[...path, 'issuer'], discovery === true ? issuer : undefined] as const,
  ];
  for (const [at, url] of urls) {
    if (typeof url !== 'string') continue;
    const protocol = URL.canParse(url) ? new URL(url).protocol : '';
    if (!/^https?:$/.test(protocol)) {
      if (at.at(-1) === 'issuer')
        findings.reject(at, 'is not the URL of an issuer, which discovery needs — write its https URL');
    } else if (!isPrivateWay(url) && dangerouslyAllowHttp !== true) {
      findings.reject(at, 'is not https, so that anyone on the way could make tokens — use https');
    }
  }
}
