/** What a verified token says. */
export interface AuthToken {
  /** Subject: the user or client that the token speaks for. */
  readonly sub: string;
  /** Seconds since 1970 at which the token ends. */
  readonly exp: number;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  /** Every claim of the token. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Why a token is not taken: a word for log and metrics, such as `expired` or `signature`; never a part of the token. */
export interface TokenRefusal {
  readonly refused: string;
  /** Whether the service could not be asked, so that nothing is known about the token. */
  readonly isUnavailable?: boolean;
}

/** Who says that a token is good: one of `authServices`. */
export interface AuthService {
  readonly name: string;
  /** Whether tokens are verified by key here (`jwt`) or their issuer is asked about each (`introspect`). */
  readonly verifies: 'by-key' | 'by-asking';
  /** The `iss` of the tokens that this service answers for, where it is known. */
  readonly issuer?: string | undefined;
  /** Verifies a token; at once where it is known already. Never rejects because of what the token is. */
  verifyToken(token: string): AuthToken | TokenRefusal | Promise<AuthToken | TokenRefusal>;
  /** Gives the roles of a token's subject, none where the token is refused. */
  getUserRoles(token: string): Promise<readonly string[]>;
}
