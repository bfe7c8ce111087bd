import type { SignatureAlgorithm } from '../config/key-material/signature-algorithms.ts';
import type { Clock } from '../core/clock.ts';
import { problemOf } from '../core/error-text.ts';
import type { Log } from '../core/services.ts';
import { type FoundKeys, type KeySet, matchKeys, type VerificationKey } from './key-set.ts';

/** What loading a key set gives. */
export interface LoadedKeys {
  readonly keys: readonly VerificationKey[];
  readonly issuer?: string | undefined;
}

/** When a set is loaded, and how long it counts. All in milliseconds. */
export interface KeySetTimes {
  /** From one load to the next while all is well. */
  readonly refresh: number;
  /** From a load that failed to the next. */
  readonly retry: number;
  /** Least time between loads for the sake of tokens whose key is unknown. */
  readonly unknownKey: number;
  /** How long keys count after the last load that succeeded. */
  readonly stale: number;
}

export interface KeySetOptions {
  /** The auth service, for the log. */
  readonly name: string;
  readonly load: (signal: AbortSignal) => Promise<LoadedKeys>;
  readonly times: KeySetTimes;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears when a key no longer counts, so that what was verified with it has to be forgotten. */
  readonly onKeyRemoved: () => void;
}

/** While there are no keys at all, requests ask for them, but not each. */
const RETRY_WITHOUT_KEYS_MS = 1000;

/**
 * The keys of an issuer that changes them. They are loaded at once and again and again; a token with an unknown key
 * has them loaded too, which a flood of such tokens does once. Through an outage the last ones count for a while.
 */
export class ChangingKeySet implements KeySet {
  private readonly options: KeySetOptions;
  private readonly closing = new AbortController();
  private keys: readonly VerificationKey[] = [];
  private knownIssuer: string | undefined = undefined;
  private loadedAt = Number.NEGATIVE_INFINITY;
  private attemptedAt = Number.NEGATIVE_INFINITY;
  private loading: Promise<void> | undefined = undefined;
  private hasFailed = false;
  private lastProblem = '';
  private cancelNext: () => void = () => {};

  constructor(options: KeySetOptions) {
    this.options = options;
    void this.load();
  }

  get issuer(): string | undefined {
    return this.knownIssuer;
  }

  find(algorithm: SignatureAlgorithm, keyId: string | undefined): FoundKeys | Promise<FoundKeys> {
    const found = matchKeys(this.keys, algorithm, keyId);
    if (found.length > 0) {
      // Where no key has the name that is asked for, there may be a newer set, for which nobody has to wait.
      const isNamed = keyId === undefined || found.some(({ id }) => id === keyId);
      if (!isNamed && this.loading === undefined && this.mayLoad()) void this.load();
      return found;
    }
    if (this.loading === undefined && !this.mayLoad()) return this.withoutKey();
    return this.load().then(() => {
      const keys = matchKeys(this.keys, algorithm, keyId);
      return keys.length > 0 ? keys : this.withoutKey();
    });
  }

  problem(): string | undefined {
    if (!this.hasFailed) return undefined;
    const rest = this.keys.length === 0 ? 'no token can be verified' : 'the keys of before go on';
    return `its keys cannot be loaded: ${this.lastProblem}; ${rest}`;
  }

  close(): void {
    this.cancelNext();
    this.closing.abort();
  }

  private mayLoad(): boolean {
    const { clock, times } = this.options;
    const pause = this.keys.length === 0 ? RETRY_WITHOUT_KEYS_MS : times.unknownKey;
    return clock.monotonic() - this.attemptedAt >= Math.min(pause, times.unknownKey);
  }

  /** Of a key that the newest set does not have the token is no good; without a set nothing can be said. */
  private withoutKey(): FoundKeys {
    return this.hasFailed || this.keys.length === 0 ? 'unavailable' : [];
  }

  private load(): Promise<void> {
    this.loading ??= this.loadOnce().finally(() => {
      this.loading = undefined;
    });
    return this.loading;
  }

  private async loadOnce(): Promise<void> {
    const { load, times, clock } = this.options;
    this.cancelNext();
    this.attemptedAt = clock.monotonic();
    try {
      const loaded = await load(this.closing.signal);
      if (this.closing.signal.aborted) return;
      this.take(loaded);
    } catch (error) {
      if (this.closing.signal.aborted) return;
      this.endure(error);
    }
    this.cancelNext = clock.after(this.hasFailed ? times.retry : times.refresh, () => void this.load());
  }

  private take({ keys, issuer }: LoadedKeys): void {
    const { name, log, clock } = this.options;
    if (this.lastProblem !== '')
      log.info({ authService: name }, 'the keys of the auth service are there again');
    this.lastProblem = '';
    this.hasFailed = false;
    this.loadedAt = clock.monotonic();
    this.knownIssuer = issuer;
    this.replace(keys);
  }

  /** Keeps what was there, as long as it counts. */
  private endure(error: unknown): void {
    const { name, log, clock, times } = this.options;
    this.hasFailed = true;
    const problem = problemOf(error);
    const level = problem === this.lastProblem ? 'debug' : 'warn';
    this.lastProblem = problem;
    if (clock.monotonic() - this.loadedAt >= times.stale) this.replace([]);
    const goesOn = this.keys.length > 0;
    log[level]({ authService: name, err: error, goesOn }, 'the keys of the auth service cannot be loaded');
  }

  private replace(keys: readonly VerificationKey[]): void {
    const isGone = this.keys.some((key) => !keys.some((other) => isSameKey(key, other)));
    this.keys = keys;
    if (isGone) this.options.onKeyRemoved();
  }
}

function isSameKey(a: VerificationKey, b: VerificationKey): boolean {
  return a.id === b.id && a.algorithms.join() === b.algorithms.join() && a.key.equals(b.key);
}
