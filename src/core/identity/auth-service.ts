/** What a token says, in the terms of the design. What the gateway gives is frozen, though the types do not say so. */
export interface AuthToken {
  /** Subject: the user or client that the token speaks for. */
  readonly sub: string;
  /** Seconds since 1970 at which the token ends. */
  readonly exp: number;
  /** Roles of the subject. */
  readonly roles: string[];
  /** Permissions of the subject. */
  readonly permissions: string[];
  /** Every claim of the token. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  /** What the caller has bought, where a claim says so. */
  readonly plan?: string | undefined;
}

/** What a token says that was verified here. One object may serve many requests: it is never changed. */
export interface VerifiedToken extends AuthToken {
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Why a token is not taken: a word for log and metrics, such as `expired` or `signature`; never a part of the token. */
export interface TokenRejection {
  /** A word for log and metrics, such as `expired`. */
  readonly refused: string;
  /** Whether the service could not be reached, so that nothing is known about the token. */
  readonly isUnavailable?: boolean;
}

/** Who says that a token is good: one of `authServices`, as policies use it. */
export interface TokenVerifier {
  /** As in `authServices`. */
  readonly name: string;
  /** Whether tokens are verified by key here (`jwt`), their issuer is asked about each (`introspect`), or code decides. */
  readonly verifies: 'by-key' | 'by-asking' | 'by-code';
  /** The `iss` of the tokens that this service answers for, where it is known. */
  readonly issuer?: string | undefined;
  /** Longest token that is looked at. */
  readonly maxTokenChars?: number;
  /** Names what works less well than it should, a sentence each. */
  problems?(): readonly string[];
  /** Finds what is known of a token already and still holds, without any work. */
  findVerified(token: string): VerifiedToken | undefined;
  /** Verifies a token; at once where it is known already. Never rejects because of what the token is. */
  verifyToken(token: string): VerifiedToken | TokenRejection | Promise<VerifiedToken | TokenRejection>;
  /** Gives the roles of a token's subject, none where the token is rejected. */
  getUserRoles(token: string): Promise<readonly string[]>;
}

/** Of tokens that were taken past their `exp`, for a leeway's sake, the second until which that holds. */
const extended = new WeakMap<VerifiedToken, number>();

/** Lets a token that has ended hold until `second`. */
export function extendToken(token: VerifiedToken, second: number): void {
  extended.set(token, second);
}

/** Gives the second at which what is made of a token has to end. */
export function endOfToken(token: VerifiedToken): number {
  return extended.get(token) ?? token.exp;
}

/** Tells whether a token was not taken. */
export function isRejection(outcome: VerifiedToken | TokenRejection): outcome is TokenRejection {
  return 'refused' in outcome;
}

/** What code of one's own says of a token that it takes. */
export interface CodeToken {
  readonly sub: string;
  /** Seconds since 1970 at which the token ends; left out: when `cacheFor` is over. */
  readonly exp?: number;
  /** Default: none. */
  readonly roles?: readonly string[];
  /** Default: none. */
  readonly permissions?: readonly string[];
  /** More about it, as data. Default: nothing. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** What the subject has bought. */
  readonly plan?: string;
}

/** An auth service in code. */
export interface AuthServiceCode {
  /**
   * Says whom a token speaks for, or `undefined` (`null`) where it is not good. A throw or rejection says that nothing
   * is known, which answers 503.
   */
  verifyToken(
    token: string,
    signal: AbortSignal,
  ): CodeToken | null | undefined | Promise<CodeToken | null | undefined>;
  /** Milliseconds for which a response is kept. Default: 30 seconds. */
  readonly cacheForMs?: number;
  /** Milliseconds that a response may take. Default: 1.5 seconds. */
  readonly timeoutMs?: number;
}

/** Declares an auth service in code, for `code: ./auth.ts`. */
export function defineAuthService(service: AuthServiceCode): AuthServiceCode {
  return service;
}
