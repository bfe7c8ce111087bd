import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { GatewayError } from '../../src/core/errors.ts';
import { definePolicy } from '../../src/core/policy.ts';
import type { LimitStore } from '../../src/core/stores/limit-store.ts';
import { rateLimit } from '../../src/policies/index.ts';
import { problemsOf, stubExchange, upstreamHead } from '../core/stub-exchange.ts';
import { exchangeOf, type LimitEntry, limitPipeline } from '../limits/limit-pipeline.ts';

const ONE: LimitEntry = [rateLimit, { limit: 2, window: '1m' }];

describe('the response', () => {
  it('says on every response how the client stands', async () => {
    const { ask, clock } = limitPipeline([ONE]);
    expect((await ask()).headers).toMatchObject({
      'ratelimit-policy': '"orders/rate-limit";q=2;w=60',
      ratelimit: '"orders/rate-limit";r=1;t=30',
    });
    clock.advance(15_000);
    expect((await ask()).headers.ratelimit).toBe('"orders/rate-limit";r=0;t=45');
  });

  it('is 429 with the time to wait, rounded up, and the registered problem type', async () => {
    const { ask, clock } = limitPipeline([ONE]);
    await ask();
    await ask();
    clock.advance(500);
    const refused = await ask();
    expect(refused.status).toBe(429);
    expect(refused.headers).toMatchObject({
      'retry-after': '30',
      'content-type': 'application/problem+json',
      ratelimit: '"orders/rate-limit";r=0;t=60',
      'ratelimit-policy': '"orders/rate-limit";q=2;w=60',
    });
    expect(JSON.parse(refused.text)).toEqual({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      title: 'Too many requests',
      status: 429,
      code: 'GW_RATE_LIMITED',
      requestId: 'request-1',
      'violated-policies': ['orders/rate-limit'],
    });
    clock.advance(29_000);
    expect((await ask()).headers['retry-after']).toBe('1');
    clock.advance(499);
    expect((await ask()).headers['retry-after']).toBe('1');
    clock.advance(1);
    expect((await ask()).status).toBe(200);
  });

  it('has X-RateLimit-* if asked, of the limit that is nearest, in place of what the upstream says', async () => {
    const { ask, clock } = limitPipeline([
      [rateLimit, { limit: 100, window: '1h', id: 'hourly', legacyHeaders: true }],
      [rateLimit, { limit: 4, window: '1m', legacyHeaders: true }],
      [rateLimit, { limit: 1, window: '1s', id: 'quiet' }],
    ]);
    const { headers } = await ask(stubExchange(), upstreamHead([['X-RateLimit-Limit', '9']]));
    expect(headers).toMatchObject({
      'x-ratelimit-limit': '4',
      'x-ratelimit-remaining': '3',
      'x-ratelimit-reset': String((clock.now() + 15_000) / 1000),
    });
    const { headers: plain } = await limitPipeline([ONE]).ask();
    expect(Object.keys(plain).filter((name) => name.startsWith('x-'))).toEqual([]);
  });

  it("keeps the upstream's own RateLimit fields beside ours", async () => {
    const head = upstreamHead([['RateLimit', '"backend";r=5;t=9']]);
    const answer = limitPipeline([ONE]).pipeline;
    const again = stubExchange();
    await answer.runRequest(again);
    const { head: sent } = await answer.runReply(again, { status: 200, headers: head.headers });
    expect(sent.headers.getAll('ratelimit')).toEqual(['"backend";r=5;t=9', '"orders/rate-limit";r=1;t=30']);
  });

  it('writes a name as structured fields want it', async () => {
    const { ask } = limitPipeline([[rateLimit, { limit: 2, window: '1m', id: 'say "hi"\\ ü' }]]);
    expect((await ask()).headers.ratelimit).toBe('"say \\"hi\\"\\\\ ?";r=1;t=30');
  });

  it('tells a limit of the top level by the name of the policy', async () => {
    const { headers } = await limitPipeline([ONE], { route: '' }).ask();
    expect(headers.ratelimit).toMatch(/^"rate-limit";/);
  });
});

describe('several limits', () => {
  it('are decided together: what one refuses costs nothing of the others', async () => {
    const { ask } = limitPipeline([
      [rateLimit, { limit: 10, window: '1h', id: 'wide' }],
      [rateLimit, { limit: 1, window: '1h', id: 'narrow' }],
      [rateLimit, { limit: 20, window: '1h', id: 'wider' }],
    ]);
    expect((await ask()).status).toBe(200);
    for (let i = 0; i < 5; i++) {
      const { status, headers, text } = await ask();
      expect(status).toBe(429);
      expect(headers.ratelimit).toMatch(/^"wide";r=9;t=\d+, "narrow";r=0;t=\d+, "wider";r=19;t=\d+$/);
      expect(JSON.parse(text)['violated-policies']).toEqual(['narrow']);
    }
  });

  it('hand back what they took when a later one refuses that could not be asked with them', async () => {
    const between = definePolicy({
      name: 'between',
      options: z.unknown(),
      create: () => ({ onRequest() {} }),
    });
    const { ask } = limitPipeline([
      [rateLimit, { limit: 10, window: '1h', id: 'before' }],
      [between],
      [rateLimit, { limit: 1, window: '1h', id: 'after' }],
    ]);
    await ask();
    for (let i = 0; i < 3; i++) {
      const { status, headers } = await ask();
      expect(status).toBe(429);
      expect(headers.ratelimit).toMatch(/^"before";r=9;t=\d+, "after";r=0;t=\d+$/);
    }
  });

  it('keep what they took when something else refuses, such as an identifying policy', async () => {
    const refusing = definePolicy({
      name: 'refusing',
      options: z.unknown(),
      refuses: true,
      create: () => ({ onRequest: () => new GatewayError('GW_CREDENTIALS_MISSING') }),
    });
    const { ask } = limitPipeline([ONE, [refusing]]);
    expect((await ask()).status).toBe(401);
    expect((await ask()).status).toBe(401);
    expect((await ask()).status).toBe(429);
  });

  it('of one name count a request once', async () => {
    const shared: LimitEntry = [rateLimit, { limit: 2, window: '1m', id: 'shared' }];
    const { ask } = limitPipeline([shared, shared]);
    expect((await ask()).headers.ratelimit).toBe('"shared";r=1;t=30');
  });

  it('of one name count a request once also where another policy stands between them', async () => {
    const between = definePolicy({
      name: 'between',
      options: z.unknown(),
      create: () => ({ onRequest() {} }),
    });
    const shared: LimitEntry = [rateLimit, { limit: 2, window: '1m', id: 'shared' }];
    const { ask } = limitPipeline([shared, [between], shared]);
    const answers = [await ask(), await ask(), await ask()];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
  });

  it('that refuse together say when the last of them would let pass', async () => {
    const { ask } = limitPipeline([
      [rateLimit, { limit: 1, window: '1s' }],
      [rateLimit, { limit: 1, window: '1h', id: 'longest' }],
      [rateLimit, { limit: 1, window: '1m', id: 'longer' }],
      [rateLimit, { limit: 1, window: '1d', id: 'trial', observe: true }],
    ]);
    await ask();
    const { headers, text } = await ask();
    expect(headers['retry-after']).toBe('3600');
    expect(JSON.parse(text)['violated-policies']).toEqual(['longest']);
  });

  it('are counted by policy and verdict', async () => {
    const { ask, counts } = limitPipeline([ONE, [rateLimit, { limit: 1, window: '1m', id: 'narrow' }]]);
    await ask();
    await ask();
    const verdicts = [...counts].filter(([name]) => name.startsWith('gateway_policy_decisions_total'));
    expect(Object.fromEntries(verdicts)).toEqual({
      'gateway_policy_decisions_total orders rate-limit enforce allow': 2,
      'gateway_policy_decisions_total orders narrow enforce allow': 1,
      'gateway_policy_decisions_total orders narrow enforce refuse': 1,
    });
  });
});

describe('observe: true', () => {
  it('counts and logs what it would refuse, lets it pass, and tells the client nothing', async () => {
    const { ask, lines, counts } = limitPipeline([
      [rateLimit, { limit: 1, window: '1m', id: 'trial', observe: true }],
      [rateLimit, { limit: 3, window: '1m' }],
    ]);
    const answers = [await ask(), await ask(), await ask(), await ask()];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers.map(({ headers }) => headers.ratelimit)).not.toContain('trial');
    expect(lines.filter(({ message }) => message === 'policy would have rejected')).toHaveLength(3);
    expect(counts.get('gateway_policy_decisions_total orders trial observe refuse')).toBe(3);
  });

  it('does not keep the same limit from enforcing elsewhere on the route', async () => {
    const between = definePolicy({
      name: 'between',
      options: z.unknown(),
      create: () => ({ onRequest() {} }),
    });
    const enforced: LimitEntry = [rateLimit, { limit: 1, window: '1m', id: 'shared' }];
    const observed: LimitEntry = [rateLimit, { limit: 1, window: '1m', id: 'shared', observe: true }];
    for (const entries of [
      [observed, enforced],
      [enforced, observed],
      [observed, [between], enforced],
    ]) {
      const { ask } = limitPipeline(entries as LimitEntry[]);
      expect([(await ask()).status, (await ask()).status]).toEqual([200, 429]);
    }
  });

  it('does not let others pass what they cannot decide', async () => {
    const { ask } = limitPipeline([
      [rateLimit, { limit: 9, window: '1m', id: 'trial', observe: true }],
      [rateLimit, { limit: 9, window: '1m', cost: 'header:x-cost' }],
    ]);
    expect((await ask(stubExchange({ headers: [['x-cost', 'free']] }))).status).toBe(400);
  });
});

describe('who is counted', () => {
  it('is the address by default, of IPv6 the network', async () => {
    const { ask } = limitPipeline([[rateLimit, { limit: 1, window: '1m' }]]);
    const from = async (clientAddress: string) => (await ask(stubExchange({ clientAddress }))).status;
    expect(await from('192.0.2.1')).toBe(200);
    expect(await from('192.0.2.1')).toBe(429);
    expect(await from('192.0.2.2')).toBe(200);
    expect(await from('2001:db8::1')).toBe(200);
    expect(await from('2001:db8:0:0:ffff::2')).toBe(429);
    expect(await from('2001:db8:0:1::1')).toBe(200);
  });

  it('may be several things together', async () => {
    const { ask } = limitPipeline([
      [rateLimit, { limit: 1, window: '1m', key: ['subject', 'header:x-app'] }],
    ]);
    const by = async (subject: string, app: string) =>
      (await ask(exchangeOf({ subject }, [['x-app', app]]))).status;
    expect(await by('ann', 'web')).toBe(200);
    expect(await by('ann', 'web')).toBe(429);
    expect(await by('ann', 'ios')).toBe(200);
    expect(await by('an', 'nweb')).toBe(200);
  });

  it('is the address where the request lacks it, and nobody can call himself like one', async () => {
    const { ask } = limitPipeline([[rateLimit, { limit: 1, window: '1m', key: 'header:x-tenant' }]]);
    const by = async (tenant: string) =>
      (await ask(stubExchange({ headers: [['x-tenant', tenant]] }))).status;
    for (const tenant of ['192.0.2.7', '@192.0.2.7', '=@192.0.2.7', 'ip']) expect(await by(tenant)).toBe(200);
    expect((await ask()).status).toBe(200);
    expect((await ask()).status).toBe(429);
  });

  it('is not limited where it is on the allow list', async () => {
    const { ask } = limitPipeline([
      [rateLimit, { limit: 1, window: '1m', allow: { ips: ['10.0.0.0/8'], subjects: ['robot'] } }],
    ]);
    for (let i = 0; i < 3; i++) {
      const { status, headers } = await ask(stubExchange({ clientAddress: '10.1.2.3' }));
      expect([status, headers.ratelimit]).toEqual([200, undefined]);
      expect((await ask(exchangeOf({ subject: 'robot' }))).status).toBe(200);
    }
    await ask();
    expect((await ask()).status).toBe(429);
  });

  it('has the limit of its plan, or one of its own', async () => {
    const options = {
      limit: 1,
      window: '1m',
      key: 'subject',
      plans: { gold: { limit: 10, window: '10m' }, free: { limit: 2 } },
      planClaim: 'tier',
      overrides: { bob: { limit: 5 } },
    };
    const { ask } = limitPipeline([[rateLimit, options]]);
    const policyOf = async (identity: object) =>
      (await ask(exchangeOf(identity))).headers['ratelimit-policy'];
    expect(await policyOf({ subject: 'a', plan: 'gold' })).toBe('"orders/rate-limit";q=10;w=600');
    expect(await policyOf({ subject: 'b', plan: 'unheard-of' })).toBe('"orders/rate-limit";q=1;w=60');
    expect(await policyOf({ subject: 'c', claims: { tier: 'free' }, plan: 'gold' })).toBe(
      '"orders/rate-limit";q=2;w=60',
    );
    expect(await policyOf({ subject: 'bob', plan: 'gold' })).toBe('"orders/rate-limit";q=5;w=60');
    expect((await ask()).headers['ratelimit-policy']).toBe('"orders/rate-limit";q=1;w=60');
  });

  it('has the limit of its address, however that is spelt', async () => {
    const overrides = { '2001:DB8:0::7': { limit: 2 }, '::ffff:192.0.2.9': { limit: 3 } };
    const { ask } = limitPipeline([[rateLimit, { limit: 1, window: '1m', overrides }]]);
    const leftOf = async (clientAddress: string) =>
      /;r=(\d+);/.exec((await ask(stubExchange({ clientAddress }))).headers.ratelimit ?? '')?.[1];
    expect(await leftOf('2001:db8::1:1')).toBe('1');
    expect(await leftOf('192.0.2.9')).toBe('2');
    expect(await leftOf('192.0.2.8')).toBe('0');
  });

  it('keeps what it has used when its plan changes, if the window is the same', async () => {
    const options = { limit: 2, window: '1m', key: 'subject', plans: { gold: { limit: 5 } } };
    const { ask } = limitPipeline([[rateLimit, options]]);
    await ask(exchangeOf({}));
    await ask(exchangeOf({}));
    expect((await ask(exchangeOf({}))).status).toBe(429);
    expect((await ask(exchangeOf({ plan: 'gold' }))).headers.ratelimit).toMatch(/;r=2;/);
  });
});

describe('what a request costs', () => {
  it('is what its header says', async () => {
    const { ask } = limitPipeline([[rateLimit, { limit: 10, window: '1h', cost: 'header:x-cost' }]]);
    const costing = (cost: string) => ask(stubExchange({ headers: [['x-cost', cost]] }));
    expect((await costing('7')).headers.ratelimit).toMatch(/;r=3;/);
    expect((await costing('4')).status).toBe(429);
    expect((await ask()).headers.ratelimit).toMatch(/;r=2;/);
    for (const bad of ['0', '-1', '1.5', 'NaN', '1e3', '', '1, 1', ' '])
      expect((await costing(bad)).status).toBe(400);
  });

  it('is more than can ever be had: refused, with a time nevertheless', async () => {
    const { ask } = limitPipeline([[rateLimit, { limit: 2, window: '1m', cost: 'header:x-cost' }]]);
    const { status, headers } = await ask(stubExchange({ headers: [['x-cost', '3']] }));
    expect([status, headers['retry-after']]).toEqual([429, '1']);
  });
});

describe('a store that cannot be reached', () => {
  const broken = (charge: LimitStore['charge']): LimitStore => ({ charge, chargeAfterwards() {} });

  it.each([
    ['rejects', broken(() => Promise.reject(new Error('away')))],
    [
      'throws',
      broken(() => {
        throw new Error('away');
      }),
    ],
  ])('is answered 503 when it %s, by those that enforce', async (_, store) => {
    const observed: LimitEntry = [rateLimit, { limit: 2, window: '1m', observe: true, id: 'trial' }];
    const { ask } = limitPipeline([observed, ONE], { store });
    const { status, headers, text } = await ask();
    expect(status).toBe(503);
    expect(headers['retry-after']).toBe('1');
    expect(JSON.parse(text).code).toBe('GW_LIMITS_UNAVAILABLE');
    expect(text).not.toContain('away');
    expect((await limitPipeline([observed], { store }).ask()).status).toBe(200);
  });

  it('may answer later', async () => {
    const later: LimitStore = {
      charge: async (charges) =>
        charges.map(() => ({
          isAllowed: false,
          remaining: 0,
          resetMs: 5000,
          retryAfterMs: 1001,
          delayMs: 0,
        })),
      chargeAfterwards() {},
    };
    const { status, headers } = await limitPipeline([ONE], { store: later }).ask();
    expect([status, headers['retry-after']]).toEqual([429, '2']);
  });
});

describe('options', () => {
  it.each([
    [{ limit: 5 }, 'window'],
    [{ window: '1m' }, 'limit'],
    [{ limit: 0, window: '1m' }, 'limit'],
    [{ limit: 1.5, window: '1m' }, 'limit'],
    [{ limit: 5, window: '0s' }, 'window'],
    [{ limit: 5, window: '1m', algorithm: 'magic' }, 'algorithm'],
    [{ limit: 5, window: '1m', maxDelay: '1s' }, 'maxDelay'],
    [{ limit: 5, window: '1m', algorithm: 'fixed-window', burst: 5 }, 'burst'],
    [{ limit: 5, window: '1m', key: 'nobody' }, 'key'],
    [{ limit: 5, window: '1m', key: [] }, 'key'],
    [{ limit: 5, window: '1m', cost: 0 }, 'cost'],
    [{ limit: 5, window: '1m', cost: 'body:x' }, 'cost'],
    [{ limit: 5, window: '1m', cost: 6 }, 'limit'],
    [{ limit: 5, window: '1m', cost: 3, burst: 2 }, 'burst'],
    [{ limit: 5, window: '1m', cost: 3, plans: { free: { limit: 2 } } }, 'plans.free.limit'],
    [{ limit: 5, window: '1m', cost: 6, algorithm: 'sliding-window' }, 'limit'],
    [{ limit: 5, window: '1m', key: ['ip', 'route'], overrides: { a: { limit: 1 } } }, 'overrides'],
    [{ limit: 9_000_000, window: '30d', algorithm: 'token-bucket' }, 'limit'],
    [{ limit: 5, window: '1m', plans: { gold: { limit: 0 } } }, 'plans.gold.limit'],
    [{ limit: 5, window: '1m', allow: { ips: ['nowhere'] } }, 'allow.ips.0'],
  ])('%j is refused for %s', (options, path) => {
    expect(problemsOf(rateLimit, options).map((problem) => problem.split(':')[0])).toEqual([path]);
  });
});
