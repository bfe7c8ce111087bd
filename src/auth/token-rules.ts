import type { AuthServiceConfig } from '../config/schema/auth-schema.ts';
import { extendToken, type VerifiedToken } from '../core/identity/auth-service.ts';
import { freezeData } from '../core/identity/frozen-data.ts';
import { findClaim } from '../core/identity/identity.ts';
import { LAST_SECOND } from '../core/identity/seal-identity.ts';

type Claims = Readonly<Record<string, unknown>>;

export type TokenRuleSettings = Pick<
  AuthServiceConfig,
  | 'issuer'
  | 'audience'
  | 'leeway'
  | 'maxTokenAge'
  | 'typ'
  | 'audienceClaim'
  | 'subjectClaim'
  | 'rolesClaim'
  | 'permissionsClaim'
  | 'planClaim'
  | 'spaceDelimited'
> & {
  /** Whether a token about which an issuer was asked may lack an audience though one is due. */
  readonly mayLackAudience?: boolean;
};

/** What a header may say that names no `typ` of its own: an access token, or nothing in particular. */
const USUAL_TYPES: ReadonlySet<string> = new Set(['jwt', 'at+jwt']);
/** How long a token within its leeway is taken before it is looked at again. */
const LATE_SECONDS = 5;
const USUAL_PERMISSIONS = ['scope', 'scp', 'permissions'] as const;

/** What a service asks of a token's claims, and how it reads them. Faults are words, as in `TokenRejection`. */
export class TokenRules {
  private readonly settings: TokenRuleSettings;
  private readonly leeway: number;

  constructor(settings: TokenRuleSettings) {
    this.settings = settings;
    this.leeway = settings.leeway / 1000;
  }

  /** Judges the `typ` of a header. Left to itself it keeps out what is signed alike but is not an access token. */
  findTypeFault(typ: unknown): string | undefined {
    const { typ: due } = this.settings;
    if (typ === undefined) return due === undefined ? undefined : 'type';
    if (typeof typ !== 'string') return 'type';
    const isFit = due === undefined ? USUAL_TYPES.has(plainType(typ)) : plainType(typ) === plainType(due);
    return isFit ? undefined : 'type';
  }

  /** Judges the claims of a token that must end (RFC 8725, RFC 9068 §4). `now` is in seconds. */
  findFault(claims: Claims, now: number): string | undefined {
    if (claims.exp === undefined) return 'no-expiry';
    if (isForRefreshing(claims)) return 'type';
    const fault = this.findTimeFault(claims, now);
    if (fault !== undefined) return fault;
    if (this.settings.issuer !== undefined && claims.iss === undefined) return 'issuer';
    if (this.restrictsAudience && findClaim(claims, this.settings.audienceClaim) === undefined)
      return 'audience';
    return this.findScopeFault(claims);
  }

  /** Judges claims as far as they are there: an issuer that was asked has judged the token already. */
  findFaultOfResponse(claims: Claims, now: number): string | undefined {
    const fault = this.findTimeFault(claims, now) ?? this.findScopeFault(claims) ?? findUseFault(claims);
    if (fault !== undefined || !this.restrictsAudience || this.settings.mayLackAudience === true)
      return fault;
    return findClaim(claims, this.settings.audienceClaim) === undefined ? 'audience' : undefined;
  }

  /** Reads what a token says, or nothing where it names no subject; `client` is one where there is no other. */
  readToken(claims: Claims, exp: number, client?: unknown): VerifiedToken | undefined {
    const { subjectClaim, rolesClaim, permissionsClaim, planClaim } = this.settings;
    const sub = findFirst(claims, subjectClaim) ?? client;
    if (typeof sub !== 'string' || sub === '') return undefined;
    const names = permissionsClaim === undefined ? USUAL_PERMISSIONS : [permissionsClaim];
    const read = (name: string): string[] =>
      readNames(findClaim(claims, name), this.settings.spaceDelimited || SPACE_DELIMITED.test(name));
    const plan = planClaim === undefined ? undefined : findClaim(claims, planClaim);
    return Object.freeze({
      sub,
      exp,
      roles: freezeData(read(rolesClaim)),
      permissions: freezeData([...new Set(names.flatMap(read))]),
      claims: freezeData(claims),
      plan: typeof plan === 'string' && plan !== '' ? plan : undefined,
    });
  }

  /** Gives the second from which on a token is too old, though its `exp` be later. */
  endOf(claims: Claims): number {
    const { maxTokenAge } = this.settings;
    const exp = Math.min(claims.exp as number, LAST_SECOND);
    return maxTokenAge === undefined ? exp : Math.min(exp, (claims.iat as number) + maxTokenAge / 1000);
  }

  /**
   * Notes of a token that was taken past its end, for the leeway's sake, that this holds for a moment, within the leeway.
   * What is made of the token ends then.
   */
  allowLeeway<Token extends VerifiedToken | undefined>(token: Token, now: number): Token {
    if (token !== undefined && token.exp <= now)
      extendToken(token, Math.min(token.exp + this.leeway, now + LATE_SECONDS));
    return token;
  }

  private get restrictsAudience(): boolean {
    return Array.isArray(this.settings.audience);
  }

  private findTimeFault({ exp, nbf, iat }: Claims, now: number): string | undefined {
    for (const time of [exp, nbf, iat]) {
      if (time !== undefined && !Number.isFinite(time)) return 'malformed-time';
    }
    if (exp !== undefined && now >= (exp as number) + this.leeway) return 'expired';
    if (nbf !== undefined && now < (nbf as number) - this.leeway) return 'not-yet';
    if (iat !== undefined && now < (iat as number) - this.leeway) return 'from-the-future';
    const { maxTokenAge } = this.settings;
    if (maxTokenAge === undefined) return undefined;
    if (iat === undefined) return 'no-age';
    return now >= (iat as number) + maxTokenAge / 1000 + this.leeway ? 'too-old' : undefined;
  }

  private findScopeFault(claims: Claims): string | undefined {
    const { issuer, audience, audienceClaim } = this.settings;
    if (issuer !== undefined && claims.iss !== undefined && claims.iss !== issuer) return 'issuer';
    if (!Array.isArray(audience)) return undefined;
    const named = findClaim(claims, audienceClaim);
    if (named === undefined) return undefined;
    const list: readonly unknown[] = Array.isArray(named) ? named : [named];
    return audience.some((one) => list.includes(one)) ? undefined : 'audience';
  }
}

/** Claims whose text is a list (RFC 6749 §3.3). In another one `Support Admin` is one role, and not two. */
const SPACE_DELIMITED = /(?:^|\.)(?:scope|scp)$/;

/** Reads a list of texts, one text, or a map whose names count where what they stand for is there: `{ admin: true }`. */
function readNames(value: unknown, isSpaceDelimited: boolean): string[] {
  if (typeof value === 'string')
    return (isSpaceDelimited ? value.split(' ') : [value]).filter((name) => name !== '');
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.filter((item) => typeof item === 'string' && item !== '');
  return Object.keys(value).filter((name) => name !== '' && isGiven((value as Claims)[name]));
}

function isGiven(value: unknown): boolean {
  if (value === true) return true;
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
}

/** Gives the first of several claims that is there, whatever it is: a bad `sub` must not make room for another name. */
function findFirst(claims: Claims, names: readonly string[]): unknown {
  for (const name of names) {
    const value = findClaim(claims, name);
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}

/** What issuers call an access token: `token_use` of Cognito and Ory, `typ` of Keycloak. */
const ACCESS_USES: ReadonlySet<string> = new Set(['access', 'access_token', 'bearer', 'jwt', 'at+jwt']);
/** Kinds of tokens that are none for an API, or none without a proof that nobody asks for here (RFC 9449 §7.1). */
const OTHER_TOKEN_TYPE = /refresh|offline|logout|^id(?:[_-]?token)?$|^(?:dpop|pop|mac)$/i;

/** Judges what an issuer says that a token is for. RFC 7662 lets it answer about refresh tokens too. */
function findUseFault({ token_use: use, typ, token_type: type }: Claims): string | undefined {
  for (const named of [use, typ]) {
    if (named !== undefined && !(typeof named === 'string' && ACCESS_USES.has(plainType(named))))
      return 'type';
  }
  return typeof type === 'string' && OTHER_TOKEN_TYPE.test(type) ? 'type' : undefined;
}

/** Whether a signed token says that it is for getting others. One of `typ` JWT is else taken for what its audience is. */
function isForRefreshing({ token_use: use, typ }: Claims): boolean {
  return [use, typ].some((named) => typeof named === 'string' && /refresh|offline|logout/i.test(named));
}

/** `application/at+jwt` and `at+JWT` are one type (RFC 7515 §4.1.9). */
function plainType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '');
}
