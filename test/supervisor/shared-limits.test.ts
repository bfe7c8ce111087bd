import { Agent, get } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { LimitCharge, LimitRule, LimitStanding, LimitStore } from '../../src/core/stores/limit-store.ts';
import { SharedLimits, serveLimits } from '../../src/supervisor/shared-limits.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { startWorkerPool } from './pool-of.ts';

const RULE: LimitRule = { algorithm: 'fixed-window', limit: 5, windowMs: 1000, burst: 5, maxDelayMs: 0 };

/** Keeps what it was asked, and lets units of each key through until there are none left. */
class SimpleStore implements LimitStore {
  readonly asked: LimitCharge[][] = [];
  readonly afterwards: LimitCharge[] = [];
  private readonly used = new Map<string, number>();

  charge(charges: readonly LimitCharge[]): readonly LimitStanding[] {
    this.asked.push([...charges]);
    return charges.map(({ key, cost, rule }) => {
      const used = (this.used.get(key) ?? 0) + cost;
      const isAllowed = used <= rule.limit;
      if (isAllowed) this.used.set(key, used);
      const remaining = rule.limit - (this.used.get(key) ?? 0);
      return { isAllowed, remaining, resetMs: 1.5, retryAfterMs: isAllowed ? 0 : 7, delayMs: 3 };
    });
  }

  chargeAfterwards(charges: readonly LimitCharge[]): void {
    this.afterwards.push(...charges);
  }
}

/** A worker's side, whose messages are copied as between processes. */
function connect(store: LimitStore): { limits: SharedLimits; messages: unknown[] } {
  const messages: unknown[] = [];
  const supervisor = serveLimits(store);
  const copy = <Message>(message: Message): Message => {
    messages.push(message);
    return structuredClone(message);
  };
  const limits = new SharedLimits({
    charge: async (charges) => copy(await supervisor.charge(copy(charges))),
    chargeAfterwards: (charges) => supervisor.chargeAfterwards(copy(charges)),
  });
  return { limits, messages };
}

describe('limits that the supervisor decides about', () => {
  it('are asked for in one message a turn, and each request gets its own standings', async () => {
    const store = new SimpleStore();
    const { limits, messages } = connect(store);
    const charge = (key: string, cost = 1): LimitCharge => ({ limit: 'l', key, rule: RULE, cost });
    const answers = await Promise.all([
      limits.charge([charge('a', 4)]),
      limits.charge([charge('a', 2), charge('b')]),
      limits.charge([charge('a')]),
    ]);
    expect(messages).toHaveLength(2);
    expect(answers).toEqual([
      [{ isAllowed: true, remaining: 1, resetMs: 1.5, retryAfterMs: 0, delayMs: 3 }],
      [
        { isAllowed: false, remaining: 1, resetMs: 1.5, retryAfterMs: 7, delayMs: 3 },
        { isAllowed: true, remaining: 4, resetMs: 1.5, retryAfterMs: 0, delayMs: 3 },
      ],
      [{ isAllowed: true, remaining: 0, resetMs: 1.5, retryAfterMs: 0, delayMs: 3 }],
    ]);
  });

  it('arrive as they were asked', async () => {
    const store = new SimpleStore();
    const { limits } = connect(store);
    const plain: LimitCharge = { limit: 'l', key: 'a', rule: RULE, cost: 1 };
    const quota: LimitCharge = {
      limit: 'q',
      key: 'é',
      rule: { ...RULE, limit: 9 },
      cost: 0,
      period: { startsAt: 1, endsAt: 2 },
      isObserved: true,
    };
    await limits.charge([plain, quota]);
    await limits.charge([{ ...quota, rule: { ...quota.rule } }]);
    limits.chargeAfterwards([{ ...plain, cost: -3, limit: 'other' }]);
    const asPlain = { ...plain, period: undefined, isObserved: false };
    expect(store.asked).toEqual([[asPlain, quota], [quota]]);
    expect(store.afterwards).toEqual([{ ...asPlain, cost: -3, limit: 'other' }]);
  });

  it('tell what a limit is once, however often its configuration is loaded', async () => {
    const { limits, messages } = connect(new SimpleStore());
    for (let i = 0; i < 3; i++)
      await limits.charge([{ limit: 'l', key: 'a', rule: structuredClone(RULE), cost: 1 }]);
    expect(messages.filter((message) => JSON.stringify(message).includes('fixed-window'))).toHaveLength(1);
  });

  it('reject where the supervisor cannot be asked', async () => {
    const limits = new SharedLimits({
      charge: () => Promise.reject(new Error('the supervisor is gone')),
      chargeAfterwards() {},
    });
    const charging = limits.charge([{ limit: 'l', key: 'a', rule: RULE, cost: 1 }]);
    await expect(charging).rejects.toThrow('the supervisor is gone');
  });
});

describe('a limit over four workers', () => {
  it('lets exactly 1,000 of 50 clients through', async () => {
    const { gateway, metrics } = await startWorkerPool(
      {
        routes: [{ id: 'all', path: '/*', respond: { status: 200, body: 'x' } }],
        policies: [{ 'rate-limit': { limit: 1000, window: '30d' } }],
      },
      {},
      4,
    );
    const agent = new Agent({ keepAlive: true, maxSockets: 50 });
    onTestFinished(() => agent.destroy());
    const ask = (): Promise<number> =>
      new Promise((resolve, reject) => {
        get({ port: gateway.port, host: LOOPBACK, agent }, (response) => {
          response.resume().once('end', () => resolve(response.statusCode ?? 0));
        }).once('error', reject);
      });
    const client = async (): Promise<number[]> => {
      const statuses: number[] = [];
      for (let i = 0; i < 24; i++) statuses.push(await ask());
      return statuses;
    };
    const statuses = (await Promise.all(Array.from({ length: 50 }, client))).flat();
    expect(statuses.filter((status) => status === 200)).toHaveLength(1000);
    expect(statuses.filter((status) => status === 429)).toHaveLength(200);
    expect(await metrics()).toMatch(/^gateway_limit_counters 1$/m);
  });
});
