import { pathToFileURL } from 'node:url';
import type { AuthServiceCode, AuthToken, TokenRefusal } from '../core/identity/auth-service.ts';

/** Imports an auth service in code, once per process. Rejects where the file exports none. */
export async function importAuthService(file: string): Promise<AuthServiceCode> {
  const exported = (await import(pathToFileURL(file).href)) as { default?: unknown };
  const service = exported.default as Partial<AuthServiceCode> | undefined;
  if (typeof service?.verifyToken === 'function') return service as AuthServiceCode;
  throw new TypeError(
    `${file} has no auth service as its default export — export one that defineAuthService made`,
  );
}

/** Makes the question for code of one's own. What it gives is checked, since it may be anything. */
export function createCodeQuestion(code: AuthServiceCode) {
  return async (token: string, until: number, signal: AbortSignal): Promise<AuthToken | TokenRefusal> => {
    const made = await code.verifyToken(token, signal);
    if (made === undefined || made === null) return { refused: 'inactive' };
    const { sub, exp = until, roles = [], permissions = [], claims = {}, plan } = made;
    if (typeof sub !== 'string' || sub === '' || !isWords(roles) || !isWords(permissions))
      throw new TypeError('a token needs sub as text, roles and permissions as lists of texts');
    if (!Number.isFinite(exp)) throw new TypeError('exp of a token is a number of seconds');
    return Object.freeze({ sub, exp, roles, permissions, claims, plan });
  };
}

function isWords(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
