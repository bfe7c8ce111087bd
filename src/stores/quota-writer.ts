import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/services.ts';
import type { LimitState } from '../limits/limit-state.ts';
import type { ChangedCounter } from './lasting-counter.ts';
import type { QuotaJournal } from './quota-journal.ts';

/** A counter in memory that is to be written down. */
export interface UnsavedCounter {
  readonly slot: number;
  readonly limit: string;
  readonly key: string;
}

/** What is written down: the counters in memory. */
export interface QuotaCounters {
  /** Reads a counter, with the units of it that are written down and when it ends by the wall clock. */
  read(
    counter: UnsavedCounter,
  ): (LimitState & { readonly written: number; readonly endsAt: number }) | undefined;
  /** Takes up how it stands in the file. `seen` is how it was when that was asked. */
  noteWritten(counter: UnsavedCounter, seen: LimitState, inFile: { at: number; used: number }): void;
}

const SAVE_MS = 100;
/** So many are written in a few milliseconds. */
const SAVED_AT_ONCE = 2000;
/** Pauses after failures, each twice the one before. */
const LONGEST_PAUSE_MS = 5000;
/** A write that takes longer is told. */
const LATE_MS = 2000;
const WARN_MS = 60_000;
/** How long the end waits for a write. */
const END_MS = 2000;
const TIMED_OUT = 'the disk does not respond';

/**
 * Writes counters of quotas down as they change, some at a time, one write after the other, and never waits for them.
 * What cannot be written is tried again after a pause, and told.
 */
export class QuotaWriter {
  private readonly journal: QuotaJournal;
  private readonly counters: QuotaCounters;
  private readonly clock: Clock;
  private readonly log: Log;
  /** By slot. */
  private readonly unsaved = new Map<number, UnsavedCounter>();
  private readonly stop: () => void;
  private saving: Promise<void> | undefined = undefined;
  private savingSince = 0;
  private failures = 0;
  private pausedUntil = 0;
  private complainedAt = Number.NEGATIVE_INFINITY;
  private reason: string | undefined = undefined;

  constructor(journal: QuotaJournal, counters: QuotaCounters, clock: Clock, log: Log) {
    this.journal = journal;
    this.counters = counters;
    this.clock = clock;
    this.log = log;
    this.stop = clock.every(SAVE_MS, () => {
      if (this.isOverdue) this.complain(new Error(TIMED_OUT));
      void this.saveSome();
    });
  }

  /** Why nothing can be written, where nothing can be. */
  get problem(): string | undefined {
    return this.reason ?? (this.isOverdue ? TIMED_OUT : undefined);
  }

  note(slot: number, limit: string, key: string): void {
    const noted = this.unsaved.get(slot);
    // A slot may have become another counter's meanwhile.
    if (noted?.key !== key || noted.limit !== limit) this.unsaved.set(slot, { slot, limit, key });
  }

  /** Writes what is left, as long as the disk takes some of it. */
  async close(): Promise<void> {
    this.stop();
    if (!(await this.saveAll()))
      this.log.error({ reason: this.problem }, 'the last changes of quotas could not be written down');
    await this.journal.close();
  }

  /** Tells whether all is written. */
  private async saveAll(): Promise<boolean> {
    while (this.saving !== undefined || this.unsaved.size > 0) {
      const { failures } = this;
      this.pausedUntil = 0;
      const end = new AbortController();
      const late = wait(END_MS, 'late', { ref: false, signal: end.signal }).catch(() => {});
      const outcome = await Promise.race([this.saveSome(), late]);
      end.abort();
      if (outcome === 'late' || this.failures > failures) return false;
    }
    return true;
  }

  private get isOverdue(): boolean {
    return this.saving !== undefined && this.clock.monotonic() - this.savingSince > LATE_MS;
  }

  private saveSome(): Promise<void> {
    if (this.saving !== undefined) return this.saving;
    if (this.unsaved.size === 0 || this.clock.monotonic() < this.pausedUntil) return Promise.resolve();
    this.savingSince = this.clock.monotonic();
    this.saving = this.save().finally(() => {
      this.saving = undefined;
    });
    return this.saving;
  }

  private async save(): Promise<void> {
    const taken: { readonly counter: UnsavedCounter; readonly state: ChangedCounter }[] = [];
    for (const counter of this.unsaved.values()) {
      if (taken.length >= SAVED_AT_ONCE) break;
      this.unsaved.delete(counter.slot);
      const state = this.counters.read(counter);
      if (state === undefined) continue;
      const { at, used, written, endsAt } = state;
      const { limit, key } = counter;
      taken.push({ counter, state: { limit, key, at, used, endsAt, added: used - written } });
    }
    try {
      const states = taken.map(({ state }) => state);
      const inFile = await this.journal.save(states, this.clock.now());
      for (const [i, { counter, state }] of taken.entries()) {
        const standing = inFile[i];
        if (standing !== undefined) this.counters.noteWritten(counter, { ...state, former: 0 }, standing);
      }
      this.succeed();
    } catch (error) {
      for (const { counter } of taken)
        if (!this.unsaved.has(counter.slot)) this.unsaved.set(counter.slot, counter);
      this.fail(error);
    }
  }

  private succeed(): void {
    if (this.complainedAt > Number.NEGATIVE_INFINITY) this.log.info({}, 'quotas are written down again');
    this.failures = 0;
    this.reason = undefined;
    this.complainedAt = Number.NEGATIVE_INFINITY;
  }

  private fail(err: unknown): void {
    this.failures++;
    this.pausedUntil = this.clock.monotonic() + Math.min(LONGEST_PAUSE_MS, SAVE_MS * 2 ** this.failures);
    this.reason = err instanceof Error ? err.message : String(err);
    this.complain(err);
  }

  private complain(err: unknown): void {
    const now = this.clock.monotonic();
    // A disk that is full must not be filled by saying so ten times a second.
    if (now - this.complainedAt < WARN_MS) return;
    this.complainedAt = now;
    this.log.error({ err }, 'quotas could not be written down; they hold in memory, and this is tried again');
  }
}
