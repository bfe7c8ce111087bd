import type { Clock } from '../core/clock.ts';
import type {
  AuthServiceCode,
  CodeToken,
  TokenRejection,
  VerifiedToken,
} from '../core/identity/auth-service.ts';
import { frozenCopyOf, nameOf, namesOf, readSeconds } from '../core/identity/seal-identity.ts';
import { importUserModule } from '../core/user-code/import-user-module.ts';

/** Imports an auth service in code, once per process. Rejects where the file exports none. */
export async function importAuthService(file: string): Promise<AuthServiceCode> {
  const exported = await importUserModule(file);
  const service = exported.default as Partial<AuthServiceCode> | undefined;
  if (typeof service?.verifyToken === 'function') return withTimes(file, service as AuthServiceCode);
  throw new TypeError(
    `${file} has no auth service as its default export — export one that defineAuthService made`,
  );
}

/** Times are read once, and rejected when the configuration is loaded, not at the first token. */
function withTimes(file: string, service: AuthServiceCode): AuthServiceCode {
  const { cacheForMs, timeoutMs } = service;
  for (const [name, ms, least] of [
    ['cacheForMs', cacheForMs, 0],
    ['timeoutMs', timeoutMs, 1],
  ] as const) {
    if (ms !== undefined && !(typeof ms === 'number' && ms >= least && ms <= MAX_MS))
      throw new TypeError(`${file}: ${name} is not a number of milliseconds — write ${least} to ${MAX_MS}`);
  }
  return {
    verifyToken: (token, signal) => service.verifyToken(token, signal),
    ...(cacheForMs !== undefined && { cacheForMs }),
    ...(timeoutMs !== undefined && { timeoutMs }),
  };
}

/** The longest that a timer can wait. */
const MAX_MS = 2_147_483_647;

/** Makes the question for code of one's own. What it gives is checked and copied, since it may be anything. */
export function createCodeQuestion(code: AuthServiceCode, clock: Clock) {
  return async (
    token: string,
    until: number,
    signal: AbortSignal,
  ): Promise<VerifiedToken | TokenRejection> => {
    const made: unknown = await code.verifyToken(token, signal);
    if (made === undefined || made === null) return { refused: 'inactive' };
    if (typeof made !== 'object') throw new TypeError(`a token is an object, no ${typeof made}`);
    const taken = takeToken(made, until);
    // Code judges by itself, so that no leeway is added to what it says.
    return taken.exp * 1000 <= clock.now() ? { refused: 'expired' } : taken;
  };
}

function takeToken(made: Partial<CodeToken>, until: number): VerifiedToken {
  const { sub, exp, roles = [], permissions = [], claims = {}, plan } = made;
  return Object.freeze({
    sub: nameOf('sub', sub),
    exp: exp === undefined ? until : readSeconds('exp of a token', exp),
    roles: namesOf('roles', roles),
    permissions: namesOf('permissions', permissions),
    claims: frozenCopyOf('claims', claims),
    plan: plan === undefined ? undefined : nameOf('plan', plan),
  });
}
