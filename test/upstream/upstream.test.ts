import { describe, expect, it } from 'vitest';
import { HeaderList } from '../../src/core/header-list.ts';
import { StickyCookie } from '../../src/upstream/sticky-cookie.ts';
import { NO_RESPONSE } from '../../src/upstream/upstream.ts';
import type { UpstreamTarget } from '../../src/upstream/upstream-target.ts';
import { stubExchange } from '../core/stub-exchange.ts';
import { stubTarget, stubUpstream } from './stub-upstream.ts';

describe('passive ejection', () => {
  it('takes a target out after five failures in a row, and says why', () => {
    const { targets, report, count } = stubUpstream([1, 1]);
    const [a] = targets as [UpstreamTarget];
    report(a, NO_RESPONSE, 4);
    expect(count(10)).toEqual({ a: 5, b: 5 });
    report(a, 503);
    expect(count(10)).toEqual({ b: 10 });
    expect(a.state.health).toEqual({
      kind: 'ejected',
      reason: '5 failures in a row, the last one: status 503',
    });
  });

  it('begins to count anew after an answer', () => {
    const { targets, report, count } = stubUpstream([1, 1]);
    const [a] = targets as [UpstreamTarget];
    report(a, 500, 4);
    report(a, 200);
    report(a, 500, 4);
    expect(count(10)).toEqual({ a: 5, b: 5 });
  });

  it.each([200, 302, 404, 429, 501, 505])('does not take %i for a failure', (status) => {
    const { targets, report, count } = stubUpstream([1, 1]);
    report(targets[0] as UpstreamTarget, status, 20);
    expect(count(10)).toEqual({ a: 5, b: 5 });
  });

  it('lets it in again after 30 s, and doubles the time when it fails again soon', () => {
    const { targets, report, clock } = stubUpstream([1, 1]);
    const [a] = targets as [UpstreamTarget];
    report(a, 503, 5);
    clock.advance(29_999);
    expect(a.state.isHealthy).toBe(false);
    clock.advance(1);
    expect(a.state.isHealthy).toBe(true);
    report(a, 503, 5);
    clock.advance(59_999);
    expect(a.state.isHealthy).toBe(false);
    clock.advance(1);
    expect(a.state.isHealthy).toBe(true);
  });

  it('forgets earlier ejections once the target was in for as long as it was out', () => {
    const { targets, report, clock } = stubUpstream([1, 1]);
    const [a] = targets as [UpstreamTarget];
    report(a, 503, 5);
    clock.advance(30_000);
    clock.advance(30_000);
    report(a, 503, 5);
    clock.advance(30_000);
    expect(a.state.isHealthy).toBe(true);
  });

  it('never takes out more than the share that may be', () => {
    const { targets, report, count } = stubUpstream([1, 1, 1, 1, 1]);
    for (const target of targets) report(target, NO_RESPONSE, 50);
    expect(Object.keys(count(30))).toHaveLength(3);
  });

  it('leaves an only target in', () => {
    const { targets, report, count } = stubUpstream([1]);
    report(targets[0] as UpstreamTarget, NO_RESPONSE, 50);
    expect(count(3)).toEqual({ a: 3 });
  });

  it('takes everybody in when all are out', () => {
    const { targets, report, count } = stubUpstream([1, 1, 1], { maxEjected: 1 });
    for (const target of targets) report(target, NO_RESPONSE, 5);
    expect(targets.some(({ state }) => state.isHealthy)).toBe(false);
    expect(count(9)).toEqual({ a: 3, b: 3, c: 3 });
  });
});

describe('answers that break after their head', () => {
  /** An upstream of two targets whose first one answers as the test says. */
  function answering() {
    const stub = stubUpstream([1, 1]);
    const { upstream, targets, clock, report } = stub;
    const [a] = targets as [UpstreamTarget];
    const breakOff = (times: number, afterMs = 5, status = 200): void => {
      for (let i = 0; i < times; i++) {
        const headAt = clock.monotonic();
        report(a, status);
        clock.advance(afterMs);
        upstream.reportBroken(stubExchange(), a, status, headAt, clock.monotonic());
      }
    };
    const complete = (status = 200): void => {
      report(a, status);
      upstream.reportWhole(a, status);
    };
    return { ...stub, a, breakOff, complete };
  }

  it('take a target out, though every one of them began well', () => {
    const { a, breakOff, count } = answering();
    breakOff(4);
    expect(a.state.isHealthy).toBe(true);
    breakOff(1);
    expect(count(4)).toEqual({ b: 4 });
    expect(a.state.health).toMatchObject({
      reason: '5 failures in a row, the last one: a response that broke off',
    });
  });

  it('are forgotten with a whole answer, unless that is a failure itself', () => {
    const { a, breakOff, complete } = answering();
    breakOff(4);
    complete();
    breakOff(3);
    complete(503);
    expect(a.state.isHealthy).toBe(true);
    breakOff(2);
    expect(a.state.isHealthy).toBe(false);
  });

  it('add up with other failures', () => {
    const { a, breakOff, report } = answering();
    breakOff(2);
    report(a, NO_RESPONSE, 2);
    expect(a.state.isHealthy).toBe(true);
    report(a, NO_RESPONSE);
    expect(a.state.isHealthy).toBe(false);
  });

  it('count once when the status was a failure already', () => {
    const { a, breakOff } = answering();
    breakOff(4, 5, 500);
    expect(a.state.isHealthy).toBe(true);
  });

  it('count no longer after the next head when they had lasted, as streams do', () => {
    const { a, breakOff, upstream, clock } = answering();
    breakOff(20, 10_001);
    expect(a.state.isHealthy).toBe(true);
    // A target that dies breaks all its streams at once.
    for (let i = 0; i < 4; i++) upstream.reportBroken(stubExchange(), a, 200, 0, clock.monotonic());
    expect(a.state.isHealthy).toBe(false);
  });
});

describe('slow start', () => {
  it('gives a target that came back a tenth first, and all of its share in the end', () => {
    const { targets, report, clock, count } = stubUpstream([1, 1], { slowStartMs: 30_000 });
    report(targets[0] as UpstreamTarget, 503, 5);
    clock.advance(30_000);
    expect(count(1100).a).toBe(100);
    clock.advance(15_000);
    expect(count(300)).toEqual({ a: 100, b: 200 });
    clock.advance(15_000);
    expect(count(100)).toEqual({ a: 50, b: 50 });
  });

  it('starts a target slowly that is new, but none of those that were there at the start', () => {
    const { upstream, targets, clock, count } = stubUpstream([1], { slowStartMs: 30_000 });
    upstream.setTargets([...targets, stubTarget('new', 1, clock)]);
    expect(count(1100)).toEqual({ a: 1000, new: 100 });
  });
});

describe('sticky sessions', () => {
  const sticky = new StickyCookie('lb', 'orders');
  const cookieFor = (target: UpstreamTarget, exchange = stubExchange()): string | undefined => {
    const headers = HeaderList.from();
    sticky.write(exchange, target, headers);
    return headers.get('set-cookie');
  };
  const returning = (target: UpstreamTarget) =>
    stubExchange({ headers: [['cookie', `a=b; ${cookieFor(target)?.split(';')[0]}`]] });

  it('keeps a client with its target', () => {
    const { targets, count } = stubUpstream([1, 1, 1], { sticky });
    expect(count(9, returning(targets[1] as UpstreamTarget))).toEqual({ b: 9 });
  });

  it('moves the client when its target is out', () => {
    const { targets, count, report } = stubUpstream([1, 1], { sticky });
    report(targets[0] as UpstreamTarget, 503, 5);
    expect(count(4, returning(targets[0] as UpstreamTarget))).toEqual({ b: 4 });
  });

  it('sets a cookie that scripts cannot read and that does not hold the address, once', () => {
    const target = stubTarget('10.1.2.3:8080');
    expect(cookieFor(target)).toMatch(/^lb=[0-9a-f]{16}; Path=\/; HttpOnly; SameSite=Lax$/);
    expect(cookieFor(target, Object.assign(stubExchange(), { scheme: 'https' }))).toMatch(/; Secure$/);
    expect(cookieFor(target, returning(target))).toBeUndefined();
  });

  it('treats a cookie that names no target as none', () => {
    const { count } = stubUpstream([1, 1], { sticky });
    expect(count(4, stubExchange({ headers: [['cookie', 'lb=0123456789abcdef']] }))).toEqual({ a: 2, b: 2 });
  });
});
