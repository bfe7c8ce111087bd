import { FieldKind } from '../../core/field-kind.ts';
import type { HeaderList } from '../../core/header-list.ts';

/**
 * Authentication schemes that log a connection in rather than a request (RFC 4559, MS-NTHT): whoever comes next on it is
 * taken for who logged in.
 */
const BINDING_SCHEME = /(?:^|,)\s*(?:ntlm|negotiate|kerberos|spnego|gssapi|gss-[\w-]+)(?:\s|,|$)/i;

/** Tells whether a request logs its connection in. */
export function logsIn(headers: HeaderList): boolean {
  const credentials = headers.getKind(FieldKind.authorization);
  return credentials !== undefined && BINDING_SCHEME.test(credentials);
}

/** Tells whether a response asks for, or goes on with, a login of its connection. */
export function requiresLogin(headers: HeaderList): boolean {
  const challenge = joined(
    headers.getKind(FieldKind.wwwAuthenticate),
    headers.getKind(FieldKind.proxyAuthenticate),
  );
  return challenge !== undefined && BINDING_SCHEME.test(challenge);
}

function joined(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return `${one}, ${other}`;
}
