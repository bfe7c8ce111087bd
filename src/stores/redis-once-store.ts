import type { Clock } from '../core/clock.ts';
import type { OnceStore, OnceVerdict, OnceWhileAway } from '../core/stores/once-store.ts';
import { MemoryOnceStore } from './memory-once-store.ts';
import type { RedisConnection } from './redis-connection.ts';

/** Remembers names in Redis, for all gateways together: one `SET NX` each, so that of two at a time one is first. */
export class RedisOnceStore implements OnceStore {
  private readonly connection: RedisConnection;
  private readonly here: MemoryOnceStore;

  constructor(connection: RedisConnection, clock: Pick<Clock, 'monotonic'>) {
    this.connection = connection;
    this.here = new MemoryOnceStore(clock);
  }

  /**
   * With `local` names are remembered here as well: one that passed while Redis was away is not new again once it is back.
   */
  note(name: string, keepForMs: number, whileAway: OnceWhileAway): OnceVerdict | Promise<OnceVerdict> {
    if (whileAway === 'closed') return this.ask(name, keepForMs);
    const here = this.here.note(name, keepForMs);
    if (here !== 'new' || !this.connection.isAvailable) return here;
    return this.ask(name, keepForMs).catch(() => here);
  }

  private async ask(name: string, keepForMs: number): Promise<OnceVerdict> {
    const key = `${this.connection.config.prefix}once:${name}`;
    const milliseconds = String(Math.max(1, Math.ceil(keepForMs)));
    const reply = await this.connection.send(key, ['SET', key, '1', 'PX', milliseconds, 'NX']);
    return reply === null ? 'seen' : 'new';
  }
}
