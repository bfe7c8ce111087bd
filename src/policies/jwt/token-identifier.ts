import { z } from 'zod';
import { headerName, text } from '../../config/schema/scalars.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import { findOwnedField } from '../../core/fields/owned-fields.ts';
import {
  endOfToken,
  isRejection,
  type TokenRejection,
  type TokenVerifier,
  type VerifiedToken,
} from '../../core/identity/auth-service.ts';
import type { Identification, Identifier } from '../../core/identity/identifier.ts';
import type { Identity } from '../../core/identity/identity.ts';
import { sealIdentity } from '../../core/identity/seal-identity.ts';
import { isPromise } from '../../core/is-promise.ts';
import type { Services } from '../../core/services.ts';
import { compileOrigins } from '../cors/origin-pattern.ts';
import { pageOrigins } from '../credentials/page-origins.ts';
import { TokenPlace } from './token-place.ts';
import { readUnverifiedIssuer } from './unverified-issuer.ts';

const USUAL_TOKEN_CHARS = 16 * 1024;

/** The service of a use that names none. */
export const USUAL_SERVICE = 'main';

/** Makes the options that policies about tokens share. */
export function tokenOptions() {
  return {
    from: z
      .strictObject({
        header: tokenHeader().optional().describe('Header; in `authorization` behind `Bearer`.'),
        cookie: cookieName().optional().describe('Cookie; it never goes to the upstream.'),
      })
      .refine(({ header, cookie }) => header !== undefined || cookie !== undefined, {
        error: 'names no place — set header, cookie or both',
      })
      .prefault({ header: 'authorization' })
      .describe('Where the token stands. One that stands in both places is rejected.'),
    origins: pageOrigins('a token in a cookie'),
    optional: z
      .boolean()
      .prefault(false)
      .describe(
        'Lets requests without a token pass as an anonymous caller; a bad token is rejected nevertheless.',
      ),
    forward: z
      .enum(['pass', 'drop', 'exchange'])
      .prefault('pass')
      .describe(
        'What the upstream gets: the header with the token, nothing, or (`exchange`) a short token signed by the gateway in its place, by `internalTokens`.',
      ),
    realm: z
      .string()
      .regex(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/, {
        error: 'is not a realm — write ASCII text without quotes and backslashes',
      })
      .prefault('api')
      .describe('Name of what is protected, in `WWW-Authenticate`.'),
  };
}

/** Tells whether `origins` says something about a cookie that there is not. */
export function hasIdleOrigins({ from, origins }: Pick<TokenIdentifierOptions, 'from' | 'origins'>): boolean {
  return origins.length > 0 && from.cookie === undefined;
}

/** What is said of such options. */
export const IDLE_ORIGINS = {
  path: ['origins'],
  error:
    'has no effect without from.cookie: pages cannot send the header unless cors lets them — leave it out',
};

export interface TokenIdentifierOptions {
  /** As in `Identity`. */
  readonly method: 'jwt' | 'introspect';
  readonly from: { readonly header?: string | undefined; readonly cookie?: string | undefined };
  readonly origins: readonly string[];
  readonly optional: boolean;
  readonly forward: 'pass' | 'drop' | 'exchange';
  readonly realm: string;
}

/** Finds the services that a policy names. Throws `TypeError` where one is not there or verifies in another way. */
export function findServices(
  names: readonly string[],
  { authService }: Services,
  unfit: TokenVerifier['verifies'],
): TokenVerifier[] {
  return names.map((name) => {
    const service = authService?.(name);
    if (service === undefined) throw new TypeError(`there is no auth service '${name}'`);
    if (service.verifies === unfit) throw new TypeError(`auth service '${name}' verifies ${unfit}`);
    return service;
  });
}

/** Identifies by a token that auth services verify. Of several the one responses whose `issuer` the token names. */
export class TokenIdentifier implements Identifier {
  readonly challenge: string;
  readonly isOptional: boolean;
  readonly admitsOrigin: (origin: string) => boolean;
  private readonly services: readonly TokenVerifier[];
  private readonly maxTokenChars: number;
  private readonly byIssuer: ReadonlyMap<string | undefined, TokenVerifier>;
  private readonly method: string;
  private readonly place: TokenPlace;
  private readonly dropsToken: boolean;
  private readonly identities = new WeakMap<VerifiedToken, Identity>();
  private readonly failures = new Map<string, GatewayError>();

  constructor(services: readonly TokenVerifier[], options: TokenIdentifierOptions) {
    this.services = services;
    this.maxTokenChars = Math.max(
      0,
      ...services.map((service) => service.maxTokenChars ?? USUAL_TOKEN_CHARS),
    );
    this.byIssuer = new Map(services.map((service) => [service.issuer, service]));
    this.method = options.method;
    this.place = new TokenPlace(options.from);
    this.admitsOrigin = compileOrigins(options.origins);
    this.dropsToken = options.forward !== 'pass';
    this.isOptional = options.optional;
    this.challenge = `Bearer realm="${options.realm}"`;
  }

  identify(exchange: Exchange): Identification | Promise<Identification> {
    this.place.removeLookalikes(exchange);
    const token = this.place.find(exchange.headers);
    if (token === undefined) return undefined;
    if (typeof token !== 'string') return this.failure(token.fault, 'invalid_request');
    for (let i = 0; i < this.services.length; i++) {
      const known = (this.services[i] as TokenVerifier).findVerified(token);
      if (known !== undefined) return this.accept(exchange, known);
    }
    const fault = this.place.findFault(token, exchange.headers);
    if (fault !== undefined) return this.failure(fault.fault, 'invalid_request');
    const service = this.chooseService(token);
    if (service === undefined) return this.failure('issuer', 'invalid_token');
    const outcome = service.verifyToken(token);
    if (!isPromise(outcome)) return this.settle(exchange, outcome);
    return outcome.then((settled) => this.settle(exchange, settled));
  }

  isAmbient({ headers }: Exchange): boolean {
    return this.place.isInCookie(headers);
  }

  dropCredential(exchange: Exchange): void {
    this.place.remove(exchange.headers);
    this.place.removeLookalikes(exchange);
  }

  private chooseService(token: string): TokenVerifier | undefined {
    if (this.services.length === 1) return this.services[0];
    const issuer = readUnverifiedIssuer(token, this.maxTokenChars);
    return issuer === undefined ? undefined : this.byIssuer.get(issuer);
  }

  private settle(exchange: Exchange, outcome: VerifiedToken | TokenRejection): Identification {
    if (!isRejection(outcome)) return this.accept(exchange, outcome);
    if (outcome.isUnavailable === true) return UNAVAILABLE;
    return this.failure(outcome.refused, 'invalid_token');
  }

  private accept(exchange: Exchange, token: VerifiedToken): Identity {
    this.passOn(exchange);
    let identity = this.identities.get(token);
    if (identity === undefined) {
      identity = this.identityOf(token);
      this.identities.set(token, identity);
    }
    return identity;
  }

  /** Decides what the upstream gets to see of the token. */
  private passOn(exchange: Exchange): void {
    if (this.dropsToken) return this.place.remove(exchange.headers);
    this.place.removeCookie(exchange.headers);
    exchange.credentialField = this.place.header ?? '';
  }

  private identityOf(token: VerifiedToken): Identity {
    const { sub: subject, roles, permissions, claims, plan } = token;
    const expiresAt = endOfToken(token);
    return sealIdentity({ subject, roles, permissions, claims, plan, expiresAt }, this.method);
  }

  /** The client hears that the token is not good, and never why (RFC 6750 §3). */
  private failure(reason: string, error: 'invalid_request' | 'invalid_token'): GatewayError {
    let failure = this.failures.get(reason);
    if (failure === undefined) {
      const headers = { 'www-authenticate': `${this.challenge}, error="${error}"` };
      failure = new GatewayError('GW_CREDENTIALS_INVALID', { headers, reason });
      this.failures.set(reason, failure);
    }
    return failure;
  }
}

const UNAVAILABLE = new GatewayError('GW_AUTH_UNAVAILABLE', { reason: 'unavailable' });

function tokenHeader() {
  return headerName()
    .refine((name) => name.toLowerCase() !== 'cookie', { error: 'is where cookies are — name the cookie' })
    .check((context) => {
      const message = findOwnedField(context.value);
      if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
    });
}

function cookieName() {
  return text().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, {
    error: 'is not the name of a cookie — use letters, digits, hyphens and underscores',
  });
}
