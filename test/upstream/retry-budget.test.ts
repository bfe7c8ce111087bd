import { expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import type { ResponseSink, TargetRequest } from '../../src/core/message.ts';
import { createSender } from '../../src/proxy/upstream-sender.ts';
import { RetryBudget } from '../../src/upstream/budget.ts';
import { TargetState } from '../../src/upstream/target-state.ts';
import { UpstreamTarget } from '../../src/upstream/upstream-target.ts';
import { stubExchange } from '../core/stub-exchange.ts';
import { CollectingSink } from '../support/collecting-sink.ts';
import { requestFor } from '../support/pool.ts';
import { stubUpstream } from './stub-upstream.ts';

/** Takes all of a budget, and says in which order those get it who wait. */
function exhausted() {
  const budget = new RetryBudget(0.2);
  while (budget.tryTake(0)) {}
  const woken: string[] = [];
  const wait = (name: string, takes = true) =>
    budget.wait(() => {
      woken.push(name);
      if (takes) budget.tryTake(0);
    });
  return { budget, woken, wait };
}

it('a share of the budget that is given back goes to who waits longest', () => {
  const { budget, woken, wait } = exhausted();
  wait('first');
  wait('second');
  budget.release();
  expect(woken).toEqual(['first']);
  expect(budget.tryTake(0)).toBe(false);
  budget.release();
  expect(woken).toEqual(['first', 'second']);
});

it('who waits for the budget and has left, or does not take it, leaves it to the next', () => {
  const { budget, woken, wait } = exhausted();
  wait('left')();
  wait('unwilling', false);
  wait('last');
  budget.release();
  expect(woken).toEqual(['unwilling', 'last']);
});

it('who finds that there is still none waits behind the others', () => {
  const { budget, woken } = exhausted();
  const again = (): void => {
    woken.push('again');
    budget.wait(again);
  };
  budget.wait(again);
  budget.release();
  expect(woken).toEqual(['again']);
});

/** How a target answers: to whom, and after how long. */
type Answers = (sink: ResponseSink) => void;

/** Sends GETs at once to an upstream of two targets with one retry, and says how to go on. */
function sendAtOnce(count: number, dying: Answers, slow: Answers) {
  const retries = { max: 1, onConnectError: true, statuses: new Set([502]), budget: 0.2 };
  const { upstream, clock } = stubUpstream([], { balance: 'round-robin', retries });
  const health = { failures: 1000, ejectForMs: 1000, healthyAfter: 1, unhealthyAfter: 1 };
  const targets = [dying, slow].map((answers, i) => {
    const exchange = (_: TargetRequest, sink: ResponseSink) => {
      answers(sink);
      return { cancel() {} };
    };
    const state = new TargetState(health, clock);
    return new UpstreamTarget({ target: { name: `t${i}`, exchange }, meter: undefined, weight: 1, state });
  });
  upstream.setTargets(targets);
  const sender = createSender(upstream, clock, { forwarded: false });
  const sinks = Array.from({ length: count }, () => {
    const sink = new CollectingSink();
    sender.send(stubExchange(), requestFor(), sink);
    return sink;
  });
  return { clock, upstream, sinks };
}

function ok(sink: ResponseSink): void {
  sink.head({ status: 200, reason: '', headers: HeaderList.from(), length: 0 });
  sink.end();
}

it('requests that fail in one moment are repeated one after the other, however slow the machine is', async () => {
  const held: ResponseSink[] = [];
  const waiting: ResponseSink[] = [];
  const { clock, upstream, sinks } = sendAtOnce(
    40,
    (sink) => held.push(sink),
    (sink) => waiting.push(sink),
  );
  // Everything takes seconds: the first target dies under what it had for three.
  clock.advance(3000);
  for (const sink of held.splice(0)) sink.abort(new GatewayError('GW_UPSTREAM_BROKEN'));
  for (let i = 0; i < 28; i++) {
    clock.advance(100);
    expect(upstream.state.activeRequests).toBeLessThanOrEqual(40);
    for (const sink of waiting.splice(0)) ok(sink);
  }
  const outcomes = await Promise.all(sinks.map(({ outcome }) => outcome));
  expect(outcomes.map(({ status }) => status)).toEqual(Array(40).fill(200));
  expect(upstream.state.activeRequests).toBe(0);
});

it('a request waits for the budget no longer than its first attempt took, or 250 ms', async () => {
  const held: ResponseSink[] = [];
  const { clock, sinks } = sendAtOnce(
    20,
    (sink) => held.push(sink),
    () => {},
  );
  for (const sink of held.splice(0)) sink.abort(new GatewayError('GW_UPSTREAM_BROKEN'));
  let settled = 0;
  for (const { outcome } of sinks) void outcome.then(() => settled++);
  clock.advance(249);
  await new Promise((resolve) => setImmediate(resolve));
  expect(settled).toBe(0);
  clock.advance(1);
  await new Promise((resolve) => setImmediate(resolve));
  // Ten met the one that dies, of which four were repeated.
  expect(settled).toBe(6);
});

it('requests that no target was given any of need no share of the budget', async () => {
  const held: ResponseSink[] = [];
  const { sinks, clock } = sendAtOnce(40, (sink) => held.push(sink), ok);
  for (const sink of held.splice(0)) sink.abort(new GatewayError('GW_UPSTREAM_UNREACHABLE'));
  clock.advance(100);
  const outcomes = await Promise.all(sinks.map(({ outcome }) => outcome));
  expect(outcomes.map(({ status }) => status)).toEqual(Array(40).fill(200));
});
