/**
 * Reads the `iss` that a signed token claims, which says whom to ask about it and nothing else. One that is longer than
 * any of those takes is not looked at.
 */
export function readUnverifiedIssuer(token: string, maxChars: number): string | undefined {
  if (token.length > maxChars) return undefined;
  const [, payload = ''] = token.split('.');
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const { iss } = Object(claims) as { iss?: unknown };
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}
