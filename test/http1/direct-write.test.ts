import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { canWriteDirectly, ON_ITS_WAY, TAKEN, writeDirectly } from '../../src/http1/direct-write.ts';
import { LOOPBACK } from '../support/loopback.ts';

/** Opens a connection and returns both of its ends. */
async function openPair(): Promise<{ writer: Socket; reader: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, LOOPBACK);
  await once(server, 'listening');
  const writer = connect((server.address() as AddressInfo).port, LOOPBACK);
  const [[reader]] = (await Promise.all([once(server, 'connection'), once(writer, 'connect')])) as [
    [Socket],
    unknown,
  ];
  onTestFinished(() => {
    writer.destroy();
    reader.destroy();
    server.close();
  });
  return { writer, reader };
}

/** Makes a writer whose promise resolves with the status of its write. */
function expectWritten() {
  const { promise, resolve } = Promise.withResolvers<number>();
  return { written: promise, onDirectWritten: resolve };
}

async function readBytes(reader: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of reader) {
    chunks.push(chunk as Buffer);
    if (chunks.reduce((sum, { length: more }) => sum + more, 0) >= length) break;
  }
  return Buffer.concat(chunks);
}

it('knows the connected sockets of this Node', async () => {
  const { writer } = await openPair();
  expect(canWriteDirectly(writer)).toBe(true);
});

it('tells at once that the system took a short text', async () => {
  const { writer, reader } = await openPair();
  expect(writeDirectly(writer, 'caf\u00e9', { onDirectWritten: () => {} })).toBe(TAKEN);
  expect((await readBytes(reader, 4)).toString('latin1')).toBe('caf\u00e9');
});

it('gives each write that ends later a request of its own, though the other end may have taken all by then', async () => {
  // The other end reads in a process of its own, at any moment, also between a write's first try and its second.
  const read =
    "require('node:net').createServer((s) => { let n = 0; s.on('data', (d) => { n += d.length; });" +
    ` s.on('end', () => s.end(String(n))); }).listen(0, '${LOOPBACK}', function () { console.log(this.address().port); });`;
  const child = spawn(process.execPath, ['-e', read], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill());
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  const writer = connect({ port: Number(port), host: LOOPBACK, allowHalfOpen: true });
  onTestFinished(() => void writer.destroy());
  await once(writer, 'connect');
  const chunk = Buffer.alloc(200 * 1024, 'x');
  const outcomes = { [TAKEN]: 0, [ON_ITS_WAY]: 0 };
  for (let i = 0; i < 1000; i++) {
    const later = expectWritten();
    const outcome = writeDirectly(writer, chunk, later);
    outcomes[outcome as 0 | 1]++;
    if (outcome === ON_ITS_WAY) expect(await later.written).toBe(0);
  }
  writer.end();
  expect((await readBytes(writer, Number.POSITIVE_INFINITY)).toString()).toBe(String(1000 * chunk.length));
  expect(outcomes[ON_ITS_WAY]).toBeGreaterThan(0);
});

it('keeps the order of what waits and what follows, and sends the end behind it', async () => {
  const { writer, reader } = await openPair();
  const large = Buffer.alloc(8 * 1024 * 1024, 'a');
  const first = expectWritten();
  const second = expectWritten();
  expect(writeDirectly(writer, large, first)).toBe(ON_ITS_WAY);
  expect(writeDirectly(writer, 'end', second)).toBe(ON_ITS_WAY);
  writer.end();
  const received = await readBytes(reader, Number.POSITIVE_INFINITY);
  expect(received.length).toBe(large.length + 3);
  expect(received.subarray(-3).toString()).toBe('end');
  expect([await first.written, await second.written]).toEqual([0, 0]);
});

it('answers an error number for a socket that is gone', async () => {
  const { writer } = await openPair();
  writer.destroy();
  expect(writeDirectly(writer, 'x', { onDirectWritten: () => {} })).toBeLessThan(0);
});
