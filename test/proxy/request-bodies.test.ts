import { expect, it, onTestFinished } from 'vitest';
import { ManualBody, poolFor } from '../support/pool.ts';
import { startRaw } from '../support/raw-target.ts';

/** Sends a POST whose body says that it has `length` bytes to a target that answers nothing. */
async function post(length: number | undefined) {
  let received = '';
  const { promise: broken, resolve } = Promise.withResolvers<void>();
  const raw = await startRaw((connection) => {
    connection.socket.on('data', (chunk) => {
      received += String(chunk);
      if (received.endsWith('0\r\n\r\n')) connection.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
    void connection.closed().then(resolve);
  });
  const pool = poolFor(raw.port);
  onTestFinished(async () => {
    pool.target.close();
    await raw.close();
  });
  const body = new ManualBody(length);
  const { outcome } = pool.send({ method: 'POST', body });
  while (!body.isPiped) await new Promise((next) => setImmediate(next));
  return { body, outcome, broken, received: () => received };
}

it('a body longer than its stated length is broken off, so that the rest is not another request', async () => {
  const { body, outcome, broken, received } = await post(4);
  body.give('four');
  body.give('GET /admin HTTP/1.1\r\n\r\n');
  expect((await outcome).error?.code).toBe('GW_POLICY_FAILED');
  await broken;
  expect(received()).not.toContain('/admin');
});

it('a body shorter than its stated length is broken off', async () => {
  const { body, outcome, broken } = await post(5);
  body.give('four');
  body.end();
  expect((await outcome).error?.code).toBe('GW_POLICY_FAILED');
  await broken;
});

it('an empty piece does not end a chunked body', async () => {
  const { body, outcome, received } = await post(undefined);
  body.give('one');
  body.give('');
  body.give('two');
  body.end();
  expect((await outcome).status).toBe(200);
  expect(received().split('\r\n\r\n').slice(1).join('\r\n\r\n')).toBe('3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n');
});
