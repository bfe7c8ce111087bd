import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/services.ts';
import type {
  ClaimVerdict,
  IdempotencyClaim,
  IdempotencyStore,
} from '../../core/stores/idempotency-store.ts';
import type { RedisConnection } from '../redis-connection.ts';
import { RedisAwayError } from '../redis-failure.ts';
import { CLAIM_SCRIPT, FINISH_SCRIPT, RELEASE_SCRIPT } from './idempotency-scripts.ts';

/** A record that could not be stored, since Redis was away. */
interface Owed {
  readonly claim: IdempotencyClaim;
  readonly record: Buffer;
  /** Milliseconds on the monotonic clock at which it expires. */
  readonly expiresAt: number;
}

/** What may wait for Redis to return, in bytes of records. */
const MAX_OWED_BYTES = 16 * 1024 * 1024;
/** What each takes beside its record. */
const OWED_BYTES = 400;

const CLAIMED: ClaimVerdict = { kind: 'claimed' };

/** Notes idempotency keys in Redis, for all gateways together. What was carried out while Redis is away is stored as soon as it is back. */
export class RedisIdempotencyStore implements IdempotencyStore {
  private readonly connection: RedisConnection;
  private readonly clock: Pick<Clock, 'monotonic'>;
  private readonly log: Log;
  private readonly stopListening: () => void;
  private owed: Owed[] = [];
  private owedBytes = 0;

  constructor(connection: RedisConnection, clock: Pick<Clock, 'monotonic'>, log: Log) {
    this.connection = connection;
    this.clock = clock;
    this.log = log;
    this.stopListening = connection.onReturn(() => this.payOwed());
  }

  async claim(claim: IdempotencyClaim, leaseMs: number): Promise<ClaimVerdict> {
    const args = [claim.owner, claim.fingerprint, milliseconds(leaseMs)];
    const reply = await this.connection.runScriptOnBytes(CLAIM_SCRIPT, this.nameOf(claim), args);
    if (!Array.isArray(reply)) return CLAIMED;
    const [fingerprint, record] = reply as [Buffer, Buffer];
    const found = { fingerprint: fingerprint.toString('latin1') };
    return record.length === 0 ? { kind: 'running', ...found } : { kind: 'done', ...found, record };
  }

  async finish(claim: IdempotencyClaim, record: Buffer, ttlMs: number): Promise<boolean> {
    try {
      return await this.store(claim, record, ttlMs);
    } catch (error) {
      if (!(error instanceof RedisAwayError) || !this.owe(claim, record, ttlMs)) throw error;
      return true;
    }
  }

  async release(claim: IdempotencyClaim): Promise<void> {
    await this.connection.runScriptOnBytes(RELEASE_SCRIPT, this.nameOf(claim), [claim.owner]);
  }

  close(): void {
    this.stopListening();
  }

  private async store(claim: IdempotencyClaim, record: Buffer, ttlMs: number): Promise<boolean> {
    const args = [claim.owner, claim.fingerprint, record, milliseconds(ttlMs)];
    return (await this.connection.runScriptOnBytes(FINISH_SCRIPT, this.nameOf(claim), args)) === 1;
  }

  private owe(claim: IdempotencyClaim, record: Buffer, ttlMs: number): boolean {
    const bytes = record.length + OWED_BYTES;
    if (this.owedBytes + bytes > MAX_OWED_BYTES) return false;
    this.owedBytes += bytes;
    this.owed.push({ claim, record, expiresAt: this.clock.monotonic() + ttlMs });
    return true;
  }

  /** Sent at once, before any claim that comes now. */
  private payOwed(): void {
    const owed = this.owed;
    this.owed = [];
    this.owedBytes = 0;
    for (const { claim, record, expiresAt } of owed) {
      const leftMs = expiresAt - this.clock.monotonic();
      if (leftMs <= 0) continue;
      this.finish(claim, record, leftMs).catch((err: unknown) =>
        this.log.warn({ err }, 'the response to an idempotency key could not be stored'),
      );
    }
  }

  private nameOf({ key }: IdempotencyClaim): string {
    return `${this.connection.config.prefix}idempotency:${key}`;
  }
}

function milliseconds(ms: number): string {
  return String(Math.max(1, Math.ceil(ms)));
}
