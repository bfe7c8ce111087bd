import { compactVerify } from 'jose';
import type { Clock } from '../core/clock.ts';
import type { TokenRejection, TokenVerifier, VerifiedToken } from '../core/identity/auth-service.ts';
import { isRejection } from '../core/identity/auth-service.ts';
import { isPromise } from '../core/is-promise.ts';
import type { Log } from '../core/services.ts';
import { type CompactJws, MAX_TOKEN_CHARS, parseCompactJws } from './compact-jws.ts';
import type { FoundKeys, KeySet, VerificationKey } from './key-set.ts';
import { TokenCache } from './token-cache.ts';
import type { TokenRules } from './token-rules.ts';

export interface KeyServiceOptions {
  readonly name: string;
  readonly issuer: string | undefined;
  /** Default: 16 KiB. */
  readonly maxTokenChars?: number;
  /** The algorithms taken; `undefined` for all that the keys are made for. */
  readonly algorithms: readonly string[] | undefined;
  readonly rules: TokenRules;
  readonly clock: Clock;
  readonly log?: Log;
  /** Makes the keys, given who hears that one no longer counts. */
  readonly createKeys: (onKeyRemoved: () => void) => KeySet;
}

/** What everybody is told of a service that cannot be reached. */
export const UNAVAILABLE: TokenRejection = { refused: 'unavailable', isUnavailable: true };

/**
 * Verifies signed tokens by the keys of their issuer. All that needs no key is judged first, since verifying costs
 * most. Good tokens are remembered until they end or a key is gone; bad ones never, so that nobody can push good ones out.
 */
export class KeyService implements TokenVerifier {
  readonly verifies = 'by-key';
  readonly name: string;
  readonly issuer: string | undefined;
  readonly maxTokenChars: number;
  private readonly algorithms: ReadonlySet<string> | undefined;
  private readonly rules: TokenRules;
  private readonly clock: Clock;
  private readonly keys: KeySet;
  private readonly verified = new TokenCache<VerifiedToken>();
  private readonly underWay = new Map<string, Promise<VerifiedToken | TokenRejection>>();
  /** Rises with each key that is gone: what was begun before is not remembered. */
  private generation = 0;
  private readonly log: Log | undefined;
  /** The issuer that tokens name, where a slash at the end is all that tells it from the one that is due. */
  private slashedIssuer = '';

  constructor(options: KeyServiceOptions) {
    const { name, issuer, algorithms, rules, clock, createKeys } = options;
    this.log = options.log;
    this.maxTokenChars = options.maxTokenChars ?? MAX_TOKEN_CHARS;
    this.name = name;
    this.issuer = issuer;
    this.algorithms = algorithms && new Set(algorithms);
    this.rules = rules;
    this.clock = clock;
    this.keys = createKeys(() => {
      this.generation++;
      this.verified.clear();
    });
  }

  findVerified(token: string): VerifiedToken | undefined {
    return this.verified.get(token, this.clock.now());
  }

  verifyToken(token: string): VerifiedToken | TokenRejection | Promise<VerifiedToken | TokenRejection> {
    const known = this.findVerified(token) ?? this.underWay.get(token);
    if (known !== undefined) return known;
    const jws = parseCompactJws(token, this.maxTokenChars);
    if (typeof jws === 'string') return { refused: jws };
    const fault = this.findFault(jws);
    if (fault === 'issuer') this.compareSlashes(jws.claims.iss);
    if (fault !== undefined) return { refused: fault };
    const keys = this.keys.find(jws.algorithm, jws.keyId);
    if (!isPromise(keys) && keys.length === 0) return { refused: 'key' };
    const verifying = this.verify(token, jws, keys).finally(() => this.underWay.delete(token));
    this.underWay.set(token, verifying);
    return verifying;
  }

  async getUserRoles(token: string): Promise<readonly string[]> {
    const outcome = await this.verifyToken(token);
    return isRejection(outcome) ? [] : outcome.roles;
  }

  problems(): readonly string[] {
    const { name, keys, slashedIssuer } = this;
    const problem = keys.problem?.();
    return [
      ...(problem === undefined ? [] : [`auth service '${name}': ${problem}`]),
      ...(slashedIssuer === '' ? [] : [`auth service '${name}': ${this.describeSlash()}`]),
    ];
  }

  close(): void {
    this.keys.close();
    this.verified.clear();
  }

  /** The most common mistake about an issuer. What is told is what the configuration says, but for the slash. */
  private compareSlashes(named: unknown): void {
    const { issuer, slashedIssuer } = this;
    if (issuer === undefined || slashedIssuer !== '') return;
    const other = issuer.endsWith('/') ? issuer.slice(0, -1) : `${issuer}/`;
    if (named !== other) return;
    this.slashedIssuer = other;
    this.log?.warn({ authService: this.name }, this.describeSlash());
  }

  private describeSlash(): string {
    return `tokens name the issuer ${this.slashedIssuer}, and issuer is ${this.issuer}: a slash at the end makes two of them`;
  }

  private findFault({ algorithm, typ, claims }: CompactJws): string | undefined {
    if (this.algorithms?.has(algorithm) === false) return 'algorithm';
    return this.rules.findTypeFault(typ) ?? this.rules.findFault(claims, this.clock.now() / 1000);
  }

  private async verify(
    token: string,
    jws: CompactJws,
    finding: FoundKeys | Promise<FoundKeys>,
  ): Promise<VerifiedToken | TokenRejection> {
    const keys = await finding;
    if (keys === 'unavailable') return UNAVAILABLE;
    if (keys.length === 0) return { refused: 'key' };
    const { issuer } = this.keys;
    if (issuer !== undefined && jws.claims.iss !== issuer) return { refused: 'issuer' };
    const { generation } = this;
    if (!(await isSignedByOne(token, jws, keys))) return { refused: 'signature' };
    const now = this.clock.now() / 1000;
    // It may have ended while a key was waited for.
    const fault = this.rules.findFault(jws.claims, now);
    if (fault !== undefined) return { refused: fault };
    const exp = this.rules.endOf(jws.claims);
    const verified = this.rules.allowLeeway(this.rules.readToken(jws.claims, exp), now);
    if (verified === undefined) return { refused: 'subject' };
    if (generation === this.generation) this.verified.set(token, verified, exp * 1000);
    return verified;
  }
}

async function isSignedByOne(
  token: string,
  { algorithm }: CompactJws,
  keys: readonly VerificationKey[],
): Promise<boolean> {
  for (const { key } of keys) {
    try {
      await compactVerify(token, key, { algorithms: [algorithm] });
      return true;
    } catch {
      // Whatever is wrong with it, it is not signed by this key.
    }
  }
  return false;
}
