import { createHash } from 'node:crypto';
import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import { type InnerList, type Parameters, parseDictionary } from '../../core/fields/structured-fields.ts';
import type { Identification, Identifier } from '../../core/identity/identifier.ts';
import type { Identity } from '../../core/identity/identity.ts';
import { sealIdentity } from '../../core/identity/seal-identity.ts';
import { isPromise } from '../../core/is-promise.ts';
import { withinTime } from '../../core/pipeline/within-time.ts';
import type { Services } from '../../core/services.ts';
import type { OnceStore, OnceVerdict, OnceWhileAway } from '../../core/stores/once-store.ts';
import { isContentDigest } from './content-digest.ts';
import { signatureBase } from './signature-base.ts';
import { isSignature, readSignatureKey, type SignatureKey, type WrittenKey } from './signature-key.ts';

export interface SignatureOptions {
  readonly keys: Readonly<Record<string, ClientKey>>;
  readonly components: readonly string[];
  readonly maxAge: number;
  readonly leeway: number;
  readonly requireNonce: boolean;
  readonly tag?: string | undefined;
  readonly maxBody: number;
  readonly onStoreFailure: OnceWhileAway;
  readonly realm: string;
  readonly optional: boolean;
}

interface ClientKey extends WrittenKey {
  readonly subject?: string | undefined;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  readonly plan?: string | undefined;
}

/** Someone who signs. */
interface Client {
  readonly key: SignatureKey;
  readonly identity: Identity;
}

/** One signature of a request, not yet verified. */
interface Presented {
  readonly client: Client;
  readonly covered: InnerList;
  readonly signature: Buffer;
}

/** What a verified signature is about. */
interface Verified extends Presented {
  readonly base: string;
}

/** More than anybody covers. Each costs something before anything is verified. */
const MAX_COMPONENTS = 64;

/** Components that say as much as others together. */
const INCLUDED: Readonly<Record<string, readonly string[]>> = {
  '@target-uri': ['@scheme', '@authority', '@path', '@query'],
  '@request-target': ['@path', '@query'],
};

type Fault =
  | 'malformed'
  | 'key'
  | 'algorithm'
  | 'coverage'
  | 'component'
  | 'nonce'
  | 'future'
  | 'expired'
  | 'signature'
  | 'digest'
  | 'replay';

/**
 * Verifies the signature of a request.
 *
 * 1. Finds a signature by a key that is known, for the algorithm that this key is for.
 * 2. Checks that it covers what it must, and its times.
 * 3. Verifies it.
 * 4. Verifies the body, which is read only now.
 * 5. Notes it, so that it is good once, whichever process gets it.
 */
export class SignatureIdentifier implements Identifier {
  readonly challenge: string;
  readonly isOptional: boolean;
  /** It waits for nothing but the request body, which the client's connection bounds. */
  readonly hasOwnDeadlines = true;
  private readonly options: SignatureOptions;
  private readonly services: Services;
  private readonly clients: ReadonlyMap<string, Client>;
  private readonly once: OnceStore;
  private readonly failures = new Map<Fault, GatewayError>();

  constructor(options: SignatureOptions, services: Services) {
    this.options = options;
    this.services = services;
    this.challenge = `Signature realm="${options.realm}"`;
    this.isOptional = options.optional;
    this.clients = new Map(
      Object.entries(options.keys).map(([keyId, written]) => [keyId, clientOf(keyId, written)]),
    );
    if (services.once === undefined) throw new TypeError('nothing is remembered here, as signatures need');
    this.once = services.once;
  }

  identify(exchange: Exchange): Identification | Promise<Identification> {
    const { headers } = exchange;
    const inputs = headers.get('signature-input');
    const signatures = headers.get('signature');
    if (inputs === undefined && signatures === undefined) return undefined;
    // 1.
    const presented = this.find(inputs, signatures);
    if (typeof presented === 'string') return this.failure(presented);
    // 2.
    const { client, covered, signature } = presented;
    const fault = this.findFault(covered, client);
    if (fault !== undefined) return this.failure(fault);
    // 3.
    const base = signatureBase(covered, exchange);
    if (base === undefined) return this.failure('component');
    if (!isSignature(base, signature, client.key)) return this.failure('signature');
    // 4.
    const reading = this.services.bufferBody?.(exchange, this.options.maxBody);
    const verified = { ...presented, base };
    if (reading === undefined) return this.finish(exchange, verified);
    return reading.then((failed) => failed ?? this.finish(exchange, verified));
  }

  dropCredential({ headers }: Exchange): void {
    headers.delete('signature-input');
    headers.delete('signature');
  }

  private find(inputs: string | undefined, signatures: string | undefined): Presented | Fault {
    const covered = inputs === undefined ? undefined : parseDictionary(inputs);
    const signed = signatures === undefined ? undefined : parseDictionary(signatures);
    if (covered === undefined || signed === undefined) return 'malformed';
    for (const [label, member] of covered) {
      if (member.kind !== 'list') return 'malformed';
      if (member.items.length > MAX_COMPONENTS) return 'component';
      const client = this.clients.get(textOf(member.parameters, 'keyid') ?? '');
      if (client === undefined || !this.isOurs(member.parameters)) continue;
      const found = signed.get(label);
      if (found?.kind !== 'item' || found.value.kind !== 'bytes') return 'malformed';
      return { client, covered: member, signature: found.value.bytes };
    }
    return 'key';
  }

  /** Proxies and other parties may sign as well, which says nothing to us. */
  private isOurs(parameters: Parameters): boolean {
    const { tag } = this.options;
    return tag === undefined || textOf(parameters, 'tag') === tag;
  }

  private findFault({ items, parameters }: InnerList, { key }: Client): Fault | undefined {
    const algorithm = parameters.get('alg');
    if (algorithm !== undefined && (algorithm.kind !== 'string' || algorithm.text !== key.algorithm))
      return 'algorithm';
    const covered = new Set<string>();
    for (const { value, parameters: own } of items) {
      if (value.kind !== 'string' || own.size > 0) continue;
      covered.add(value.text);
      if (Object.hasOwn(INCLUDED, value.text))
        for (const name of INCLUDED[value.text] ?? []) covered.add(name);
    }
    if (!this.options.components.every((name) => covered.has(name))) return 'coverage';
    if (this.options.requireNonce && !textOf(parameters, 'nonce')) return 'nonce';
    return this.findTimeFault(parameters);
  }

  private findTimeFault(parameters: Parameters): Fault | undefined {
    const { maxAge, leeway } = this.options;
    const created = parameters.get('created');
    const expires = parameters.get('expires');
    if (created?.kind !== 'integer') return 'malformed';
    const now = this.services.clock.now();
    const createdAt = created.value * 1000;
    if (createdAt > now + leeway) return 'future';
    if (now > createdAt + maxAge + leeway) return 'expired';
    if (expires === undefined) return undefined;
    if (expires.kind !== 'integer') return 'malformed';
    return now > expires.value * 1000 + leeway ? 'expired' : undefined;
  }

  private finish(exchange: Exchange, verified: Verified): Identification | Promise<Identification> {
    const { client, covered, base } = verified;
    const bytes = exchange.bodyBytes;
    const coversDigest = covered.items.some(
      ({ value, parameters }) =>
        value.kind === 'string' && value.text === 'content-digest' && parameters.size === 0,
    );
    const mustHaveDigest = bytes === undefined || bytes.length > 0;
    if (mustHaveDigest && !coversDigest) return this.failure('coverage');
    if (
      coversDigest &&
      (bytes === undefined || !isContentDigest(exchange.headers.get('content-digest'), bytes))
    )
      return this.failure('digest');
    // 5.
    const noted = this.note(client.identity, textOf(covered.parameters, 'nonce'), base);
    if (!isPromise(noted)) return this.conclude(exchange, client.identity, noted);
    const inTime = withinTime<OnceVerdict | 'away'>(noted, NOTE_MS, this.services.clock, () => 'away');
    return inTime.then(
      (verdict) => this.conclude(exchange, client.identity, verdict),
      () => AWAY,
    );
  }

  /** By what was signed, not by the signature: of the same text a key can make many (ECDSA, RSA-PSS). */
  private note({ keyId }: Identity, nonce: string | undefined, base: string) {
    const { maxAge, leeway, onStoreFailure } = this.options;
    const name = JSON.stringify(nonce === undefined ? [keyId, 'text', base] : [keyId, 'nonce', nonce]);
    // Hashed, so that what a client chose takes no more memory than anything else.
    const hash = createHash('sha256').update(name).digest('base64url').slice(0, 27);
    return this.once.note(hash, maxAge + 2 * leeway, onStoreFailure);
  }

  private conclude(
    exchange: Exchange,
    identity: Identity,
    noted: OnceVerdict | 'away',
  ): Identity | GatewayError {
    if (noted === 'away') return AWAY;
    if (noted === 'full') return FULL;
    if (noted === 'seen') return this.failure('replay');
    this.dropCredential(exchange);
    return identity;
  }

  /** One response for whatever is wrong. */
  private failure(reason: Fault): GatewayError {
    let failure = this.failures.get(reason);
    if (failure === undefined) {
      const headers = { 'www-authenticate': this.challenge };
      failure = new GatewayError('GW_CREDENTIALS_INVALID', { headers, reason });
      this.failures.set(reason, failure);
    }
    return failure;
  }
}

/** Longer than any store takes: its own bounds come first. */
const NOTE_MS = 5000;
const AWAY = new GatewayError('GW_AUTH_UNAVAILABLE', { reason: 'store' });
const FULL = new GatewayError('GW_AUTH_UNAVAILABLE', { reason: 'full' });

function textOf(parameters: Parameters, name: string): string | undefined {
  const value = parameters.get(name);
  return value?.kind === 'string' ? value.text : undefined;
}

function clientOf(keyId: string, written: ClientKey): Client {
  const key = readSignatureKey(written);
  if (typeof key === 'string') throw new TypeError(`key '${keyId}' ${key}`);
  const { subject = keyId, roles, permissions, plan } = written;
  return {
    key,
    identity: sealIdentity({ subject, roles, permissions, plan, keyId }, 'signature'),
  };
}
