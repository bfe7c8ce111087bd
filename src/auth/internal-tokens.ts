import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import type { InternalTokensConfig } from '../config/schema/internal-tokens-schema.ts';
import type { Exchange } from '../core/exchange.ts';
import { HeaderBlock } from '../core/fields/header-block.ts';
import type { Identity } from '../core/identity/identity.ts';
import { isPromise } from '../core/is-promise.ts';
import type { Reply } from '../core/message.ts';
import type { Services } from '../core/services.ts';
import type { InternalKeys } from './internal-keys.ts';

/** A token as it is sent, and how long it may be sent again. */
interface CachedToken {
  readonly block: HeaderBlock;
  readonly keyId: string;
  /** Milliseconds since 1970. */
  readonly freshUntil: number;
}

/** Upstreams look again this often; a key is published long before it signs. */
const KEYS_MAX_AGE_SECONDS = 300;

/** Makes the short tokens in which upstreams are told who is calling, signed by us. */
export class InternalTokens {
  private readonly config: Pick<InternalTokensConfig, 'issuer' | 'audience' | 'ttl'>;
  private readonly keys: InternalKeys;
  private readonly clock: Services['clock'];
  /** By the audience. One identity serves many requests, so that most find a token made. */
  private readonly kept = new WeakMap<Identity, Map<string, CachedToken | Promise<CachedToken>>>();

  constructor(
    config: Pick<InternalTokensConfig, 'issuer' | 'audience' | 'ttl'>,
    keys: InternalKeys,
    clock: Services['clock'],
  ) {
    this.config = config;
    this.keys = keys;
    this.clock = clock;
  }

  /** Puts a token for `upstream` in the place of whatever stands in `Authorization`; at once where it is made already. */
  writeTo(
    { headers }: Pick<Exchange, 'headers'>,
    identity: Identity,
    upstream: string,
  ): Promise<void> | undefined {
    const token = this.tokenFor(identity, this.config.audience ?? upstream);
    // Also while it is being made, so that nothing else is ever sent.
    headers.delete('authorization');
    if (isPromise(token)) return token.then(({ block }) => headers.appendBlock(block));
    headers.appendBlock(token.block);
    return undefined;
  }

  /** Responses with the keys by which upstreams verify the tokens (RFC 7517). */
  keySet(): Reply {
    return {
      status: 200,
      headers: {
        'content-type': 'application/jwk-set+json',
        'cache-control': `public, max-age=${KEYS_MAX_AGE_SECONDS}`,
      },
      body: JSON.stringify({ keys: this.keys.published() }),
    };
  }

  private tokenFor(identity: Identity, audience: string): CachedToken | Promise<CachedToken> {
    let ofIdentity = this.kept.get(identity);
    if (ofIdentity === undefined) {
      ofIdentity = new Map();
      this.kept.set(identity, ofIdentity);
    }
    const kept = ofIdentity.get(audience);
    if (kept !== undefined && (isPromise(kept) || this.isFresh(kept))) return kept;
    const making = this.make(identity, audience).then(
      (token) => {
        ofIdentity.set(audience, token);
        return token;
      },
      (error: unknown) => {
        ofIdentity.delete(audience);
        throw error;
      },
    );
    ofIdentity.set(audience, making);
    return making;
  }

  private isFresh({ freshUntil, keyId }: CachedToken): boolean {
    return this.clock.now() < freshUntil && this.keys.current().id === keyId;
  }

  private async make(identity: Identity, audience: string): Promise<CachedToken> {
    const { issuer, ttl } = this.config;
    const { id, algorithm, key } = this.keys.current();
    const now = this.clock.now();
    // Never longer than the credential that it stands for.
    const endsAt = (identity.expiresAt ?? Number.POSITIVE_INFINITY) * 1000;
    if (endsAt <= now) throw new Error('the credential has ended');
    const isCutShort = endsAt < now + ttl;
    const expiresAt = isCutShort ? endsAt : now + ttl;
    const token = await new SignJWT(claimsOf(identity))
      .setProtectedHeader({ alg: algorithm, kid: id, typ: 'JWT' })
      .setIssuer(issuer)
      .setSubject(identity.subject)
      .setAudience(audience)
      .setIssuedAt(Math.floor(now / 1000))
      .setExpirationTime(Math.floor(expiresAt / 1000))
      .setJti(randomUUID())
      .sign(key);
    // What ends with the credential cannot be had with more life left.
    const freshUntil = isCutShort ? expiresAt : now + ttl / 2;
    return { block: new HeaderBlock(['authorization', `Bearer ${token}`]), keyId: id, freshUntil };
  }
}

/** What a token says beside the registered claims. `auth_issuer` tells apart subjects that two issuers named alike. */
function claimsOf({ roles, permissions, method, claims, keyId }: Identity): Record<string, unknown> {
  return {
    roles,
    permissions,
    auth_method: method,
    ...(typeof claims.iss === 'string' && { auth_issuer: claims.iss }),
    ...(keyId !== undefined && { key_id: keyId }),
  };
}
