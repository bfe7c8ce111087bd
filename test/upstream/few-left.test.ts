import { describe, expect, it } from 'vitest';
import { EMPTY_BODY } from '../../src/core/body.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import type { ResponseSink, TargetRequest } from '../../src/core/message.ts';
import { createSender } from '../../src/proxy/upstream-sender.ts';
import { TargetState } from '../../src/upstream/target-state.ts';
import { UpstreamTarget } from '../../src/upstream/upstream-target.ts';
import { stubExchange } from '../core/stub-exchange.ts';
import { CollectingSink } from '../support/collecting-sink.ts';
import { fc } from '../support/fast-check.ts';
import { startGateway, startTarget } from '../support/harness.ts';
import { stubUpstream } from './stub-upstream.ts';

describe('a request whose target has just failed', () => {
  /** A target that can be told to fail, by a broken connection or by a status. */
  async function startMoody(name: string) {
    const mood: { failure: 'break' | number | undefined } = { failure: undefined };
    const target = await startTarget((request, response) => {
      if (mood.failure === 'break') request.socket.destroy();
      else response.writeHead(mood.failure ?? 200).end(name);
    });
    return { ...target, mood };
  }

  it.each(['break', 503] as const)('goes to one that is out but is back: %s', async (failure) => {
    const targets = [await startMoody('a'), await startMoody('b')];
    const { url, gateway } = await startGateway({
      upstreams: {
        service: {
          targets: targets.map((target) => target.url),
          health: { passive: { failures: 2, ejectFor: '1h' } },
        },
      },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    const [a, b] = targets as [(typeof targets)[0], (typeof targets)[0]];
    a.mood.failure = failure;
    for (let i = 0; i < 6; i++) expect(await (await fetch(url)).text()).toBe('b');
    const { upstreams } = await gateway.describe();
    expect(upstreams[0]?.targets.map(({ state }) => state)).toEqual(['ejected', 'healthy']);
    a.mood.failure = undefined;
    b.mood.failure = failure;
    for (let i = 0; i < 6; i++) expect(await (await fetch(url)).text()).toBe('a');
  });
});

describe('picking after failures', () => {
  const exchange = stubExchange();

  it('takes one that has not failed last, then one that has, then one that is out, then the same', () => {
    const { upstream, targets, report } = stubUpstream([1, 1, 1, 1], { maxEjected: 0.25 });
    const [a, b, c, d] = targets as [UpstreamTarget, UpstreamTarget, UpstreamTarget, UpstreamTarget];
    report(a, 503, 5);
    report(b, 503);
    const order: string[] = [];
    const tried = [d];
    for (let i = 0; i < 4; i++) {
      const picked = upstream.pick(exchange, tried) as UpstreamTarget;
      order.push(picked.name);
      tried.push(picked);
    }
    expect(order.slice(0, 3)).toEqual([c.name, b.name, a.name]);
    expect(upstream.pick(exchange, targets, exchange, 'another')).toBeUndefined();
  });

  it('takes of those that are out the one that was put out first, and last what fails its checks', () => {
    const { upstream, targets, report, clock } = stubUpstream([1, 1, 1, 1], { maxEjected: 0.75 });
    const [a, b, c, d] = targets as [UpstreamTarget, UpstreamTarget, UpstreamTarget, UpstreamTarget];
    for (let i = 0; i < 3; i++) a.state.takeCheck('status 500');
    for (const target of [c, b]) {
      clock.advance(10);
      report(target, 503, 5);
    }
    const names = [[d], [d, c], [d, c, b]].map((tried) => upstream.pick(exchange, tried)?.name);
    expect(names).toEqual([c.name, b.name, a.name]);
  });

  it('hedges with none that is out', () => {
    const { upstream, targets, report } = stubUpstream([1, 1]);
    const [a, b] = targets as [UpstreamTarget, UpstreamTarget];
    report(a, 503, 5);
    expect(upstream.pick(exchange, [b], exchange, 'ready')).toBeUndefined();
  });
});

// The model: targets come and go, checks and ejections with them, time passes; requests are sent one after the other.

type Failure = 'unreachable' | 'broken' | 502 | 503;
type Step =
  | { readonly kind: 'fall'; readonly target: number; readonly failure: Failure }
  | { readonly kind: 'rise'; readonly target: number }
  | { readonly kind: 'check'; readonly target: number; readonly passes: boolean }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'get' };

const steps = (targets: number): fc.Arbitrary<Step[]> => {
  const target = fc.nat({ max: targets - 1 });
  return fc.array(
    fc.oneof(
      fc.record({
        kind: fc.constant('fall' as const),
        target,
        failure: fc.constantFrom<Failure>('unreachable', 'broken', 502, 503),
      }),
      fc.record({ kind: fc.constant('rise' as const), target }),
      fc.record({ kind: fc.constant('check' as const), target, passes: fc.boolean() }),
      fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 90_000 }) }),
      { arbitrary: fc.record({ kind: fc.constant('get' as const) }), weight: 6 },
    ),
    { maxLength: 80 },
  );
};

const settings = fc.record({
  balance: fc.constantFrom('round-robin', 'least-connections', 'two-choices', 'random', 'hash:ip'),
  maxEjected: fc.constantFrom(0, 0.34, 0.5, 1),
  slowStartMs: fc.constantFrom(0, 30_000),
  ejectAfter: fc.integer({ min: 1, max: 5 }),
});

const REQUEST: TargetRequest = {
  method: 'GET',
  path: '/',
  host: '',
  headers: HeaderList.from(),
  body: EMPTY_BODY,
  upgrade: undefined,
  acceptsTrailers: false,
  responseTimeoutMs: 60_000,
};

/** Plays the steps on an upstream of which target 0 always answers, and returns how many requests failed. */
async function play(
  targets: number,
  max: number,
  { balance, maxEjected, slowStartMs, ejectAfter }: typeof settings extends fc.Arbitrary<infer S> ? S : never,
  script: readonly Step[],
): Promise<number> {
  const retries = { max, onConnectError: true, statuses: new Set([502, 503]), budget: 0.2 };
  const { upstream, clock } = stubUpstream([], { balance, maxEjected, slowStartMs, retries });
  const failures: (Failure | undefined)[] = Array.from({ length: targets }, () => undefined);
  const health = { failures: ejectAfter, ejectForMs: 30_000, healthyAfter: 2, unhealthyAfter: 3 };
  const all = failures.map((_, i) => {
    const exchange = (_request: TargetRequest, sink: ResponseSink) => {
      answer(sink, failures[i]);
      return { cancel() {} };
    };
    const state = new TargetState(health, clock);
    return new UpstreamTarget({ target: { name: `t${i}`, exchange }, meter: undefined, weight: 1, state });
  });
  upstream.setTargets(all);
  const sender = createSender(upstream, clock, { forwarded: false });
  let failed = 0;
  for (const step of script) {
    if (step.kind === 'pass') clock.advance(step.ms);
    else if (step.kind === 'check') all[step.target]?.state.takeCheck(step.passes ? undefined : 'status 500');
    else if (step.kind === 'rise') failures[step.target] = undefined;
    else if (step.kind === 'fall' && step.target !== 0) failures[step.target] = step.failure;
    else if (step.kind === 'get') {
      const sink = new CollectingSink();
      expect(sender.send(stubExchange(), REQUEST, sink)).toBeDefined();
      for (let i = 0; i < 2 * max; i++) clock.advance(250);
      const { status } = await sink.outcome;
      if (status !== 200) failed++;
    }
  }
  expect(upstream.state.activeRequests).toBe(0);
  return failed;
}

function answer(sink: ResponseSink, failure: Failure | undefined): void {
  if (failure === 'unreachable') return sink.abort(new GatewayError('GW_UPSTREAM_UNREACHABLE'));
  if (failure === 'broken') return sink.abort(new GatewayError('GW_UPSTREAM_BROKEN'));
  sink.head({ status: failure ?? 200, reason: '', headers: HeaderList.from(), length: 0 });
  sink.end();
}

describe('while one target answers all along', () => {
  it.each([2, 3, 4])('no GET fails that may try all of %i targets', async (targets) => {
    await fc.assert(
      fc.asyncProperty(settings, steps(targets), async (given, script) => {
        expect(await play(targets, targets - 1, given, script)).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  it('with one attempt more, no more GETs fail than targets fell or came back from an ejection', async () => {
    await fc.assert(
      fc.asyncProperty(settings, steps(4), async (given, script) => {
        const events = script.filter(({ kind }) => kind === 'fall' || kind === 'pass').length;
        expect(await play(4, 1, given, script)).toBeLessThanOrEqual(3 * events);
      }),
      { numRuns: 100 },
    );
  });
});
