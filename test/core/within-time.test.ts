import { expect, it } from 'vitest';
import { withinTime } from '../../src/core/pipeline/within-time.ts';
import { ManualClock } from '../upstream/discovery/manual-clock.ts';

const TIME_MS = 100;
const late = (): string => 'late';

it('what is settled before its time leaves no timer behind, however its end comes', async () => {
  const clock = new ManualClock();
  const throwing: PromiseLike<string> = {
    // biome-ignore lint/suspicious/noThenProperty: code of users may give such a value
    then: () => {
      throw new Error('at once');
    },
  };
  await expect(withinTime(Promise.resolve('done'), TIME_MS, clock, late)).resolves.toBe('done');
  await expect(withinTime(Promise.reject(new Error('failed')), TIME_MS, clock, late)).rejects.toThrow(
    'failed',
  );
  await expect(withinTime(throwing, TIME_MS, clock, () => expect.fail('the timer ran'))).rejects.toThrow(
    'at once',
  );
  clock.advance(TIME_MS);
});

it('what is not settled gives what is made when its time is over', async () => {
  const clock = new ManualClock();
  const outcome = withinTime(new Promise<string>(() => {}), TIME_MS, clock, late);
  clock.advance(TIME_MS);
  await expect(outcome).resolves.toBe('late');
});
