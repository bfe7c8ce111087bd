import type { IntrospectionConfig } from '../config/schema/auth-schema.ts';
import type { Clock } from '../core/clock.ts';
import type { TokenRejection, VerifiedToken } from '../core/identity/auth-service.ts';
import { LAST_SECOND } from '../core/identity/seal-identity.ts';
import { type FetchJsonOptions, fetchJson, UnexpectedStatus } from './fetch-json.ts';
import type { TokenRules } from './token-rules.ts';

/** Makes the call that says of `token` whether it is active (RFC 7662 §2.1). */
export function introspectionCall(
  config: IntrospectionConfig,
  token: string,
): Omit<FetchJsonOptions, 'signal'> {
  const { clientId, clientSecret, clientAuth, timeout } = config;
  const isPost = clientAuth === 'post';
  const credentials = isPost ? { client_id: clientId, client_secret: clientSecret } : {};
  const form = new URLSearchParams({ token, token_type_hint: 'access_token', ...credentials });
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    ...(isPost ? {} : { authorization: basicCredentials(clientId, clientSecret) }),
  };
  return { method: 'POST', timeoutMs: timeout, headers, body: String(form) };
}

/** Makes the question that RFC 7662 has for a token. */
export function createIntrospection(config: IntrospectionConfig, rules: TokenRules, clock: Clock) {
  return async (
    token: string,
    until: number,
    signal: AbortSignal,
  ): Promise<VerifiedToken | TokenRejection> => {
    const call = introspectionCall(config, token);
    const response = await fetchJson(config.url, { ...call, signal }).catch(readRejection);
    if (typeof response !== 'object' || response === null || Array.isArray(response))
      throw new TypeError('the response is not an introspection response');
    return judgeResponse(response as Readonly<Record<string, unknown>>, until, rules, clock);
  };
}

function judgeResponse(
  response: Readonly<Record<string, unknown>>,
  until: number,
  rules: TokenRules,
  clock: Clock,
): VerifiedToken | TokenRejection {
  // Nothing but true: a text or a number here is a mistake that must not let anybody in.
  if (response.active !== true) return { refused: 'inactive' };
  const now = clock.now() / 1000;
  const fault = rules.findFaultOfResponse(response, now);
  if (fault !== undefined) return { refused: fault };
  const exp = typeof response.exp === 'number' ? Math.min(response.exp, LAST_SECOND) : until;
  // A client that speaks for itself is its own subject (RFC 9068 §2.2), which answers often leave out.
  return rules.allowLeeway(rules.readToken(response, exp, response.client_id), now) ?? { refused: 'subject' };
}

/** Some answer so where RFC 7662 has `active: false`: to a token of a kind that they do not know. */
function readRejection(error: unknown): unknown {
  if (error instanceof UnexpectedStatus && error.error === 'unsupported_token_type') return { active: false };
  throw error;
}

/** Client id and secret are form-encoded before they are joined (RFC 6749 §2.3.1). */
function basicCredentials(id: string, secret: string): string {
  const encode = (text: string): string => String(new URLSearchParams({ '': text })).slice(1);
  return `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')}`;
}
