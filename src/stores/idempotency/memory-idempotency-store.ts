import type { Clock } from '../../core/clock.ts';
import type {
  ClaimVerdict,
  IdempotencyClaim,
  IdempotencyStore,
} from '../../core/stores/idempotency-store.ts';

interface Entry {
  readonly caller: string;
  readonly fingerprint: string;
  /** `undefined` once it is done. */
  owner: string | undefined;
  record: Buffer | undefined;
  expiresAt: number;
}

/** What one key takes beside its record: three hashes, the entry, and its places in the maps. */
const ENTRY_BYTES = 500;
/** Share of the room that the keys of one caller may take, so that no caller alone can fill it. */
const CALLER_SHARE = 0.5;
/** How often all entries are looked at for expired ones, where there is no room. */
const SWEEP_PAUSE_MS = 1000;
/** How many of the oldest entries each claim looks at, so that expired ones do not stay for long. */
const LOOK_AT = 2;

const CLAIMED: ClaimVerdict = { kind: 'claimed' };
const FULL: ClaimVerdict = { kind: 'full' };

/**
 * Notes idempotency keys in this process, bounded in bytes. Where room is short the oldest records go first; that a key was
 * used is known until its time is over, since a request that is forgotten would run twice.
 */
export class MemoryIdempotencyStore implements IdempotencyStore {
  private readonly maxBytes: number;
  private readonly clock: Pick<Clock, 'monotonic'>;
  /** By key, the oldest first. */
  private readonly entries = new Map<string, Entry>();
  /** Keys of the entries that have a record, the oldest first. */
  private readonly recorded = new Set<string>();
  private readonly bytesOfCallers = new Map<string, number>();
  private usedBytes = 0;
  private sweptAt = Number.NEGATIVE_INFINITY;
  private refusedAt = Number.NEGATIVE_INFINITY;

  constructor(maxBytes: number, clock: Pick<Clock, 'monotonic'>) {
    this.maxBytes = maxBytes;
    this.clock = clock;
  }

  /** How many keys are noted, and the bytes that they take. */
  get standing(): { readonly keys: number; readonly bytes: number } {
    return { keys: this.entries.size, bytes: this.usedBytes };
  }

  /** Whether keys had to be rejected for want of room within the last minute. */
  get isFull(): boolean {
    return this.clock.monotonic() - this.refusedAt < 60_000;
  }

  claim({ caller, key, fingerprint, owner }: IdempotencyClaim, leaseMs: number): ClaimVerdict {
    const now = this.clock.monotonic();
    this.dropOldest(now);
    const found = this.findLive(key, now);
    if (found !== undefined) {
      if (found.owner === undefined)
        return { kind: 'done', fingerprint: found.fingerprint, record: found.record };
      if (found.owner !== owner) return { kind: 'running', fingerprint: found.fingerprint };
      found.expiresAt = now + leaseMs;
      return CLAIMED;
    }
    if (!this.hasRoom(caller, now)) {
      this.refusedAt = now;
      return FULL;
    }
    this.add(key, { caller, fingerprint, owner, record: undefined, expiresAt: now + leaseMs });
    return CLAIMED;
  }

  finish({ caller, key, fingerprint, owner }: IdempotencyClaim, record: Buffer, ttlMs: number): boolean {
    const now = this.clock.monotonic();
    let entry = this.findLive(key, now);
    if (entry === undefined) {
      if (!this.hasRoom(caller, now)) return false;
      entry = { caller, fingerprint, owner, record: undefined, expiresAt: 0 };
      this.add(key, entry);
    }
    if (entry.owner !== owner) return false;
    entry.owner = undefined;
    entry.expiresAt = now + ttlMs;
    if (this.makeRoom(record.length, now)) {
      entry.record = record;
      this.recorded.add(key);
      this.usedBytes += record.length;
    }
    return true;
  }

  release({ key, owner }: IdempotencyClaim): void {
    if (this.entries.get(key)?.owner === owner) this.drop(key);
  }

  private findLive(key: string, now: number): Entry | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined || entry.expiresAt > now) return entry;
    this.drop(key);
    return undefined;
  }

  private add(key: string, entry: Entry): void {
    this.entries.set(key, entry);
    this.count(entry.caller, ENTRY_BYTES);
  }

  private drop(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.dropRecord(key, entry);
    this.entries.delete(key);
    this.count(entry.caller, -ENTRY_BYTES);
  }

  private dropRecord(key: string, entry: Entry): void {
    if (!this.recorded.delete(key)) return;
    this.usedBytes -= entry.record?.length ?? 0;
    entry.record = undefined;
  }

  private count(caller: string, bytes: number): void {
    this.usedBytes += bytes;
    const used = (this.bytesOfCallers.get(caller) ?? 0) + bytes;
    if (used > 0) this.bytesOfCallers.set(caller, used);
    else this.bytesOfCallers.delete(caller);
  }

  private hasRoom(caller: string, now: number): boolean {
    const isWithinShare = (): boolean =>
      (this.bytesOfCallers.get(caller) ?? 0) + ENTRY_BYTES <= this.maxBytes * CALLER_SHARE;
    if (!isWithinShare()) this.sweep(now);
    return isWithinShare() && this.makeRoom(ENTRY_BYTES, now);
  }

  /** Drops what has expired, then the oldest records, until so many bytes are free. */
  private makeRoom(bytes: number, now: number): boolean {
    const hasRoom = (): boolean => this.usedBytes + bytes <= this.maxBytes;
    if (hasRoom()) return true;
    this.sweep(now);
    for (const key of this.recorded) {
      if (hasRoom()) return true;
      this.dropRecord(key, this.entries.get(key) as Entry);
    }
    return hasRoom();
  }

  private dropOldest(now: number): void {
    let looks = LOOK_AT;
    for (const [key, { expiresAt }] of this.entries) {
      if (looks-- === 0 || expiresAt > now) return;
      this.drop(key);
    }
  }

  private sweep(now: number): void {
    if (now - this.sweptAt < SWEEP_PAUSE_MS) return;
    this.sweptAt = now;
    for (const [key, { expiresAt }] of this.entries) if (expiresAt <= now) this.drop(key);
  }
}
