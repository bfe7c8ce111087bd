import { describe, expect, it } from 'vitest';
import { isPromise } from '../../src/core/is-promise.ts';
import { DelayQueue } from '../../src/limits/delay-queue.ts';
import { rateLimit } from '../../src/policies/index.ts';
import { stubExchange } from '../core/stub-exchange.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { limitPipeline } from './limit-pipeline.ts';

describe('a queue', () => {
  function start() {
    const clock = new StubClock();
    const queue = new DelayQueue(clock);
    const released: string[] = [];
    const add = (line: string, name: string, delayMs: number, spacingMs = 100): object => {
      const owner = { name };
      queue.add(line, owner, delayMs, spacingMs, () => released.push(name));
      return owner;
    };
    return { clock, queue, released, add };
  }

  it('releases each at its time, those of one line in the order in which they came', () => {
    const { clock, released, add } = start();
    add('a', 'first', 100);
    add('a', 'second', 100);
    add('a', 'third', 99);
    add('b', 'other', 50);
    clock.advance(50);
    expect(released).toEqual(['other']);
    clock.advance(50);
    expect(released).toEqual(['other', 'first', 'second', 'third']);
  });

  it('moves those behind up when somebody leaves', () => {
    const { clock, queue, released, add } = start();
    add('a', 'first', 100);
    const second = add('a', 'second', 200);
    add('a', 'third', 300);
    expect(queue.leave('a', second)).toBe(true);
    expect(queue.leave('a', second)).toBe(false);
    expect(queue.leave('b', second)).toBe(false);
    clock.advance(100);
    expect(released).toEqual(['first']);
    clock.advance(100);
    expect(released).toEqual(['first', 'third']);
  });

  it('moves up also who then is first', () => {
    const { clock, queue, released, add } = start();
    const first = add('a', 'first', 100);
    add('a', 'second', 200);
    queue.leave('a', first);
    clock.advance(100);
    expect(released).toEqual(['second']);
  });
});

describe('a leaky bucket with maxDelay', () => {
  const options = { limit: 10, window: '1s', algorithm: 'leaky-bucket', maxDelay: '250ms' };

  it('makes requests wait so that they come evenly, and refuses whoever would wait too long', async () => {
    const { pipeline, clock } = limitPipeline([[rateLimit, options]]);
    const results = Array.from({ length: 4 }, () => pipeline.runRequest(stubExchange()));
    expect(results.map(isPromise)).toEqual([false, true, true, false]);
    expect(results[0]).toBeUndefined();
    expect(results[3]).toMatchObject({ code: 'GW_RATE_LIMITED' });
    const passed: number[] = [];
    results.forEach((result, i) => void Promise.resolve(result).then(() => passed.push(i)));
    clock.advance(100);
    await results[1];
    expect(passed).not.toContain(2);
    clock.advance(100);
    await results[2];
    expect(passed).toEqual([0, 3, 1, 2]);
  });

  it('gives the place of a client that leaves to the next one', async () => {
    const { pipeline, clock } = limitPipeline([[rateLimit, options]]);
    const [first, gone, behind] = [stubExchange(), stubExchange(), stubExchange()];
    pipeline.runRequest(first);
    void pipeline.runRequest(gone);
    const waiting = pipeline.runRequest(behind);
    expect(pipeline.runRequest(stubExchange())).toMatchObject({ code: 'GW_RATE_LIMITED' });
    pipeline.runFinish(gone);
    const late = pipeline.runRequest(stubExchange());
    expect(isPromise(late)).toBe(true);
    clock.advance(100);
    expect(await waiting).toBeUndefined();
    clock.advance(100);
    expect(await late).toBeUndefined();
  });

  it('lets others of a request count none when its wait would be too long', async () => {
    const { pipeline, ask } = limitPipeline([
      [rateLimit, { limit: 100, window: '1h', id: 'wide' }],
      [rateLimit, options],
    ]);
    for (let i = 0; i < 3; i++) void pipeline.runRequest(stubExchange());
    const { status, headers } = await ask();
    expect(status).toBe(429);
    expect(headers.ratelimit).toMatch(/^"wide";r=97;/);
  });

  it('makes nobody wait where it only observes', () => {
    const { pipeline } = limitPipeline([[rateLimit, { ...options, observe: true }]]);
    for (let i = 0; i < 5; i++) expect(pipeline.runRequest(stubExchange())).toBeUndefined();
  });
});
