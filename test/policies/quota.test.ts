import { describe, expect, it } from 'vitest';
import { quota, rateLimit } from '../../src/policies/index.ts';
import { problemsOf, upstreamHead } from '../core/stub-exchange.ts';
import { exchangeOf, limitPipeline } from '../limits/limit-pipeline.ts';

describe('a quota', () => {
  it('counts by subject unless told otherwise, beside rate limits in one decision', async () => {
    const { ask } = limitPipeline([
      [rateLimit, { limit: 100, window: '1h' }],
      [quota, { limit: 2, period: 'day' }],
    ]);
    await ask(exchangeOf({ subject: 'ann' }));
    await ask(exchangeOf({ subject: 'ann' }));
    const { status, headers, text } = await ask(exchangeOf({ subject: 'ann' }));
    expect(status).toBe(429);
    expect(JSON.parse(text)).toMatchObject({
      code: 'GW_QUOTA_EXCEEDED',
      'violated-policies': ['orders/quota'],
    });
    expect(headers.ratelimit).toMatch(/^"orders\/rate-limit";r=98;t=\d+, "orders\/quota";r=0;t=\d+$/);
    expect((await ask(exchangeOf({ subject: 'bob' }))).status).toBe(200);
  });

  it('begins anew with the calendar, not a period after the first request', async () => {
    const { ask, clock } = limitPipeline([[quota, { limit: 1, period: 'day', timeZone: 'Asia/Kathmandu' }]]);
    await ask();
    const { headers } = await ask();
    // 14 November 2023, 22:13:20 UTC; in Nepal a day ends at 18:15 UTC.
    expect(headers['retry-after']).toBe(String(20 * 3600 + 60 + 40));
    clock.advance((20 * 3600 + 60 + 40) * 1000 - 1);
    expect((await ask()).status).toBe(429);
    clock.advance(1);
    expect((await ask()).status).toBe(200);
  });

  it('counts what is large, such as the bytes of an answer, in full', async () => {
    const options = { limit: 1e12, period: 'month', cost: 'response-header:x-bytes' };
    const { ask } = limitPipeline([[quota, options]]);
    await ask(exchangeOf({}), upstreamHead([['x-bytes', '5000000000']]));
    expect((await ask(exchangeOf({}))).headers.ratelimit).toContain(';r=994999999999;');
  });

  it('is that of the plan', async () => {
    const options = {
      limit: 1,
      period: 'month',
      plans: { gold: { limit: 1000 } },
      overrides: { bob: { limit: 7 } },
    };
    const { ask } = limitPipeline([[quota, options]]);
    const leftOf = async (identity: object) =>
      /;r=(\d+);/.exec((await ask(exchangeOf(identity))).headers.ratelimit ?? '')?.[1];
    expect(await leftOf({ subject: 'a', plan: 'gold' })).toBe('999');
    expect(await leftOf({ subject: 'bob', plan: 'gold' })).toBe('6');
    expect(await leftOf({ subject: 'c' })).toBe('0');
  });

  it.each([
    [{ limit: 5 }, 'period'],
    [{ limit: 5, period: 'year' }, 'period'],
    [{ limit: 0, period: 'day' }, 'limit'],
    [{ limit: 1e13, period: 'day' }, 'limit'],
    [{ limit: 5, period: 'day', timeZone: 'Mars' }, 'timeZone'],
    [{ limit: 5, period: 'day', window: '1d' }, ''],
    [{ limit: 5, period: 'day', cost: 6 }, 'limit'],
    [{ limit: 5, period: 'day', cost: 'response-header:Content-Length' }, 'cost'],
    [{ limit: 5, period: 'day', cost: 'header:content-length' }, 'cost'],
    [{ limit: 5, period: 'day', cost: 2, overrides: { a: { limit: 1 } } }, 'overrides.a.limit'],
  ])('refuses %j', (options, path) => {
    expect(problemsOf(quota, options).map((problem) => problem.split(':')[0])).toEqual([path]);
  });
});
