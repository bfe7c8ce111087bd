import { AddressBlocks } from '../core/address-blocks.ts';
import type { Clock } from '../core/clock.ts';
import type { ApiKeyRejection, ApiKeyVerifier, VerifiedApiKey } from '../core/identity/api-keys.ts';
import { sealIdentity } from '../core/identity/seal-identity.ts';
import { isPromise } from '../core/is-promise.ts';
import type { Log } from '../core/services.ts';
import { findKeyId } from './key-format.ts';
import { findHash, type KeyHasher } from './key-hash.ts';
import type { FoundKey, KeyChanges, KeyPosition, KeyStore } from './key-store.ts';
import { recordOf } from './record-of.ts';

/** How often the store is asked what was changed: a revoked key is refused within that, and the time of the answer. */
const POLL_MS = 250;
/** How long keys that were seen stay good while nobody can say whether they were revoked. */
const TRUST_MS = 60_000;
/** How often last uses are written, all in one. */
const MARK_USED_MS = 10_000;

export interface VerifierOptions {
  readonly store: KeyStore;
  readonly hasher: KeyHasher;
  readonly clock: Clock;
  readonly log: Log;
  /** Keys that were good, kept at most. Default: 100,000. */
  readonly maxSeen?: number;
  /** Ids that were looked up for keys that were not good, kept at most. Default: 10,000. */
  readonly maxLookedUp?: number;
  /** Look-ups under way at most; above it keys that were not seen are not checked. Default: 1,000. */
  readonly maxPending?: number;
}

/** A key that was good when it was seen. */
interface SeenKey {
  readonly id: string;
  readonly verified: VerifiedApiKey;
  /** Milliseconds since 1970; `Infinity` for never. */
  readonly endsAt: number;
  /** When it was used last, 0 once that is written down. */
  usedAt: number;
}

type Verdict = VerifiedApiKey | ApiKeyRejection;

/**
 * Verifies keys. Of a key that was seen before, nothing is computed and nobody is asked: it is found by its own text, in
 * a table whose hash is seeded, so that time tells nothing of it. Only keys that were good get in there, so who invents
 * keys pushes none out. Everything else takes one and the same way, whatever is wrong: a hash, a look-up that is
 * remembered for a while and shared by all who wait for it, and two comparisons.
 */
export class KeyVerifier implements ApiKeyVerifier {
  private readonly options: Required<VerifierOptions>;
  private readonly seen = new Map<string, SeenKey>();
  /** Keys that were seen, by id, to forget them by. */
  private readonly textsById = new Map<string, Set<string>>();
  private readonly lookedUp = new Map<string, FoundKey | undefined>();
  private readonly pending = new Map<string, Promise<FoundKey | undefined | 'unavailable'>>();
  private used: SeenKey[] = [];
  private position: KeyPosition | undefined = undefined;
  /** Of all keys that are remembered. A store that knows less has lost some of them. */
  private highestRevision = 0;
  /** Counts what was forgotten, so that a look-up that began before is not remembered after. */
  private generation = 0;
  /** Monotonic milliseconds at which the store last said what was changed. */
  private confirmedAt = Number.NEGATIVE_INFINITY;
  private polling: Promise<void> | undefined = undefined;
  private isAway = false;
  private readonly stops: readonly (() => void)[];

  constructor(options: VerifierOptions) {
    this.options = { maxSeen: 100_000, maxLookedUp: 10_000, maxPending: 1000, ...options };
    const { clock } = options;
    this.stops = [
      clock.every(POLL_MS, () => void this.poll()),
      clock.every(MARK_USED_MS, () => void this.markUsed()),
    ];
  }

  /** Whether the store answers; while it does not, keys that were not seen cannot be checked. */
  get isStoreAway(): boolean {
    return this.isAway;
  }

  verify(key: string): Verdict | Promise<Verdict> {
    const { clock } = this.options;
    if (clock.monotonic() - this.confirmedAt > TRUST_MS) return 'unavailable';
    const seen = this.seen.get(key);
    if (seen === undefined) return this.verifyUnseen(key);
    const now = clock.now();
    if (now >= seen.endsAt) {
      this.forgetText(key, seen.id);
      return 'expired';
    }
    return this.use(seen, now);
  }

  /** Asks the store what was changed, and forgets that. Never rejects. */
  poll(): Promise<void> {
    this.polling ??= this.pollOnce().finally(() => {
      this.polling = undefined;
    });
    return this.polling;
  }

  /** Takes up everything that was changed until now, which a response that is on its way may not know. */
  async catchUp(): Promise<void> {
    await this.polling;
    await this.poll();
  }

  /** Writes down when keys were used. What cannot be written is written the next time. */
  async markUsed(): Promise<void> {
    const { used } = this;
    if (used.length === 0) return;
    this.used = [];
    const uses = new Map<string, number>();
    for (const seen of used) {
      uses.set(seen.id, Math.max(seen.usedAt, uses.get(seen.id) ?? 0));
      seen.usedAt = 0;
    }
    try {
      await this.options.store.markUsed(uses);
    } catch {
      for (const seen of used) {
        if (seen.usedAt === 0) this.used.push(seen);
        seen.usedAt = Math.max(seen.usedAt, uses.get(seen.id) ?? 0);
      }
    }
  }

  async close(): Promise<void> {
    for (const stop of this.stops) stop();
    await this.polling;
    await this.markUsed();
  }

  private verifyUnseen(key: string): Verdict | Promise<Verdict> {
    const id = findKeyId(key);
    if (id === undefined) return 'malformed';
    const hash = this.options.hasher.hash(key);
    const found = this.lookUp(id);
    if (isPromise(found)) return found.then((settled) => this.judge(key, id, hash, settled));
    return this.judge(key, id, hash, found);
  }

  private lookUp(
    id: string,
  ): FoundKey | undefined | 'unavailable' | Promise<FoundKey | undefined | 'unavailable'> {
    if (!this.isAway && this.lookedUp.has(id)) return this.lookedUp.get(id);
    const pending = this.pending.get(id);
    if (pending !== undefined) return pending;
    if (this.pending.size >= this.options.maxPending) return 'unavailable';
    const { generation } = this;
    try {
      const found = this.options.store.find(id);
      if (!isPromise(found)) return this.remember(id, found, generation);
      const looking = found
        .then(
          (settled) => this.remember(id, settled, generation),
          () => 'unavailable' as const,
        )
        .finally(() => this.pending.delete(id));
      this.pending.set(id, looking);
      return looking;
    } catch {
      return 'unavailable';
    }
  }

  private remember(id: string, found: FoundKey | undefined, generation: number): FoundKey | undefined {
    if (generation !== this.generation) return found;
    this.highestRevision = Math.max(this.highestRevision, found?.revision ?? 0);
    makeRoom(this.lookedUp, this.options.maxLookedUp);
    this.lookedUp.set(id, found);
    return found;
  }

  private judge(key: string, id: string, hash: Buffer, found: FoundKey | undefined | 'unavailable'): Verdict {
    if (found === 'unavailable') return 'unavailable';
    const secrets = found?.secrets ?? [];
    const match = findHash(
      hash,
      secrets.map((secret) => secret.hash),
    );
    if (found === undefined || match < 0) return 'unknown';
    const endsAt = Math.min(
      found.record.expiresAt ?? Number.POSITIVE_INFINITY,
      secrets[match]?.endsAt ?? Number.POSITIVE_INFINITY,
    );
    const now = this.options.clock.now();
    if (found.record.isDisabled) return 'disabled';
    if (now >= endsAt) return 'expired';
    // Somebody who waited for the same look-up may have been first.
    const seen = this.seen.get(key) ?? { id, verified: verifiedOf(found, now, endsAt), endsAt, usedAt: 0 };
    // What was changed meanwhile was forgotten before there was anything to forget.
    if (this.lookedUp.get(id) === found) this.see(key, seen);
    return this.use(seen, now);
  }

  private use(seen: SeenKey, now: number): VerifiedApiKey {
    if (seen.usedAt === 0) this.used.push(seen);
    seen.usedAt = now;
    return seen.verified;
  }

  private see(key: string, seen: SeenKey): void {
    if (this.seen.size >= this.options.maxSeen) {
      const [oldest] = this.seen;
      if (oldest !== undefined) this.forgetText(oldest[0], oldest[1].id);
    }
    this.lookedUp.delete(seen.id);
    this.seen.set(key, seen);
    const texts = this.textsById.get(seen.id) ?? new Set();
    this.textsById.set(seen.id, texts.add(key));
  }

  private async pollOnce(): Promise<void> {
    const { store, clock, log } = this.options;
    const requestedAt = clock.monotonic();
    try {
      const asked = store.changesSince(this.position);
      this.apply(isPromise(asked) ? await asked : asked);
      this.confirmedAt = requestedAt;
      if (this.isAway) log.info({}, 'the store of the API keys is back');
      this.isAway = false;
    } catch (err) {
      if (!this.isAway)
        log.warn(
          { err, trustedForMs: TRUST_MS },
          'the store of the API keys is away; keys already seen stay valid',
        );
      this.isAway = true;
    }
  }

  private apply({ position, ids }: KeyChanges): void {
    this.position = position;
    if (ids !== 'all' && position.revision >= this.highestRevision) {
      for (const id of ids) this.forget(id);
      if (ids.length > 0) this.generation++;
      return;
    }
    this.generation++;
    this.highestRevision = 0;
    this.seen.clear();
    this.textsById.clear();
    this.lookedUp.clear();
  }

  private forget(id: string): void {
    this.lookedUp.delete(id);
    for (const text of this.textsById.get(id) ?? []) this.seen.delete(text);
    this.textsById.delete(id);
  }

  private forgetText(text: string, id: string): void {
    this.seen.delete(text);
    const texts = this.textsById.get(id);
    texts?.delete(text);
    if (texts?.size === 0) this.textsById.delete(id);
  }
}

function makeRoom(map: Map<string, unknown>, size: number): void {
  if (map.size < size) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}

function verifiedOf(found: FoundKey, now: number, endsAt: number): VerifiedApiKey {
  const record = recordOf(found, now);
  const expiresAt = Number.isFinite(endsAt) ? endsAt / 1000 : undefined;
  const { owner, roles, permissions, metadata, id, plan, routes, ips } = record;
  return {
    record,
    identity: sealIdentity(
      { subject: owner, roles, permissions, claims: metadata, keyId: id, plan, expiresAt },
      'api-key',
    ),
    routes: routes && new Set(routes),
    addresses: ips && new AddressBlocks(ips),
  };
}
