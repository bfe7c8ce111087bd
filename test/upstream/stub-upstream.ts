import type { Exchange } from '../../src/core/exchange.ts';
import type { Target } from '../../src/core/message.ts';
import { createBalancer } from '../../src/upstream/balancing/create-balancer.ts';
import { TargetState } from '../../src/upstream/target-state.ts';
import { Upstream, type UpstreamSettings } from '../../src/upstream/upstream.ts';
import { UpstreamState, type UpstreamStateSettings } from '../../src/upstream/upstream-state.ts';
import { UpstreamTarget } from '../../src/upstream/upstream-target.ts';
import { stubExchange } from '../core/stub-exchange.ts';
import { StubClock } from '../observability/stub-clock.ts';

const PASSIVE = { failures: 5, ejectForMs: 30_000, healthyAfter: 2, unhealthyAfter: 3 };

/** A random source that gives the same numbers in each run (mulberry32). */
export function seededRandom(seed = 1): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A target that answers nothing, for tests of who is picked. */
export function stubTarget(name: string, weight = 1, clock = new StubClock()): UpstreamTarget {
  const target: Target = { name, exchange: () => ({ cancel() {} }) };
  return new UpstreamTarget({ target, meter: undefined, weight, state: new TargetState(PASSIVE, clock) });
}

export interface StubUpstream {
  readonly upstream: Upstream;
  readonly clock: StubClock;
  readonly targets: readonly UpstreamTarget[];
  /** Picks and releases so many times; returns how often each target was picked. */
  count(times: number, exchange?: Exchange): Record<string, number>;
  /** Reports the same outcome of a target so many times. */
  report(target: UpstreamTarget, status: number, times?: number): void;
}

/** An upstream of targets with these weights, named `a`, `b`, … */
export function stubUpstream(
  weights: readonly number[],
  settings: Partial<UpstreamSettings> & { balance?: string } & Partial<UpstreamStateSettings> = {},
): StubUpstream {
  const { balance = 'round-robin', retryBudget = 0.2, hedgeBudget = 0.05, breaker, ...rest } = settings;
  const clock = new StubClock();
  const random = seededRandom();
  const targets = weights.map((weight, i) => stubTarget(String.fromCharCode(97 + i), weight, clock));
  const upstream = new Upstream({
    name: 'orders',
    balancer: createBalancer(balance, random),
    sticky: undefined,
    slowStartMs: 0,
    maxEjected: 0.5,
    retries: undefined,
    hedgeAfterMs: undefined,
    responseTimeoutMs: 15_000,
    state: new UpstreamState({ retryBudget, hedgeBudget, breaker }),
    clock,
    random,
    counters: undefined,
    ...rest,
  });
  upstream.setTargets(targets);
  return {
    upstream,
    clock,
    targets,
    count(times, exchange = stubExchange()) {
      const counts: Record<string, number> = {};
      for (let i = 0; i < times; i++) {
        const picked = upstream.pick(exchange) as UpstreamTarget;
        counts[picked.name] = (counts[picked.name] ?? 0) + 1;
        upstream.release(picked);
      }
      return counts;
    },
    report(target, status, times = 1) {
      for (let i = 0; i < times; i++) upstream.report(stubExchange(), target, status, 5, clock.monotonic());
    },
  };
}
