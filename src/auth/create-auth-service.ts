import { createSecretKey } from 'node:crypto';
import { readPublicKey } from '../config/key-material/public-key.ts';
import type { SignatureAlgorithm } from '../config/key-material/signature-algorithms.ts';
import type { AuthServiceConfig } from '../config/schema/auth-schema.ts';
import { readTextFile } from '../core/disk/read-text-file.ts';
import type { AuthServiceCode, TokenVerifier } from '../core/identity/auth-service.ts';
import { secretBytesOf } from '../core/identity/secret-bytes.ts';
import type { Services } from '../core/services.ts';
import { createCodeQuestion, importAuthService } from './call-code.ts';
import { ChangingKeySet, type KeySetTimes, type LoadedKeys } from './changing-key-set.ts';
import { createIntrospection } from './introspect-token.ts';
import { IntrospectionService } from './introspection-service.ts';
import { KeyService } from './key-service.ts';
import { createFixedKeySet, type KeySet, type VerificationKey } from './key-set.ts';
import { discoverKeys, fetchKeys, readKeys } from './load-keys.ts';
import { TokenRules } from './token-rules.ts';

/** An auth service that holds something: keys that are loaded again, tokens that are known. */
export type OpenAuthService = TokenVerifier & { close(): void };

/** What a service is made of beside its configuration: read before, so that a service is made at once. */
export interface AuthServiceParts {
  /** The key that `publicKeyFile` holds. */
  readonly keyText?: string;
  readonly code?: AuthServiceCode;
}

type AuthContext = Pick<Services, 'clock' | 'log'>;

const MINUTE_MS = 60_000;
const REMOTE_TIMES: KeySetTimes = {
  refresh: 10 * MINUTE_MS,
  retry: 30_000,
  unknownKey: 30_000,
  stale: 70 * MINUTE_MS,
};
/** Reading a file costs little, and a removed one takes nothing back. */
const FILE_TIMES: KeySetTimes = {
  refresh: 2000,
  retry: 2000,
  unknownKey: 1000,
  stale: Number.POSITIVE_INFINITY,
};
const CODE_DEFAULTS = { cacheForMs: 30_000, timeoutMs: 1500 };
const CODE_MAX_CONCURRENT = 1000;

/** Reads what a service is made of. Rejects where a file cannot be used. */
export async function readAuthServiceParts({
  publicKeyFile,
  code,
}: AuthServiceConfig): Promise<AuthServiceParts> {
  if (publicKeyFile !== undefined) return { keyText: await readTextFile(publicKeyFile) };
  return code === undefined ? {} : { code: await importAuthService(code) };
}

/** Makes an auth service of the kind that its configuration says. Throws `TypeError` for a key that cannot be used. */
export function createAuthService(
  name: string,
  config: AuthServiceConfig,
  parts: AuthServiceParts,
  context: AuthContext,
): OpenAuthService {
  const { introspection, issuer } = config;
  if (parts.code !== undefined) return createCodeService(name, config, parts.code, context);
  const rules = new TokenRules({ ...config, mayLackAudience: introspection?.missingAudience === 'allow' });
  if (introspection === undefined) {
    const createKeys = createKeySource(name, config, parts, context);
    const algorithms = algorithmsFor(config);
    const { clock, log } = context;
    const maxTokenChars = config.maxTokenSize;
    return new KeyService({ name, issuer, maxTokenChars, algorithms, rules, clock, log, createKeys });
  }
  return new IntrospectionService({
    name,
    verifies: 'by-asking',
    issuer,
    maxTokenChars: config.maxTokenSize,
    ask: createIntrospection(introspection, rules, context.clock),
    cacheForMs: introspection.cacheFor,
    timeoutMs: introspection.timeout,
    maxConcurrent: introspection.maxConcurrent,
    ...context,
  });
}

function createCodeService(
  name: string,
  { issuer, maxTokenSize }: AuthServiceConfig,
  code: AuthServiceCode,
  context: AuthContext,
): OpenAuthService {
  const { cacheForMs, timeoutMs } = { ...CODE_DEFAULTS, ...code };
  const ask = createCodeQuestion(code, context.clock);
  const maxConcurrent = CODE_MAX_CONCURRENT;
  return new IntrospectionService({
    name,
    verifies: 'by-code',
    issuer,
    maxTokenChars: maxTokenSize,
    ask,
    cacheForMs,
    timeoutMs,
    maxConcurrent,
    ...context,
  });
}

function algorithmsFor(config: AuthServiceConfig): readonly SignatureAlgorithm[] | undefined {
  return config.algorithms ?? (secretBytesOf(config) === undefined ? undefined : ['HS256']);
}

function createKeySource(
  name: string,
  config: AuthServiceConfig,
  { keyText }: AuthServiceParts,
  context: AuthContext,
): (onKeyRemoved: () => void) => KeySet {
  const { publicKey, jwks, jwksFile, discovery, issuer, dangerouslyAllowHttp, timeout } = config;
  const secret = secretBytesOf(config);
  if (secret !== undefined) return fixed(secretKey(secret, algorithmsFor(config) ?? []));
  const source = publicKey ?? keyText;
  if (source !== undefined) return fixed(publicKeyFrom(name, source));
  const changing =
    (load: (signal: AbortSignal) => Promise<LoadedKeys>, times: KeySetTimes) => (onKeyRemoved: () => void) =>
      new ChangingKeySet({ name, load, times, onKeyRemoved, clock: context.clock, log: context.log });
  if (jwks !== undefined) return changing((signal) => fetchKeys(jwks, signal, timeout), REMOTE_TIMES);
  if (jwksFile !== undefined) return changing(() => readKeys(jwksFile), FILE_TIMES);
  if (discovery === undefined)
    throw new TypeError(`auth service '${name}' does not say how tokens are verified`);
  const url = discovery === true ? undefined : discovery;
  return changing(
    (signal) => discoverKeys({ issuer, url, allowHttp: dangerouslyAllowHttp, timeoutMs: timeout }, signal),
    REMOTE_TIMES,
  );
}

function fixed(key: VerificationKey): () => KeySet {
  return () => createFixedKeySet(key);
}

function secretKey(secret: Buffer, algorithms: readonly SignatureAlgorithm[]): VerificationKey {
  return { key: createSecretKey(secret), algorithms, id: undefined };
}

function publicKeyFrom(name: string, source: unknown): VerificationKey {
  const key = readPublicKey(source);
  if (typeof key === 'string') throw new TypeError(`auth service '${name}': the public key ${key}`);
  return key;
}
