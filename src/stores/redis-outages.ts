import type { Counter, Services } from '../core/services.ts';

/** A Redis that is away again so soon after it was back was never well. */
const STEADY_MS = 10_000;
/** How long it must answer before it is used again, doubled with each time that it goes. */
const FIRST_TRIAL_MS = 1000;
const LONGEST_TRIAL_MS = 16_000;

/**
 * Knows whether Redis is away, and says so once: one that comes and goes is on trial, longer each time, and is all one
 * outage in the log.
 */
export class RedisOutages {
  private readonly name: string;
  private readonly services: Pick<Services, 'clock' | 'log'>;
  private readonly counter: Counter | undefined;
  private readonly whileAway: string;
  private downSince: number | undefined = undefined;
  private upSince: number | undefined = undefined;
  private respondsSince: number | undefined = undefined;
  private trialMs = 0;
  /** Outages that followed the first one before Redis was steady. */
  private relapses = 0;

  constructor(
    name: string,
    services: Pick<Services, 'clock' | 'log' | 'metrics'>,
    isCounted: boolean,
    whileAway = 'the gateway goes on without it',
  ) {
    this.name = name;
    this.services = services;
    this.whileAway = whileAway;
    const help = 'Times that Redis went away.';
    this.counter = isCounted ? services.metrics.counter('gateway_redis_outages_total', help) : undefined;
  }

  /** Notes that Redis is away. */
  begin(reason: string | undefined): void {
    this.respondsSince = undefined;
    if (this.downSince !== undefined) return;
    const { clock, log } = this.services;
    const now = clock.monotonic();
    this.downSince = now;
    this.counter?.add();
    const isRelapse = this.upSince !== undefined && now - this.upSince < STEADY_MS;
    if (!isRelapse) {
      this.reset();
      log.warn({ redis: this.name, reason }, `Redis is away; ${this.whileAway}`);
      return;
    }
    this.relapses++;
    this.trialMs = Math.min(LONGEST_TRIAL_MS, Math.max(FIRST_TRIAL_MS, this.trialMs * 2));
    log.debug({ redis: this.name, reason, trialMs: this.trialMs }, 'Redis is away again');
  }

  /** Notes a response. Tells whether Redis can be used. */
  isOver(): boolean {
    const { clock, log } = this.services;
    const now = clock.monotonic();
    this.respondsSince ??= now;
    if (this.downSince === undefined) this.noteSteadiness(now);
    else if (now - this.respondsSince < this.trialMs) return false;
    else {
      const awayMs = Math.round(now - this.downSince);
      this.downSince = undefined;
      this.upSince = now;
      if (this.relapses === 0) log.info({ redis: this.name, awayMs }, 'Redis is back');
    }
    return true;
  }

  private noteSteadiness(now: number): void {
    if (this.relapses === 0 || this.upSince === undefined || now - this.upSince < STEADY_MS) return;
    const outages = this.relapses + 1;
    this.reset();
    this.services.log.info({ redis: this.name, outages }, 'Redis came and went, and is steady again');
  }

  private reset(): void {
    this.relapses = 0;
    this.trialMs = 0;
  }
}
