import { GatewayError } from '../core/errors.ts';
import { type AuthToken, isRejection, type TokenVerifier } from '../core/identity/auth-service.ts';

/** Verifies tokens, in the terms of the design: one of `authServices`, for code that is not a policy. */
export interface AuthService {
  /**
   * Gives what a good token says. Rejects with a `GatewayError`: `GW_CREDENTIALS_INVALID` for one that is not good, with
   * a word why as `reason`; `GW_AUTH_UNAVAILABLE` where nothing can be said about it.
   */
  verifyToken(token: string): Promise<AuthToken>;
  /** Gives the roles of a token's subject, none where the token is not good. Rejects where nothing can be said about it. */
  getUserRoles(token: string): Promise<string[]>;
}

/** Makes an auth service of the one that `find` finds, each time anew: a reload may have changed it. */
export function createAuthServiceDoor(find: () => Promise<TokenVerifier>): AuthService {
  const verifyToken = async (token: string): Promise<AuthToken> => {
    if (typeof token !== 'string') throw new TypeError('a token is a text');
    const outcome = await (await find()).verifyToken(token);
    if (!isRejection(outcome)) return outcome;
    const { refused: reason, isUnavailable } = outcome;
    throw new GatewayError(isUnavailable === true ? 'GW_AUTH_UNAVAILABLE' : 'GW_CREDENTIALS_INVALID', {
      reason,
    });
  };
  return {
    verifyToken,
    async getUserRoles(token) {
      try {
        return (await verifyToken(token)).roles;
      } catch (error) {
        if (error instanceof GatewayError && error.code === 'GW_CREDENTIALS_INVALID') return [];
        throw error;
      }
    },
  };
}
