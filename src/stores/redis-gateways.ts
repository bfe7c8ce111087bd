import type { Clock } from '../core/clock.ts';
import { redisScript } from './redis-script.ts';

/** How often a gateway lets Redis know that it is there. */
export const BEAT_MS = 1000;
/** How long a gateway counts after it was last heard. */
export const REST_MS = 5000;

/** Notes that one gateway is there, forgets those that were not heard for long, and gives how many are left. */
export const GATEWAY_SCRIPT = redisScript(`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])
`);

/**
 * How many gateways there are. A Redis that has lost its data hears of them one by one, so a lower number counts only
 * when no higher one has come for a while.
 */
export class GatewayCount {
  private readonly clock: Clock;
  private highest = 1;
  private highestAt = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  get count(): number {
    return this.highest;
  }

  heard(count: number): void {
    const now = this.clock.monotonic();
    if (count < this.highest && now - this.highestAt < REST_MS) return;
    this.highest = Math.max(1, count);
    this.highestAt = now;
  }
}
