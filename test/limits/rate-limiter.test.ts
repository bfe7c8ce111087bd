import { expect, it } from 'vitest';
import type { LimitRule, LimitStanding, LimitStore } from '../../src/core/stores/limit-store.ts';
import { RateLimiter } from '../../src/limits/rate-limiter.ts';
import { rateLimit } from '../../src/policies/index.ts';
import { stubExchange, stubServices } from '../core/stub-exchange.ts';
import { limitPipeline } from './limit-pipeline.ts';

const rule: LimitRule = { algorithm: 'fixed-window', limit: 3, windowMs: 60_000, burst: 3, maxDelayMs: 0 };

it('checks the rate limit of a client, at once where the counters are here', () => {
  const store = stubServices().services.limits as LimitStore;
  const limiter = new RateLimiter({ store, name: 'logins', rule });
  expect(limiter.checkRateLimit('ann')).toMatchObject({ isAllowed: true, remaining: 2 });
  expect(limiter.checkRateLimit('ann', 2)).toMatchObject({ isAllowed: true, remaining: 0 });
  expect(limiter.checkRateLimit('ann')).toMatchObject({ isAllowed: false });
  expect(limiter.checkRateLimit('bob')).toMatchObject({ isAllowed: true });
  const same = new RateLimiter({ store, name: 'logins', rule });
  expect(same.checkRateLimit('ann')).toMatchObject({ isAllowed: false });
  expect(new RateLimiter({ store, name: 'other', rule }).checkRateLimit('ann')).toMatchObject({
    isAllowed: true,
  });
});

it('waits for a store that is elsewhere', async () => {
  const standing: LimitStanding = { isAllowed: true, remaining: 1, resetMs: 1, retryAfterMs: 0, delayMs: 0 };
  const store: LimitStore = { charge: async () => [standing], chargeAfterwards() {} };
  expect(await new RateLimiter({ store, name: 'logins', rule }).checkRateLimit('ann')).toBe(standing);
});

it('hands back what was counted for a client that left while the store was asked', async () => {
  let answer: (standings: readonly LimitStanding[]) => void = () => {};
  const handedBack: unknown[] = [];
  const store: LimitStore = {
    charge: () => new Promise((resolve) => (answer = resolve)),
    chargeAfterwards: (charges) => void handedBack.push(...charges),
  };
  const { pipeline } = limitPipeline([[rateLimit, { limit: 5, window: '1m', cost: 2 }]], { store });
  const exchange = stubExchange();
  const result = pipeline.runRequest(exchange);
  pipeline.runFinish(exchange);
  answer([{ isAllowed: true, remaining: 3, resetMs: 1, retryAfterMs: 0, delayMs: 0 }]);
  expect(await result).toMatchObject({ code: 'GW_CLIENT_CLOSED' });
  expect(handedBack).toMatchObject([{ limit: 'orders/rate-limit tb60000', key: '192.0.2.7', cost: -2 }]);
});
