import { randomBytes } from 'node:crypto';
import { fetchJson, UnexpectedStatus } from '../../auth/fetch-json.ts';
import { introspectionCall } from '../../auth/introspect-token.ts';
import { discoverKeys, fetchKeys, readKeys } from '../../auth/load-keys.ts';
import type { AuthServiceConfig, IntrospectionConfig } from '../../config/schema/auth-schema.ts';
import type { GatewayConfig } from '../../config/schema/schema.ts';
import { problemOf } from '../../core/error-text.ts';
import type { Check, Findings } from './finding.ts';

/** Looks whether auth services respond: with keys, or to a made-up token. */
export function authServiceChecks(config: GatewayConfig): Check[] {
  return Object.entries(config.authServices ?? {}).flatMap(([name, service]) => {
    const look = lookOf(service);
    return look === undefined ? [] : [{ check: 'authService', subject: name, look }];
  });
}

/** A secret or a key needs nobody, and code of one's own is not called for a look. */
function lookOf(service: AuthServiceConfig): Check['look'] | undefined {
  const { jwks, jwksFile, discovery, issuer, introspection, dangerouslyAllowHttp, timeout } = service;
  if (introspection !== undefined)
    return (findings, signal) => lookAtIntrospection(introspection, findings, signal);
  if (jwksFile !== undefined)
    return async (findings) => {
      const { keys } = await readKeys(jwksFile);
      findings.ok(`has ${keys.length} keys`);
    };
  if (jwks === undefined && discovery === undefined) return undefined;
  const url = discovery === true ? undefined : discovery;
  return async (findings, signal) => {
    const found = await (jwks === undefined
      ? discoverKeys({ issuer, url, allowHttp: dangerouslyAllowHttp, timeoutMs: timeout }, signal)
      : fetchKeys(jwks, signal, timeout)
    ).catch((error: unknown) => problemOf(error));
    if (typeof found !== 'string') return findings.ok(`responds with ${found.keys.length} keys`);
    findings.problem(
      `its keys cannot be loaded (${found}): no token can be verified`,
      `start it, or correct ${jwks === undefined ? 'discovery or issuer' : 'jwks'}`,
    );
  };
}

async function lookAtIntrospection(
  config: IntrospectionConfig,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const call = introspectionCall(config, randomBytes(16).toString('hex'));
  try {
    const response = Object(await fetchJson(config.url, { ...call, signal })) as { active?: unknown };
    if (response.active === false) return findings.ok('responds, and accepts the client');
    findings.problem(
      'does not state that a made-up token is inactive',
      'write the introspection endpoint (RFC 7662) as introspection.url',
    );
  } catch (error) {
    if (error instanceof UnexpectedStatus && error.error === 'unsupported_token_type')
      return findings.ok('responds, and accepts the client');
    const isRejected = error instanceof UnexpectedStatus && (error.status === 401 || error.status === 403);
    if (isRejected)
      findings.problem(
        `rejects the client (${error.message})`,
        'correct clientId, clientSecret or clientAuth of introspection',
      );
    else
      findings.problem(
        `does not respond as it should (${problemOf(error)}): no token can be verified`,
        'start it, or correct introspection.url',
      );
  }
}
