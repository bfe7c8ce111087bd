import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock } from '../../core/clock.ts';
import type { Purge, PurgeReach } from '../../core/stores/cache-store.ts';
import type { RedisConnection } from '../redis-connection.ts';
import type { RedisReply } from '../redis-link.ts';
import { OtherGateways } from './other-gateways.ts';
import { PurgePositions } from './purge-positions.ts';
import { PULSE_SCRIPT, PURGE_SCRIPT, PURGES_AT_ONCE } from './purge-scripts.ts';
import { readPurge } from './read-purge.ts';

/** How often Redis is asked for purges of others. */
const PULSE_MS = 100;
/** The same while somebody waits for the others to confirm one. */
const BUSY_PULSE_MS = 20;
/** How long the others are waited for. */
const CONFIRM_MS = 1000;
/** So many purges wait for a Redis that is away; beyond, they are one purge of all. */
const MAX_WAITING = 10_000;

/** The purges of this process, which stores what it is told. */
export interface PurgeNotes {
  readonly purges: number;
  /** Purges here alone. */
  purge(purge: Purge): Promise<PurgeReach>;
  /** Notes that purges may have been missed. */
  noteGap(): void;
}

/** A purge of this process that not all others are known to have heard of. */
interface Own {
  readonly token: string;
  readonly purge: Purge;
  /** Its number here. */
  readonly count: number;
  /** Its number in Redis, once it is known to be there. */
  seq: number | undefined;
  isSending: boolean;
  onConfirmed: (() => void) | undefined;
}

/** A point in the purges of Redis. */
export interface PurgePoint {
  readonly epoch: string;
  readonly seq: number;
}

/**
 * Shares purges with other gateways by a log in Redis, which each of them reads again and again, and confirms to have
 * read. What a gateway purges while Redis is away it tells as soon as that is back.
 */
export class SharedPurges {
  private readonly connection: RedisConnection;
  private readonly notes: PurgeNotes;
  private readonly clock: Clock;
  private readonly name = `${hostname()}:${process.pid}:${randomUUID()}`;
  private readonly keys: readonly string[];
  private readonly positions = new PurgePositions();
  private readonly others: OtherGateways;
  private readonly own = new Map<string, Own>();
  private readonly stops: readonly (() => void)[];
  private epoch = '';
  private seq = 0;
  private token = '';
  private isCurrent = false;
  private pulsing: Promise<void> | undefined = undefined;
  private lastPulseAt = 0;
  private isClosed = false;
  /** How many wait for a purge to be confirmed. */
  private waiting = 0;
  /** How far the clock of Redis is ahead of ours, in milliseconds. */
  private ahead = 0;

  constructor(connection: RedisConnection, notes: PurgeNotes, clock: Clock) {
    this.connection = connection;
    this.notes = notes;
    this.clock = clock;
    this.others = new OtherGateways(this.name, clock);
    const base = `${connection.config.prefix}cache:{purges}`;
    this.keys = [base, `${base}:log`, `${base}:gateways`];
    this.stops = [
      connection.onReturn(() => {
        // What was missed meanwhile comes first.
        this.isCurrent = false;
        void this.pulse();
      }),
      clock.every(BUSY_PULSE_MS, () => this.pulseIfDue()),
    ];
  }

  /** Whether all purges that Redis has were noted here, as of the last time that it was asked. */
  get isUsable(): boolean {
    return this.isCurrent && this.connection.isAvailable;
  }

  /** Redis's time for a time of ours, which others may read by their own clocks. */
  toShared(time: number): number {
    return time + this.ahead;
  }

  fromShared(time: number): number {
    return time - this.ahead;
  }

  /** The point up to which all purges had been noted when `count` were noted here. */
  pointOf(count: number): PurgePoint | undefined {
    const seq = this.isCurrent ? this.positions.seqOf(count) : undefined;
    return seq === undefined ? undefined : { epoch: this.epoch, seq };
  }

  /** Whether a point is one of the log that Redis has now. */
  isOfNow({ epoch }: Pick<PurgePoint, 'epoch'>): boolean {
    return epoch === this.epoch;
  }

  /** How many purges a response had seen, by the count of this process, that had seen all up to `point`. */
  countOf({ epoch, seq }: PurgePoint): number | undefined {
    if (epoch !== this.epoch) return undefined;
    let count = this.positions.countOf(seq);
    // What this process has purged, and Redis has not told it yet, was not seen by anybody.
    for (const own of this.own.values())
      if (count !== undefined && (own.seq === undefined || own.seq > this.seq))
        count = Math.min(count, own.count - 1);
    return count;
  }

  /** Tells the others of a purge that is the latest one here, and waits until they have heard it. */
  async spread(purge: Purge): Promise<PurgeReach> {
    const own = this.remember(purge);
    const confirmed = new Promise<void>((resolve) => {
      own.onConfirmed = resolve;
    });
    if (!(await this.send(own))) {
      own.onConfirmed = undefined;
      const why = this.connection.problem ?? 'Redis does not respond';
      return { reached: 1, unreached: [`other gateways: ${why}; they hear of it when it is back`] };
    }
    this.waiting++;
    void this.pulse();
    let stopWaiting = (): void => {};
    const late = new Promise<void>((resolve) => {
      stopWaiting = this.clock.after(CONFIRM_MS, resolve);
    });
    await Promise.race([confirmed, late]);
    stopWaiting();
    this.waiting--;
    own.onConfirmed = undefined;
    const { epoch } = this;
    return this.others.reachOf({ epoch, seq: own.seq ?? Number.POSITIVE_INFINITY });
  }

  /** Reads what others have purged. Resolves when that is noted, or Redis has not answered. */
  pulse(): Promise<void> {
    this.pulsing ??= this.pulseNow().finally(() => {
      this.pulsing = undefined;
    });
    return this.pulsing;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const stop of this.stops) stop();
    const [, , gateways = ''] = this.keys;
    await this.connection.send(gateways, ['HDEL', gateways, this.name]).catch(() => {});
  }

  private remember(purge: Purge): Own {
    if (this.own.size >= MAX_WAITING) {
      const [oldest] = this.own.values() as Iterable<Own> as [Own];
      this.own.delete(oldest.token);
      if (oldest.seq === undefined) {
        this.own.clear();
        return this.remember({ kind: 'all', soft: false });
      }
    }
    const token = randomUUID();
    const { purges: count } = this.notes;
    const own: Own = { token, purge, count, seq: undefined, isSending: false, onConfirmed: undefined };
    this.own.set(token, own);
    return own;
  }

  private async send(own: Own): Promise<boolean> {
    if (!this.connection.isAvailable) return false;
    own.isSending = true;
    try {
      const { epoch, seq, token } = this;
      const known = [randomUUID(), epoch, String(seq), token];
      const args = [...known, own.token, JSON.stringify(own.purge)];
      const reply = await this.connection.runScript(PURGE_SCRIPT, this.keys, args);
      const [ofEpoch, given] = reply as readonly RedisReply[];
      // In a new epoch it is read with all others.
      if (ofEpoch === this.epoch) own.seq = Number(given);
      return true;
    } catch {
      return false;
    } finally {
      own.isSending = false;
    }
  }

  private pulseIfDue(): void {
    if (!this.connection.isAvailable || this.pulsing !== undefined) return;
    const pauseMs = this.waiting > 0 ? BUSY_PULSE_MS : PULSE_MS;
    if (this.clock.monotonic() - this.lastPulseAt >= pauseMs * 0.9) void this.pulse();
  }

  private async pulseNow(): Promise<void> {
    try {
      // Once more where there was something, which confirms it.
      for (let hasMore = true; hasMore && !this.isClosed; ) {
        this.lastPulseAt = this.clock.monotonic();
        const known = [randomUUID(), this.epoch, String(this.seq), this.token, this.name];
        const requestedAt = this.clock.now();
        const reply = await this.connection.runScript(PULSE_SCRIPT, this.keys, known);
        hasMore = this.take(reply as readonly RedisReply[], requestedAt);
      }
      for (const own of this.own.values()) if (own.seq === undefined && !own.isSending) void this.send(own);
    } catch {
      // Which the connection tells about.
      this.isCurrent = this.isCurrent && this.connection.isAvailable;
    }
  }

  /** Notes what Redis tells. Gives whether there was something new. */
  private take(reply: readonly RedisReply[], requestedAt: number): boolean {
    const [epoch, seq, floor, now, gateways, entries] = reply as [
      string,
      number,
      number,
      string,
      readonly string[],
      readonly (readonly [string, readonly string[]])[],
    ];
    this.ahead = Number(now) - (requestedAt + this.clock.now()) / 2;
    if (epoch !== this.epoch) this.beginEpoch(epoch, floor);
    else if (floor > this.seq) this.missed(floor);
    for (const [id, [, token = '', , text = '']] of entries) this.note(Number.parseInt(id, 10), token, text);
    this.isCurrent = this.seq >= seq;
    this.others.heard(epoch, gateways);
    this.settle();
    return entries.length > 0 || entries.length === PURGES_AT_ONCE;
  }

  /** All that Redis knew is gone, or it was not known here. What the others may not have heard is told again. */
  private beginEpoch(epoch: string, floor: number): void {
    this.epoch = epoch;
    this.seq = floor;
    this.token = '';
    this.notes.noteGap();
    this.positions.reset(this.notes.purges, floor);
    for (const own of this.own.values()) own.seq = undefined;
  }

  /** There were more purges than Redis keeps while this process did not hear of them. */
  private missed(floor: number): void {
    void this.notes.purge({ kind: 'all', soft: false });
    this.seq = floor;
    this.positions.reset(this.notes.purges, floor);
  }

  private note(seq: number, token: string, text: string): void {
    const purge = readPurge(text);
    // One that cannot be read, as of a version to come, may be about anything.
    void this.notes.purge(purge ?? { kind: 'all', soft: false });
    this.seq = seq;
    this.token = token;
    this.positions.add(this.notes.purges, seq);
    const own = this.own.get(token);
    if (own !== undefined) own.seq = seq;
  }

  /** Forgets what all the others have heard. */
  private settle(): void {
    const confirmed = Math.min(this.seq, this.others.confirmedIn(this.epoch));
    for (const own of this.own.values()) {
      if (own.seq === undefined || own.seq > confirmed) continue;
      this.own.delete(own.token);
      own.onConfirmed?.();
    }
  }
}
