import { describe, expect, it, onTestFinished } from 'vitest';
import { FileThread, moduleBeside } from '../../../src/core/disk/file-thread.ts';
import { StubClock } from '../../observability/stub-clock.ts';
import type { SlowMethods } from './slow-thread.ts';

function start() {
  const clock = new StubClock();
  const module = moduleBeside('slow-thread', import.meta.url);
  const thread = new FileThread<SlowMethods>({ module, data: undefined, clock });
  onTestFinished(() => thread.close());
  return { clock, thread };
}

function makeGate() {
  const buffer = new SharedArrayBuffer(4);
  const open = (): void => {
    Atomics.store(new Int32Array(buffer), 0, 1);
    Atomics.notify(new Int32Array(buffer), 0);
  };
  onTestFinished(open);
  return { buffer, open };
}

describe('a thread that waits for files', () => {
  it('answers, and tells what is wrong with its name and code', async () => {
    const { thread } = start();
    expect(await thread.call('add', [1, 2])).toBe(3);
    await expect(thread.call('refuse', [])).rejects.toMatchObject({
      name: 'RangeError',
      message: 'too far',
      code: 'EFAR',
    });
    await expect(thread.call('relent', [])).rejects.toThrow('not yet');
    expect(await thread.call('relent', [])).toBe(true);
  });

  it('rejects what is late and all that comes behind it, at once, until the thread answers again', async () => {
    const { clock, thread } = start();
    await thread.call('add', [0, 0]);
    const gate = makeGate();
    const held = thread.call('hold', [gate.buffer], Number.POSITIVE_INFINITY);
    const behind = thread.call('add', [1, 1]);
    clock.advance(2000);
    await expect(behind).rejects.toThrow('the disk does not respond within 2000 ms');
    await expect(thread.call('add', [1, 1])).rejects.toThrow('the disk does not respond');
    gate.open();
    expect(await held).toBe('held');
    expect(await thread.call('add', [2, 2])).toBe(4);
  });

  it('is started again by the next call when it has ended', async () => {
    const { thread } = start();
    await expect(thread.call('crash', [])).rejects.toThrow('the thread has ended');
    expect(await thread.call('add', [2, 3])).toBe(5);
    await thread.close();
    await expect(thread.call('add', [2, 3])).rejects.toThrow('is closed');
  });
});
