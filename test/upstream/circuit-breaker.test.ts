import { describe, expect, it } from 'vitest';
import { CircuitBreaker } from '../../src/upstream/circuit-breaker.ts';
import { stubExchange } from '../core/stub-exchange.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { fc } from '../support/fast-check.ts';
import { startGateway, startTarget } from '../support/harness.ts';
import { stubUpstream } from './stub-upstream.ts';

const SETTINGS = { failureRate: 0.5, minimumRequests: 20, windowMs: 10_000, openForMs: 15_000 };

function breakerThat(...outcomes: { failures: number; successes: number; at: number }[]): CircuitBreaker {
  const breaker = new CircuitBreaker(SETTINGS);
  for (const { failures, successes, at } of outcomes) {
    for (let i = 0; i < successes; i++) breaker.record({}, false, at);
    for (let i = 0; i < failures; i++) breaker.record({}, true, at);
  }
  return breaker;
}

describe('the circuit breaker', () => {
  it('opens when half of at least twenty requests failed', () => {
    expect(breakerThat({ successes: 10, failures: 9, at: 0 }).state.kind).toBe('closed');
    expect(breakerThat({ successes: 10, failures: 10, at: 0 }).state.kind).toBe('open');
    expect(breakerThat({ successes: 0, failures: 19, at: 0 }).state.kind).toBe('closed');
  });

  it('forgets what lies further back than the window', () => {
    const old = { successes: 0, failures: 15, at: 0 };
    expect(breakerThat(old, { successes: 0, failures: 5, at: 9000 }).state.kind).toBe('open');
    expect(breakerThat(old, { successes: 0, failures: 5, at: 11_000 }).state.kind).toBe('closed');
  });

  it('lets nothing pass while open, then three, and closes when these succeed', () => {
    const breaker = breakerThat({ successes: 0, failures: 20, at: 0 });
    expect(breaker.admit({}, 14_999)).toBe(false);
    const probes = [{}, {}, {}];
    for (const probe of probes) expect(breaker.admit(probe, 15_000)).toBe(true);
    expect(breaker.admit({}, 15_000)).toBe(false);
    for (const probe of probes) breaker.record(probe, false, 15_001);
    expect(breaker.state.kind).toBe('closed');
  });

  it('opens again when a probe fails', () => {
    const breaker = breakerThat({ successes: 0, failures: 20, at: 0 });
    const probe = {};
    breaker.admit(probe, 15_000);
    breaker.record(probe, true, 15_000);
    expect(breaker.admit({}, 29_999)).toBe(false);
    expect(breaker.admit({}, 30_000)).toBe(true);
  });

  it('lets another probe pass in place of one whose client left', () => {
    const breaker = breakerThat({ successes: 0, failures: 20, at: 0 });
    const probes = [{}, {}, {}];
    for (const probe of probes) breaker.admit(probe, 15_000);
    breaker.abandon(probes[0] as object);
    expect(breaker.admit({}, 15_000)).toBe(true);
  });

  it('does not go by requests that began before it opened', () => {
    const breaker = breakerThat({ successes: 0, failures: 20, at: 0 });
    breaker.admit({}, 15_000);
    breaker.record({}, true, 15_000);
    expect(breaker.state.kind).toBe('half-open');
  });

  it('takes a success back when the answer broke, so that a service that breaks all of them fails all of them', () => {
    const breaker = new CircuitBreaker({ ...SETTINGS, failureRate: 1 });
    for (let i = 0; i < 20; i++) {
      const who = {};
      breaker.record(who, false, i * 100);
      expect(breaker.state.kind).toBe('closed');
      breaker.retract(who, i * 100, i * 100 + 50);
    }
    expect(breaker.state.kind).toBe('open');
  });

  it('counts an answer by itself that broke when its success had left the window', () => {
    const breaker = breakerThat(
      { successes: 20, failures: 0, at: 0 },
      { successes: 1, failures: 0, at: 15_000 },
    );
    for (let i = 0; i < 18; i++) breaker.retract({}, 0, 15_000);
    expect(breaker.state.kind).toBe('closed');
    breaker.retract({}, 0, 15_000);
    expect(breaker.state.kind).toBe('open');
  });

  it('opens again when the answer to a probe breaks, but not for older ones', () => {
    const breaker = breakerThat({ successes: 0, failures: 20, at: 0 });
    const probe = {};
    breaker.admit(probe, 15_000);
    breaker.record(probe, false, 15_000);
    breaker.retract({}, 14_000, 15_001);
    expect(breaker.state.kind).toBe('half-open');
    breaker.retract(probe, 15_000, 15_001);
    expect(breaker.state).toEqual({ kind: 'open', until: 30_001 });
  });

  it('in any order of events: closes only by three probes, never lets more than three pass between', () => {
    const event = fc.record({
      wait: fc.integer({ min: 0, max: 8000 }),
      isFailure: fc.boolean(),
      leaves: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (events) => {
        const breaker = new CircuitBreaker({ ...SETTINGS, minimumRequests: 3 });
        let now = 0;
        const waiting: object[] = [];
        for (const { wait, isFailure, leaves } of events) {
          now += wait;
          const before = breaker.state;
          const who = {};
          const isAdmitted = breaker.admit(who, now);
          if (before.kind === 'closed') expect(isAdmitted).toBe(true);
          if (before.kind === 'open') expect(isAdmitted).toBe(now >= before.until);
          if (breaker.state.kind === 'half-open')
            expect(breaker.state.probes.size + breaker.state.passed.size).toBeLessThanOrEqual(3);
          if (isAdmitted) waiting.push(who);
          if (waiting.length < 2) continue;
          const first = waiting.shift() as object;
          const { state } = breaker;
          if (leaves) breaker.abandon(first);
          else breaker.record(first, isFailure, now);
          if (state.kind === 'half-open' && breaker.state.kind === 'closed')
            expect(state.passed.size).toBe(3);
          if (state.kind === 'open') expect(breaker.state).toBe(state);
        }
      }),
    );
  });
});

describe('an upstream with a breaker', () => {
  it('picks no target while it is open, and says for how long', () => {
    const { upstream, targets, report, clock } = stubUpstream([1, 1], { breaker: SETTINGS });
    for (const target of targets) report(target, 500, 10);
    expect(upstream.pick(stubExchange())).toBeUndefined();
    clock.advance(5000);
    expect(upstream.rejection()).toMatchObject({
      code: 'GW_UPSTREAM_SUSPENDED',
      headers: { 'retry-after': '10' },
    });
    clock.advance(10_000);
    expect(upstream.pick(stubExchange())).toBeDefined();
  });
});

describe('a gateway whose breaker is open', () => {
  /** A gateway whose breaker has just opened. */
  async function startOpened() {
    const clock = new StubClock();
    const service = { status: 500, release: Promise.resolve() };
    const target = await startTarget(async (_, response) => {
      await service.release;
      response.writeHead(service.status).end();
    });
    const { url, gateway } = await startGateway(
      {
        upstreams: {
          service: { targets: [target.url], circuitBreaker: { minimumRequests: 2, openFor: '15s' } },
        },
        routes: [{ id: 'all', path: '/*', upstream: 'service' }],
      },
      { clock },
    );
    for (let i = 0; i < 2; i++) expect((await fetch(url)).status).toBe(500);
    const state = async () => (await gateway.describe()).upstreams[0]?.breaker;
    const expectRefusal = async (): Promise<Response> => {
      const refused = await fetch(url);
      expect(await refused.json()).toMatchObject({ code: 'GW_UPSTREAM_SUSPENDED' });
      return refused;
    };
    return { clock, service, target, url, state, expectRefusal };
  }

  it('asks nobody for a while, then lets three probes pass, and all when these succeed', async () => {
    const { clock, service, target, url, state, expectRefusal } = await startOpened();
    const { promise, resolve } = Promise.withResolvers<void>();
    Object.assign(service, { status: 200, release: promise });
    const refused = await expectRefusal();
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('15');
    clock.advance(15_000);
    const probes = [fetch(url), fetch(url), fetch(url)];
    await target.request(4);
    await expectRefusal();
    expect(await state()).toBe('half-open');
    resolve();
    for (const probe of probes) expect((await probe).status).toBe(200);
    expect(await state()).toBe('closed');
    expect((await fetch(url)).status).toBe(200);
    expect(target.requests).toHaveLength(6);
  });

  it('opens again when a probe fails', async () => {
    const { clock, target, url, state, expectRefusal } = await startOpened();
    clock.advance(15_000);
    expect((await fetch(url)).status).toBe(500);
    expect(await state()).toBe('open');
    await expectRefusal();
    expect(target.requests).toHaveLength(3);
  });
});
