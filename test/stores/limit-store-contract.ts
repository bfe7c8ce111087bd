import { describe, expect, it } from 'vitest';
import type {
  LimitAlgorithm,
  LimitCharge,
  LimitRule,
  LimitStanding,
  LimitStore,
} from '../../src/core/stores/limit-store.ts';

const HOUR_MS = 3_600_000;
const WINDOW_MS = 30 * 24 * HOUR_MS;
const ALGORITHMS: readonly LimitAlgorithm[] = [
  'token-bucket',
  'leaky-bucket',
  'fixed-window',
  'sliding-window',
];

/** A rule so slow that nothing of it changes while a test runs. */
export function slowRule(rule: Partial<LimitRule> = {}): LimitRule {
  const limit = rule.limit ?? 3;
  return { algorithm: 'token-bucket', limit, windowMs: WINDOW_MS, burst: limit, maxDelayMs: 0, ...rule };
}

export function chargeFor(charge: Partial<LimitCharge> = {}): LimitCharge {
  return { limit: 'orders', key: 'a', rule: slowRule(), cost: 1, ...charge };
}

export interface ContractOptions {
  /** Waits, where a store does, until what was charged afterwards is counted. */
  readonly settle?: () => Promise<void>;
  /** Units of 1000 by which a store may let more pass when many ask at once. Default: 0. */
  readonly excess?: number;
  /** The wall clock of the store. Default: that of the machine. */
  readonly now?: () => number;
}

/**
 * What every store of limits promises. `createStore` gives an empty one; nothing here moves its clock, which may be that of
 * another machine.
 */
export function limitStoreContract(
  name: string,
  createStore: () => LimitStore | Promise<LimitStore>,
  { settle = async () => {}, excess = 0, now: nowOf = Date.now }: ContractOptions = {},
): void {
  describe(name, () => {
    it.each(ALGORITHMS)('counts up to the limit, client by client: %s', async (algorithm) => {
      const store = await createStore();
      const charge = chargeFor({ rule: slowRule({ algorithm }) });
      const seen: LimitStanding[] = [];
      for (let i = 0; i < 5; i++) seen.push(await chargeOne(store, charge));
      expect(seen.map(({ isAllowed }) => isAllowed)).toEqual([true, true, true, false, false]);
      expect(seen.map(({ remaining }) => remaining)).toEqual([2, 1, 0, 0, 0]);
      expect(seen.map(({ retryAfterMs }) => retryAfterMs > 0)).toEqual([false, false, false, true, true]);
      for (const { resetMs, delayMs } of seen) {
        expect(resetMs).toBeGreaterThan(0);
        expect(resetMs).toBeLessThanOrEqual(2 * WINDOW_MS);
        expect(delayMs).toBe(0);
      }
      expect(await chargeOne(store, { ...charge, key: 'b' })).toMatchObject({
        isAllowed: true,
        remaining: 2,
      });
      expect(await chargeOne(store, { ...charge, limit: 'users' })).toMatchObject({ isAllowed: true });
    });

    it('counts none of the charges of a request of which one is refused', async () => {
      const store = await createStore();
      const wide = chargeFor({ limit: 'wide', rule: slowRule({ limit: 10 }) });
      const narrow = chargeFor({ limit: 'narrow', rule: slowRule({ limit: 1 }) });
      await store.charge([wide, narrow]);
      for (let i = 0; i < 3; i++) {
        const standings = await store.charge([wide, narrow]);
        expect(standings.map(({ isAllowed }) => isAllowed)).toEqual([true, false]);
        expect(standings.map(({ remaining }) => remaining)).toEqual([9, 0]);
      }
      expect(await chargeOne(store, { ...wide, cost: 9 })).toMatchObject({ isAllowed: true, remaining: 0 });
    });

    it('lets what is merely observed keep nothing from being counted', async () => {
      const store = await createStore();
      const enforced = chargeFor({ limit: 'enforced', rule: slowRule({ limit: 10 }) });
      const observed = chargeFor({ limit: 'observed', rule: slowRule({ limit: 1 }), isObserved: true });
      await store.charge([enforced, observed]);
      const standings = await store.charge([enforced, observed]);
      expect(standings.map(({ isAllowed }) => isAllowed)).toEqual([true, false]);
      expect(standings[0]?.remaining).toBe(8);
      const full = chargeFor({ limit: 'enforced', rule: slowRule({ limit: 10 }), cost: 9 });
      const fresh = { ...observed, limit: 'fresh' };
      expect((await store.charge([full, fresh])).map(({ isAllowed }) => isAllowed)).toEqual([false, true]);
      expect(await chargeOne(store, { ...fresh, cost: 0 })).toMatchObject({ remaining: 1 });
    });

    it('charges more than one unit, or none', async () => {
      const store = await createStore();
      expect(await chargeOne(store, chargeFor({ cost: 0 }))).toMatchObject({
        isAllowed: true,
        remaining: 3,
        resetMs: 0,
      });
      expect(await chargeOne(store, chargeFor({ cost: 4 }))).toMatchObject({
        isAllowed: false,
        remaining: 3,
      });
      expect(await chargeOne(store, chargeFor({ cost: 2 }))).toMatchObject({ isAllowed: true, remaining: 1 });
      expect(await chargeOne(store, chargeFor({ cost: 2 }))).toMatchObject({
        isAllowed: false,
        remaining: 1,
      });
      expect(await chargeOne(store, chargeFor({ cost: 1 }))).toMatchObject({ isAllowed: true, remaining: 0 });
      expect(await chargeOne(store, chargeFor({ cost: 0 }))).toMatchObject({ isAllowed: true, remaining: 0 });
    });

    it.each(ALGORITHMS)('counts afterwards beyond the limit, and hands back: %s', async (algorithm) => {
      const store = await createStore();
      const charge = chargeFor({ rule: slowRule({ algorithm, limit: 10 }) });
      await store.charge([charge]);
      store.chargeAfterwards([{ ...charge, cost: 14 }]);
      await settle();
      expect(await chargeOne(store, charge)).toMatchObject({ isAllowed: false, remaining: 0 });
      store.chargeAfterwards([{ ...charge, cost: -7 }]);
      await settle();
      expect(await chargeOne(store, { ...charge, cost: 0 })).toMatchObject({ remaining: 2 });
      store.chargeAfterwards([{ ...charge, cost: -100 }]);
      await settle();
      expect(await chargeOne(store, { ...charge, cost: 0 })).toMatchObject({ remaining: 10 });
    });

    it('lets requests wait in a queue, each longer than the one before it', async () => {
      const store = await createStore();
      const rule = slowRule({
        algorithm: 'leaky-bucket',
        limit: 60,
        windowMs: HOUR_MS,
        burst: 1,
        maxDelayMs: 150_000,
      });
      const seen = [];
      for (let i = 0; i < 4; i++) seen.push(await chargeOne(store, chargeFor({ rule })));
      expect(seen.map(({ isAllowed }) => isAllowed)).toEqual([true, true, true, false]);
      // A minute each, less what has passed since the first.
      const [first, second, third] = seen.map(({ delayMs }) => delayMs);
      expect(first).toBe(0);
      expect(second).toBeGreaterThan(30_000);
      expect(second).toBeLessThanOrEqual(60_000);
      expect(third).toBeGreaterThan(90_000);
      expect(third).toBeLessThanOrEqual(120_000);
    });

    it('counts a quota to the end of its period, and anew in the next one', async () => {
      const store = await createStore();
      const now = nowOf();
      const rule = slowRule({ algorithm: 'fixed-window', limit: 2, windowMs: 86_400_000 });
      const period = { startsAt: now - HOUR_MS, endsAt: now + HOUR_MS };
      const charge = chargeFor({ rule, period });
      expect(await chargeOne(store, charge)).toMatchObject({ isAllowed: true, remaining: 1 });
      await store.charge([charge]);
      const refused = await chargeOne(store, charge);
      expect(refused).toMatchObject({ isAllowed: false, remaining: 0 });
      expect(refused.retryAfterMs).toBeGreaterThan(HOUR_MS / 2);
      expect(refused.retryAfterMs).toBeLessThanOrEqual(HOUR_MS + 60_000);
      const next = { startsAt: now - 1000, endsAt: now + 2 * HOUR_MS };
      expect(await chargeOne(store, { ...charge, period: next })).toMatchObject({
        isAllowed: true,
        remaining: 1,
      });
    });

    it('counts what a request of the period before cost in the period that has begun, to its end', async () => {
      const store = await createStore();
      const now = nowOf();
      const rule = slowRule({ algorithm: 'fixed-window', limit: 5, windowMs: 86_400_000 });
      const before = { startsAt: now - 24 * HOUR_MS, endsAt: now - 1000 };
      const charge = chargeFor({ rule, cost: 2, period: { startsAt: now - 1000, endsAt: now + HOUR_MS } });
      await store.charge([charge]);
      store.chargeAfterwards([{ ...charge, period: before }]);
      await settle();
      expect(await chargeOne(store, charge)).toMatchObject({ isAllowed: false, remaining: 1 });
    });

    it('holds a quota to the end of its period by the clock of a gateway that is behind', async () => {
      const store = await createStore();
      const now = nowOf();
      const rule = slowRule({ algorithm: 'fixed-window', limit: 1, windowMs: 86_400_000 });
      const charge = chargeFor({ rule, period: { startsAt: now - 24 * HOUR_MS, endsAt: now - 1000 } });
      expect(await chargeOne(store, charge)).toMatchObject({ isAllowed: true });
      expect(await chargeOne(store, charge)).toMatchObject({ isAllowed: false });
    });

    it('begins a quota anew whose period was begun by a clock that was days ahead', async () => {
      const store = await createStore();
      const now = nowOf();
      const rule = slowRule({ algorithm: 'fixed-window', limit: 2, windowMs: 86_400_000 });
      const ahead = { startsAt: now + 71 * HOUR_MS, endsAt: now + 95 * HOUR_MS };
      const charge = chargeFor({ rule, period: { startsAt: now - HOUR_MS, endsAt: now + HOUR_MS } });
      await store.charge([{ ...charge, cost: 2, period: ahead }]);
      expect(await chargeOne(store, charge)).toMatchObject({ isAllowed: true, remaining: 1 });
      store.chargeAfterwards([charge]);
      await settle();
      expect(await chargeOne(store, charge)).toMatchObject({ isAllowed: false });
    });

    it('goes on counting when only the limit changes', async () => {
      const store = await createStore();
      await store.charge([chargeFor({ cost: 3 })]);
      const raised = chargeFor({ rule: slowRule({ limit: 5 }) });
      expect(await chargeOne(store, { ...raised, cost: 0 })).toMatchObject({ remaining: 2 });
    });

    it('lets exactly as many pass as may, however many ask at once', async () => {
      const store = await createStore();
      const rule = slowRule({ algorithm: 'fixed-window', limit: 1000 });
      const sum = chargeFor({
        limit: 'sum',
        rule: slowRule({ algorithm: 'sliding-window', limit: 1_000_000 }),
      });
      const ask = async (): Promise<number> => {
        let admitted = 0;
        for (let i = 0; i < 30; i++) {
          const [standing] = await store.charge([chargeFor({ rule }), sum]);
          if (standing?.isAllowed) admitted++;
        }
        return admitted;
      };
      const admitted = await Promise.all(Array.from({ length: 50 }, ask));
      const total = admitted.reduce((sumOf, each) => sumOf + each, 0);
      expect(total).toBeGreaterThanOrEqual(1000);
      expect(total).toBeLessThanOrEqual(1000 + excess);
      if (excess > 0) return;
      expect(await chargeOne(store, { ...sum, cost: 0 })).toMatchObject({ remaining: 999_000 });
    });

    it('takes keys of every kind for different clients', async () => {
      const store = await createStore();
      const keys = [
        '',
        'a b',
        '{a}',
        'a}{b',
        '\n',
        '\u0000',
        'é',
        '漢字',
        '=a',
        '@a',
        '%',
        '"',
        "'",
        '\\',
        'x'.repeat(500),
      ];
      for (const key of keys) {
        expect(await chargeOne(store, chargeFor({ key }))).toMatchObject({ isAllowed: true, remaining: 2 });
      }
      for (const key of keys)
        expect(await chargeOne(store, chargeFor({ key }))).toMatchObject({ remaining: 1 });
    });
  });
}

async function chargeOne(store: LimitStore, charge: LimitCharge): Promise<LimitStanding> {
  const [standing] = await store.charge([charge]);
  return standing as LimitStanding;
}
