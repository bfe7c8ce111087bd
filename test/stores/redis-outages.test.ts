import { describe, expect, it } from 'vitest';
import { RedisOutages } from '../../src/stores/redis-outages.ts';
import { stubServices } from '../core/stub-exchange.ts';
import { StubClock } from '../observability/stub-clock.ts';

function create() {
  const clock = new StubClock();
  const { services, lines, counts } = stubServices();
  const outages = new RedisOutages('127.0.0.1:6379', { ...services, clock }, true);
  const told = () => lines.filter(({ level }) => level !== 'debug').map(({ message }) => message);
  /** Milliseconds of good answers until it is used again. */
  const recover = (): number => {
    const from = clock.monotonic();
    while (!outages.isOver()) clock.advance(200);
    return clock.monotonic() - from;
  };
  return { clock, outages, told, recover, counts };
}

describe('outages of Redis', () => {
  it('are over with the first answer, and told by two lines', () => {
    const { clock, outages, told, recover, counts } = create();
    for (let i = 0; i < 2; i++) {
      outages.begin('ECONNRESET');
      outages.begin('ECONNREFUSED');
      clock.advance(3000);
      expect(recover()).toBe(0);
      clock.advance(60_000);
    }
    const [away, back] = ['Redis is away; the gateway goes on without it', 'Redis is back'];
    expect(told()).toEqual([away, back, away, back]);
    expect(JSON.stringify([...counts])).toContain('gateway_redis_outages_total');
  });

  it('that follow each other are one in the log, and longer and longer until Redis is used again', () => {
    const { clock, outages, told, recover } = create();
    const trials: number[] = [];
    for (let i = 0; i < 8; i++) {
      outages.begin('does not respond within 50 ms');
      trials.push(recover());
      clock.advance(2000);
    }
    expect(trials).toEqual([0, 1000, 2000, 4000, 8000, 16_000, 16_000, 16_000]);
    expect(told()).toEqual(['Redis is away; the gateway goes on without it', 'Redis is back']);
    clock.advance(10_000);
    outages.isOver();
    expect(told().slice(2)).toEqual(['Redis came and went, and is steady again']);
    outages.begin('ECONNRESET');
    expect(recover()).toBe(0);
  });

  it('are over only when it answered all along', () => {
    const { clock, outages } = create();
    outages.begin('ECONNRESET');
    outages.isOver();
    outages.begin('ECONNRESET');
    expect(outages.isOver()).toBe(false);
    clock.advance(900);
    outages.begin('ECONNRESET');
    expect(outages.isOver()).toBe(false);
    clock.advance(900);
    expect(outages.isOver()).toBe(false);
    clock.advance(100);
    expect(outages.isOver()).toBe(true);
  });
});
