import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { countArmedTimers, systemClock } from '../../src/core/clock.ts';

/** Two ends between which bytes are as soon as they are written, which those of TCP need not be. */
async function openPair(): Promise<{ near: Socket; far: Socket }> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-clock-'));
  const path = join(folder, 'socket');
  const server = createServer().listen(path);
  await once(server, 'listening');
  const near = connect(path);
  const [far] = (await once(server, 'connection')) as [Socket];
  onTestFinished(() => {
    near.destroy();
    far.destroy();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { near, far };
}

it.each([
  ['after', systemClock.after],
  ['every', systemClock.every],
])('runs what is due %s a time after what has arrived meanwhile was read', async (_, plan) => {
  const { near, far } = await openPair();
  const order: string[] = [];
  const read = once(
    near.on('data', () => order.push('read')),
    'data',
  );
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = plan(1, () => {
    order.push('due');
    resolve();
  });
  onTestFinished(cancel);
  far.write('x');
  for (const until = performance.now() + 20; performance.now() < until; );
  await Promise.all([read, promise]);
  expect(order.slice(0, 2)).toEqual(['read', 'due']);
});

it('runs nothing that was cancelled, though it was due', async () => {
  let runs = 0;
  const cancels = [systemClock.after(1, () => runs++), systemClock.every(1, () => runs++)];
  const { promise, resolve } = Promise.withResolvers<void>();
  // Due at the same moment, so behind their timers and before what these leave for later.
  setTimeout(() => {
    for (const cancel of cancels) cancel();
    setImmediate(() => setImmediate(resolve));
  }, 1);
  for (const until = performance.now() + 5; performance.now() < until; );
  await promise;
  expect(runs).toBe(0);
});

it('counts what is armed, until it has run or was stopped', async () => {
  const before = countArmedTimers();
  const stops = [systemClock.after(60_000, () => {}), systemClock.every(60_000, () => {})];
  const ran = new Promise<void>((resolve) => void systemClock.after(1, resolve));
  expect(countArmedTimers()).toBe(before + 3);
  await ran;
  expect(countArmedTimers()).toBe(before + 2);
  for (const stop of [...stops, ...stops]) stop();
  expect(countArmedTimers()).toBe(before);
});
