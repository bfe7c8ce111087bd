import { describe, expect, it } from 'vitest';
import { CommandDeadlines } from '../../src/stores/command-deadlines.ts';
import { StubClock } from '../observability/stub-clock.ts';

function watch() {
  const clock = new StubClock();
  const late: number[] = [];
  const deadlines: CommandDeadlines = new CommandDeadlines(clock, 100, (error) => {
    late.push(clock.monotonic());
    deadlines.rejectAll(error);
  });
  const { promise, resolve } = Promise.withResolvers<string>();
  const settled = deadlines.wait(promise);
  return { clock, late, settled, resolve };
}

describe('the deadline of a command', () => {
  it('is met by nobody who answers no turn of the event loop within it', async () => {
    const { clock, late, settled } = watch();
    for (let i = 0; i < 20; i++) clock.advance(5);
    expect(late).toEqual([100]);
    await expect(settled).rejects.toThrow('does not respond within 100 ms');
  });

  it('does not end because this process stood still, however long', async () => {
    const { clock, late, settled, resolve } = watch();
    clock.advance(60_000);
    expect(late).toEqual([]);
    resolve('PONG');
    expect(await settled).toBe('PONG');
  });

  it('does not end because this process stands still again and again, if the answer comes in between', async () => {
    const { clock, late, settled, resolve } = watch();
    for (let i = 0; i < 2; i++) clock.advance(300);
    expect(late).toEqual([]);
    resolve('PONG');
    expect(await settled).toBe('PONG');
  });

  it('ends though this process is always late, where no answer comes', async () => {
    const { clock, late, settled } = watch();
    for (let i = 0; i < 5; i++) clock.advance(300);
    expect(late).toHaveLength(1);
    await expect(settled).rejects.toThrow('does not respond');
  });
});
