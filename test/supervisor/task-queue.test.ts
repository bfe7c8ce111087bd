import { expect, it } from 'vitest';
import { TaskQueue } from '../../src/supervisor/task-queue.ts';

it('one thing is done after the other, what is urgent before what waits, and failures stop nothing', async () => {
  const turns = new TaskQueue();
  const done: string[] = [];
  let release: () => void = () => {};
  const first = turns.take(
    () =>
      new Promise<void>((resolve) => {
        release = () => {
          done.push('first');
          resolve();
        };
      }),
  );
  const note = (name: string) => async () => {
    done.push(name);
    return name;
  };
  const second = turns.take(note('second'));
  const failing = turns.take(() => Promise.reject(new Error('not today')));
  const urgent = turns.take(note('urgent'), { isUrgent: true });
  release();
  await first;
  expect(await Promise.all([second, urgent])).toEqual(['second', 'urgent']);
  await expect(failing).rejects.toThrow('not today');
  expect(done).toEqual(['first', 'urgent', 'second']);
});
