import { createClient, type RedisClientType } from '@redis/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  LimitAlgorithm,
  LimitCharge,
  LimitRule,
  LimitStanding,
} from '../../src/core/stores/limit-store.ts';
import {
  applyCharge,
  type ChargeDecision,
  countingOf,
  decideCharge,
  refuses,
  standingOf,
} from '../../src/limits/decide.ts';
import type { LimitState } from '../../src/limits/limit-state.ts';
import { chargeText, limitScript, readStandings } from '../../src/stores/limit-script.ts';
import type { RedisReply } from '../../src/stores/redis-link.ts';
import { redisScript } from '../../src/stores/redis-script.ts';
import { fc } from '../support/fast-check.ts';
import { RedisServer } from '../support/redis-server.ts';

/** What the gateway runs, but for the clock, which here is that of the model, and so without expiry by the server's. */
const EXPIRY = ", 'PX', string.format('%.0f', ttl)";
const ofModelTime = limitScript('tonumber(ARGV[#ARGV])').source;
const script = redisScript(ofModelTime.replace(EXPIRY, ''));
const scriptWithExpiry = redisScript(ofModelTime);

let server: RedisServer;
let client: Pick<RedisClientType, 'sendCommand' | 'destroy'>;

beforeAll(async () => {
  server = await RedisServer.start();
  client = await createClient({ socket: { path: server.socketPath, tls: false } }).connect();
});

afterAll(async () => {
  client.destroy();
  await server.close();
});

async function runScript(
  how: 'charge' | 'count',
  charges: readonly LimitCharge[],
  now: number,
  { source } = script,
): Promise<LimitStanding[]> {
  const keys = charges.map(({ limit, key }) => `${limit} ${key}`);
  const args = [String(keys.length), ...keys, how, ...charges.map(chargeText), String(now)];
  const reply = await client.sendCommand(['EVAL', source, ...args]);
  return readStandings(reply as unknown as RedisReply, charges.length);
}

/** Counts with `limits/` themselves, and forgets what is as new. */
class Model {
  private readonly states = new Map<string, LimitState>();

  charge(charges: readonly LimitCharge[], now: number): LimitStanding[] {
    const decisions = charges.map((charge) => decideCharge(this.states.get(charge.limit), charge, now));
    const isPassed = charges.every((charge, i) => !refuses(decisions[i] as ChargeDecision, charge));
    return charges.map((charge, i) => {
      const decision = decisions[i] as ChargeDecision;
      if (isPassed && decision.after !== decision.before) this.put(charge, decision.after, now);
      return standingOf(charge, decision, isPassed, now);
    });
  }

  count(charges: readonly LimitCharge[], now: number): void {
    for (const charge of charges)
      this.put(charge, applyCharge(this.states.get(charge.limit), charge, now), now);
  }

  private put(charge: LimitCharge, state: LimitState, now: number): void {
    const { limit, rule, period } = charge;
    const leftMs =
      period === undefined ? countingOf(charge).resetMs(state, rule, now, period) : period.endsAt - now;
    if (leftMs > 0) this.states.set(limit, state);
    else this.states.delete(limit);
  }
}

interface Step {
  readonly passesMs: number;
  readonly isAfterwards: boolean;
  readonly costs: readonly number[];
  readonly isObserved: boolean;
}

const algorithm = fc.constantFrom<LimitAlgorithm>(
  'token-bucket',
  'leaky-bucket',
  'fixed-window',
  'sliding-window',
);

/** Small numbers, whose edges are met often, and as large ones as there are. */
const rule = fc.oneof(
  fc.record({
    algorithm,
    limit: fc.integer({ min: 1, max: 12 }),
    windowMs: fc.integer({ min: 1, max: 40 }),
    burst: fc.integer({ min: 1, max: 12 }),
    maxDelayMs: fc.integer({ min: 0, max: 30 }),
  }),
  fc.record({
    algorithm,
    limit: fc.integer({ min: 1, max: 2 ** 31 }),
    windowMs: fc.integer({ min: 1, max: 31 * 86_400_000 }),
    burst: fc.integer({ min: 1, max: 2 ** 31 }),
    maxDelayMs: fc.integer({ min: 0, max: 60_000 }),
  }),
);

const step = fc.record<Step>({
  passesMs: fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 25 }) },
    { weight: 4, arbitrary: fc.integer({ min: 0, max: 86_400_000 }) },
    // A clock that was ahead and is put right.
    { weight: 1, arbitrary: fc.integer({ min: -3 * 86_400_000, max: -1 }) },
  ),
  isAfterwards: fc.boolean(),
  costs: fc.array(fc.oneof(fc.integer({ min: -4, max: 14 }), fc.integer({ min: 0, max: 2 ** 40 })), {
    minLength: 1,
    maxLength: 3,
  }),
  isObserved: fc.boolean(),
});

const PERIOD_MS = 60;

function chargesOf({ costs, isObserved }: Step, rules: readonly LimitRule[], now: number): LimitCharge[] {
  return costs.map((cost, i) => {
    const ofLimit = rules[i % rules.length] as LimitRule;
    const startsAt = Math.floor(now / PERIOD_MS) * PERIOD_MS;
    // Every second window is one of the calendar.
    const isQuota = ofLimit.algorithm === 'fixed-window' && ofLimit.windowMs % 2 === 0;
    return {
      limit: `limit ${i % rules.length}`,
      key: '192.0.2.7',
      rule: ofLimit.algorithm === 'leaky-bucket' ? ofLimit : { ...ofLimit, maxDelayMs: 0 },
      cost,
      ...(isQuota && { period: { startsAt, endsAt: startsAt + PERIOD_MS } }),
      isObserved: isObserved && i === 0,
    };
  });
}

/** The client of Redis is not exact about the last few whole numbers that there are. */
function bounded(standing: LimitStanding): LimitStanding {
  const most = Number.MAX_SAFE_INTEGER - 64;
  const { resetMs, retryAfterMs } = standing;
  return { ...standing, resetMs: Math.min(most, resetMs), retryAfterMs: Math.min(most, retryAfterMs) };
}

describe('the script of limits', () => {
  it('counts as JavaScript does, whatever is charged when', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(rule, { minLength: 3, maxLength: 3 }),
        fc.array(step, { minLength: 1, maxLength: 25 }),
        async (rules, steps) => {
          await client.sendCommand(['FLUSHALL']);
          const model = new Model();
          let now = 1_700_000_000_000;
          for (const taken of steps) {
            now += taken.passesMs;
            const charges = chargesOf(taken, rules, now);
            if (taken.isAfterwards) {
              model.count(charges, now);
              await runScript('count', charges, now);
            } else {
              const standings = await runScript('charge', charges, now);
              expect(standings.map(bounded)).toEqual(model.charge(charges, now).map(bounded));
            }
          }
        },
      ),
      { numRuns: 600 },
    );
  });

  it('has a gateway whose clock is days ahead count in the period that the others have begun', async () => {
    await client.sendCommand(['FLUSHALL']);
    const now = Date.now();
    const ofDay: LimitRule = {
      algorithm: 'fixed-window',
      limit: 3,
      windowMs: 86_400_000,
      burst: 3,
      maxDelayMs: 0,
    };
    const period = { startsAt: now - 1000, endsAt: now + 3_600_000 };
    const charge: LimitCharge = { limit: 'day', key: 'a', rule: ofDay, cost: 1, period };
    const ahead = { startsAt: now + 3 * 86_400_000, endsAt: now + 4 * 86_400_000 };
    for (const each of [charge, { ...charge, period: ahead }, charge])
      expect(await runScript('charge', [each], now, scriptWithExpiry)).toMatchObject([{ isAllowed: true }]);
    expect(await runScript('charge', [charge], now, scriptWithExpiry)).toMatchObject([{ isAllowed: false }]);
    // And it ends with their period, give or take what clocks may differ.
    expect(Number(await client.sendCommand(['PTTL', 'day a']))).toBeLessThan(2 * 3_600_000);
  });

  it('is that of the gateway but for time', () => {
    expect(script.source).not.toContain("'PX'");
    expect(ofModelTime).toContain(EXPIRY);
    expect(limitScript().source).toContain("redis.call('TIME')");
  });

  it('keeps every counter only until it is as new', async () => {
    await client.sendCommand(['FLUSHALL']);
    const charge = (ruleOf: LimitRule, cost: number): LimitCharge => ({
      limit: ruleOf.algorithm,
      key: 'a',
      rule: ruleOf,
      cost,
    });
    const rules = (['token-bucket', 'leaky-bucket', 'fixed-window', 'sliding-window'] as const).map(
      (kind) => ({
        algorithm: kind,
        limit: 10,
        windowMs: 60_000,
        burst: 10,
        maxDelayMs: 0,
      }),
    );
    const standings = await runScript(
      'charge',
      rules.map((one) => charge(one, 1)),
      Date.now(),
      scriptWithExpiry,
    );
    for (const [i, { algorithm: kind }] of rules.entries()) {
      const ttl = Number(await client.sendCommand(['PTTL', `${kind} a`]));
      expect(ttl).toBeGreaterThan(0);
      expect(ttl).toBeLessThanOrEqual(standings[i]?.resetMs ?? 0);
    }
    await runScript(
      'count',
      rules.map((one) => charge(one, -1)),
      Date.now(),
      scriptWithExpiry,
    );
    expect(await client.sendCommand(['DBSIZE'])).toBe(0);
  });

  it('takes a value that is not its own for none', async () => {
    await client.sendCommand(['SET', 'f a', 'something else']);
    const ruleOf = { algorithm: 'fixed-window', limit: 2, windowMs: 1000, burst: 0, maxDelayMs: 0 } as const;
    const [standing] = await runScript('charge', [{ limit: 'f', key: 'a', rule: ruleOf, cost: 1 }], 1000);
    expect(standing).toMatchObject({ isAllowed: true, remaining: 1 });
  });
});
