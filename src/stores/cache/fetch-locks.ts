import { randomUUID } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import type { FetchLock } from '../../core/stores/cache-store.ts';
import type { RedisConnection } from '../redis-connection.ts';
import { redisScript } from '../redis-script.ts';
import { sharedName } from './redis-responses.ts';

/** How long a turn lasts that nobody ends, since its gateway has. In milliseconds. */
const FETCH_LOCK_MS = 5000;
/** How long others wait for theirs. */
const MAX_WAIT_MS = 5000;
/** For how long nobody waits for what proved not to be shared. */
const ALONE_MS = 10_000;
const ALONE = 'alone';
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 80;
/** Who waits asks again and again; beyond so many, each fetches for itself. */
const MAX_WAITING = 256;

/** Ends a turn, if it is still that one's. KEYS: the turn. ARGV: its token, and how long nobody shall wait for the next. */
export const END_FETCH_LOCK_SCRIPT = redisScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], '${ALONE}', 'PX', ARGV[2])
return 1
`);

/**
 * Has one of several gateways fetch at a time: whoever sets the mark in Redis does, the others wait until it is gone. It
 * goes by itself when its gateway does.
 */
export class FetchLocks {
  private readonly connection: RedisConnection;
  private readonly clock: Clock;
  /** Waits until what was stored under these keys can be found by the others; tells whether it can. */
  private readonly flushed: (keys: readonly string[]) => Promise<boolean>;
  private waiting = 0;

  constructor(
    connection: RedisConnection,
    clock: Clock,
    flushed: (keys: readonly string[]) => Promise<boolean>,
  ) {
    this.connection = connection;
    this.clock = clock;
    this.flushed = flushed;
  }

  /** As in `SharedFetches`. Never rejects. */
  async take(key: string, signal: AbortSignal): Promise<FetchLock | undefined> {
    const name = `${sharedName(this.connection.config.prefix, key)}:turn`;
    const token = randomUUID();
    const until = this.clock.monotonic() + MAX_WAIT_MS;
    let pauseMs = FIRST_PAUSE_MS;
    let hasWaited = false;
    try {
      for (;;) {
        const holder = await this.connection.send(name, [
          'SET',
          name,
          token,
          'NX',
          'GET',
          'PX',
          String(FETCH_LOCK_MS),
        ]);
        if (holder === null) return this.begin(name, token, hasWaited);
        if (holder === ALONE) return undefined;
        const leftMs = until - this.clock.monotonic();
        if (signal.aborted || leftMs <= 0 || this.waiting >= MAX_WAITING) return undefined;
        hasWaited = true;
        await this.pause(Math.min(pauseMs, leftMs), signal);
        pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
      }
    } catch {
      return undefined;
    }
  }

  private begin(name: string, token: string, hasWaited: boolean): FetchLock {
    let hasEnded = false;
    const end = async (keys: readonly string[], isShareable: boolean): Promise<void> => {
      if (hasEnded) return;
      hasEnded = true;
      // What comes of the fetch is stored in this turn of the event loop.
      await Promise.resolve();
      const isShared = (await this.flushed(keys)) && isShareable;
      const aloneMs = String(isShared ? 0 : ALONE_MS);
      await this.connection.runScript(END_FETCH_LOCK_SCRIPT, [name], [token, aloneMs]).catch(() => {});
    };
    return { hasWaited, end: (keys, isShareable) => void end(keys, isShareable) };
  }

  private pause(delayMs: number, signal: AbortSignal): Promise<void> {
    this.waiting++;
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        signal.removeEventListener('abort', finish);
        this.waiting--;
        resolve();
      };
      const cancel = this.clock.after(delayMs, finish);
      signal.addEventListener('abort', finish);
    });
  }
}
