import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { LOOPBACK } from '../support/loopback.ts';

async function openPair(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer().listen(0, LOOPBACK);
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, LOOPBACK);
  const [far] = (await once(server, 'connection')) as [Socket];
  onTestFinished(() => {
    near.destroy();
    far.destroy();
    server.close();
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
