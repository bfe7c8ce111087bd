import { describe, expect, it } from 'vitest';
import { STRATEGIES } from '../../../src/config/schema/upstream-schema.ts';
import type { UpstreamTarget } from '../../../src/upstream/upstream-target.ts';
import { stubExchange } from '../../core/stub-exchange.ts';
import { fc } from '../../support/fast-check.ts';
import { stubTarget, stubUpstream } from '../stub-upstream.ts';

const exchangeFrom = (clientAddress: string) => stubExchange({ clientAddress });

/** Keeps one request under way at a target for each one picked, and gives back how many each has. */
function load(pick: () => UpstreamTarget | undefined, times: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const name = pick()?.name ?? 'none';
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

describe('round-robin', () => {
  it('gives each target its turn', () => {
    const { upstream } = stubUpstream([1, 1, 1]);
    const names = Array.from({ length: 6 }, () => upstream.pick(stubExchange())?.name);
    expect(names).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  it('spreads the turns of a heavy target between those of the others', () => {
    const { upstream } = stubUpstream([5, 1, 1]);
    const names = Array.from({ length: 7 }, () => upstream.pick(stubExchange())?.name);
    expect(names).toEqual(['a', 'a', 'b', 'a', 'c', 'a', 'a']);
  });

  it('gives each target exactly its weight in every round of all weights', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 8 }),
        fc.integer({ min: 1, max: 3 }),
        (weights, rounds) => {
          const { count, targets } = stubUpstream(weights);
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          const counts = count(total * rounds);
          for (const { name, fullWeight } of targets) expect(counts[name]).toBe(fullWeight * rounds);
        },
      ),
    );
  });
});

describe('least-connections', () => {
  it('gives a target that is slow fewer requests than the others', () => {
    const { upstream, targets } = stubUpstream([1, 1, 1], { balance: 'least-connections' });
    const [slow] = targets;
    const waiting: UpstreamTarget[] = [];
    const counts: Record<string, number> = {};
    for (let i = 0; i < 300; i++) {
      const picked = upstream.pick(stubExchange()) as UpstreamTarget;
      counts[picked.name] = (counts[picked.name] ?? 0) + 1;
      // The slow one answers each tenth request, the others answer at once.
      if (picked !== slow) upstream.release(picked);
      else if (waiting.push(picked) % 10 === 0) upstream.release(picked);
    }
    expect(counts.a).toBeLessThan(10);
    expect(Math.abs((counts.b as number) - (counts.c as number))).toBeLessThan(10);
  });

  it('takes weights into account: three times the weight, three times the requests under way', () => {
    const { upstream } = stubUpstream([3, 1], { balance: 'least-connections' });
    expect(load(() => upstream.pick(stubExchange()), 40)).toEqual({ a: 30, b: 10 });
  });

  it('takes turns among equals', () => {
    expect(stubUpstream([1, 1, 1], { balance: 'least-connections' }).count(30)).toEqual({
      a: 10,
      b: 10,
      c: 10,
    });
  });
});

describe('two-choices', () => {
  it('sends less to the slower target', () => {
    const { upstream, targets, clock, count } = stubUpstream([1, 1, 1], { balance: 'two-choices' });
    const [slow] = targets;
    for (const target of targets) {
      upstream.report(stubExchange(), target, 200, target === slow ? 200 : 5, clock.monotonic());
    }
    const counts = count(300);
    expect(counts.a ?? 0).toBe(0);
    expect(counts.b).toBeGreaterThan(100);
  });

  it('asks a slow target again after a while', () => {
    const { upstream, targets, clock } = stubUpstream([1, 1], { balance: 'two-choices' });
    const [slow, quick] = targets as [UpstreamTarget, UpstreamTarget];
    upstream.report(stubExchange(), slow, 200, 500, 0);
    clock.advance(120_000);
    upstream.report(stubExchange(), quick, 200, 50, clock.monotonic());
    const exchange = Object.assign(stubExchange(), { startedAt: clock.monotonic() });
    expect(upstream.pick(exchange)).toBe(slow);
  });

  it('does not take a quick failure for a quick answer', () => {
    const { upstream, targets, count } = stubUpstream([1, 1], { balance: 'two-choices' });
    const [failing, working] = targets as [UpstreamTarget, UpstreamTarget];
    upstream.report(stubExchange(), failing, 200, 50, 0);
    upstream.report(stubExchange(), failing, 0, 0.1, 0);
    upstream.report(stubExchange(), working, 200, 40, 0);
    expect(count(50)).toEqual({ b: 50 });
  });
});

describe('random', () => {
  it('chooses each target about as often as its weight says', () => {
    const counts = stubUpstream([1, 3], { balance: 'random' }).count(4000);
    expect(counts.a).toBeGreaterThan(900);
    expect(counts.a).toBeLessThan(1100);
  });
});

describe('hash', () => {
  it('sends the same key to the same target', () => {
    const { upstream } = stubUpstream([1, 1, 1], { balance: 'hash:ip' });
    const names = Array.from({ length: 10 }, () => upstream.pick(exchangeFrom('192.0.2.9'))?.name);
    expect(new Set(names).size).toBe(1);
  });

  it('goes by a header, and by the address of who sends none', () => {
    const { upstream } = stubUpstream(new Array(10).fill(1), { balance: 'hash:header:x-tenant' });
    const of = (tenant: string, clientAddress: string) =>
      upstream.pick(stubExchange({ clientAddress, headers: tenant === '' ? [] : [['X-Tenant', tenant]] }))
        ?.name;
    const addresses = Array.from({ length: 20 }, (_, i) => `192.0.2.${i}`);
    expect(new Set(addresses.map((address) => of('acme', address))).size).toBe(1);
    expect(new Set(addresses.map((address) => of('', address))).size).toBeGreaterThan(1);
  });

  it('counts the addresses of one IPv6 network as one', () => {
    const { upstream } = stubUpstream(new Array(10).fill(1), { balance: 'hash:ip' });
    const names = ['2001:db8::1', '2001:db8:0:0:ffff::2', '2001:0db8::'].map(
      (address) => upstream.pick(exchangeFrom(address))?.name,
    );
    expect(new Set(names).size).toBe(1);
  });
});

describe.each([...STRATEGIES, 'hash:ip'])('%s', (balance) => {
  it('takes none of those tried while there is another, and one of them rather than none', () => {
    const { upstream, targets } = stubUpstream([1, 2, 3], { balance });
    const [a, b, c] = targets as [UpstreamTarget, UpstreamTarget, UpstreamTarget];
    for (let i = 0; i < 20; i++) {
      const exchange = exchangeFrom(`192.0.2.${i}`);
      expect(upstream.pick(exchange, [a, c])).toBe(b);
      expect(upstream.pick(exchange, [a])).not.toBe(a);
      expect(upstream.pick(exchange, [a, b, c])).toBeDefined();
    }
  });

  it('takes up targets that come, and leaves those that go', () => {
    const { upstream, targets, count } = stubUpstream([1], { balance });
    upstream.setTargets([stubTarget('new', 1)]);
    expect(count(5)).toEqual({ new: 5 });
    upstream.setTargets([]);
    expect(upstream.pick(stubExchange())).toBeUndefined();
    upstream.setTargets(targets);
    expect(count(5)).toEqual({ a: 5 });
  });
});
