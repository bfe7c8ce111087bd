/** Longest token that is looked at, as auth services do. */
const MAX_TOKEN_CHARS = 8192;

/** Reads the `iss` that a signed token claims, which says whom to ask about it and nothing else. */
export function readUnverifiedIssuer(token: string): string | undefined {
  if (token.length > MAX_TOKEN_CHARS) return undefined;
  const [, payload = ''] = token.split('.');
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const { iss } = Object(claims) as { iss?: unknown };
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}
