import { GatewayError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { FieldKind } from '../field-kind.ts';
import type { Identification, Identifier } from './identifier.ts';
import { findSeveralCredentials } from './one-credential.ts';
import { isOfOtherOrigin, isUnsafe } from './page-origin.ts';

const NO_FIELDS: readonly string[] = [];
const OTHER_ORIGIN = new GatewayError('GW_FORBIDDEN', { reason: 'other-origin' });

/**
 * Puts before a way to identify what holds for all of them: one credential has one reading, and one that browsers add by
 * themselves is not taken from pages of other origins (cross-site request forgery, cross-site WebSocket hijacking).
 */
export function guardIdentifier(identifier: Identifier): Identifier {
  return new GuardedIdentifier(identifier);
}

class GuardedIdentifier implements Identifier {
  readonly challenge: string;
  readonly isOptional: boolean;
  readonly hasOwnDeadlines: boolean;
  readonly writesResponse: boolean;
  readonly singleFields: readonly string[];
  private readonly inner: Identifier;
  private readonly several: Readonly<Record<'twice' | 'unreadable', GatewayError>>;

  constructor(inner: Identifier) {
    this.challenge = inner.challenge;
    this.isOptional = inner.isOptional;
    this.hasOwnDeadlines = inner.hasOwnDeadlines === true;
    this.inner = inner;
    this.writesResponse = inner.writesResponse === true;
    this.singleFields = inner.singleFields ?? NO_FIELDS;
    this.several = {
      twice: severalCredentials(inner.challenge, 'twice'),
      unreadable: severalCredentials(inner.challenge, 'unreadable'),
    };
  }

  identify(exchange: Exchange): Identification | Promise<Identification> {
    const fault = findSeveralCredentials(exchange.headers, this.singleFields);
    if (fault !== undefined) return this.several[fault];
    if (this.isForged(exchange)) return OTHER_ORIGIN;
    return this.inner.identify(exchange);
  }

  dropCredential(exchange: Exchange): void {
    this.inner.dropCredential(exchange);
  }

  async close(): Promise<void> {
    await this.inner.close?.();
  }

  private isForged(exchange: Exchange): boolean {
    const { inner } = this;
    if (inner.isAmbient === undefined || !isUnsafe(exchange)) return false;
    if (exchange.pageAccess === 'with-credentials' || !isOfOtherOrigin(exchange)) return false;
    const origin = exchange.headers.getKind(FieldKind.origin);
    if (origin !== undefined && inner.admitsOrigin?.(origin) === true) return false;
    return inner.isAmbient(exchange);
  }
}

/** A way in without a challenge has none to answer 401 with (RFC 9110 §15.5.2). */
function severalCredentials(challenge: string, reason: string): GatewayError {
  if (challenge === '') return new GatewayError('GW_BAD_REQUEST', { reason });
  const isBearerAlone = /^Bearer realm="[^"]*"$/.test(challenge);
  const headers = { 'www-authenticate': isBearerAlone ? `${challenge}, error="invalid_request"` : challenge };
  return new GatewayError('GW_CREDENTIALS_INVALID', { headers, reason });
}
