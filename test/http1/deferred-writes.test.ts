import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Transport, type TransportOwner } from '../../src/http1/transport.ts';
import { MemorySocket } from './memory-socket.ts';

const isPublic = process.env.SALLYPORT_PUBLIC_SOCKETS === '1';
const KIB_16 = 16 * 1024;

function openTransport(owner: Partial<TransportOwner> = {}) {
  const socket = new MemorySocket({ isPlain: true });
  const nothing = { onBytes() {}, onEnd() {}, onDrain() {}, onClose() {}, onWriteWaits() {} };
  return { socket, transport: Transport.accept(socket.asSocket(), { ...nothing, ...owner }) };
}

describe.skipIf(isPublic)('text that is written', () => {
  it('goes at the end of the turn, all of one connection at once', async () => {
    const { socket, transport } = openTransport();
    expect(transport.write('one ')).toBe(true);
    expect(transport.write('two')).toBe(true);
    expect(transport.isAllWritten).toBe(false);
    expect(socket.sent).toBe('');
    await setImmediate();
    expect(socket.sent).toBe('one two');
    expect(socket.writes).toBe(1);
    expect(transport.isAllWritten).toBe(true);
  });

  it('goes before bytes that follow it', () => {
    const { socket, transport } = openTransport();
    transport.write('head ');
    transport.write(Buffer.from('body'));
    expect(socket.sent).toBe('head body');
  });

  it('goes at once when it is much', () => {
    const { socket, transport } = openTransport();
    transport.write('x'.repeat(KIB_16));
    transport.write('y');
    expect(socket.sent).toHaveLength(KIB_16 + 1);
  });

  it('goes before the end of the connection, and before a reset', () => {
    const [ended, reset] = [openTransport(), openTransport()];
    ended.transport.write('whole');
    ended.transport.end();
    reset.transport.write('part');
    reset.transport.reset();
    expect([ended.socket.sent, reset.socket.sent]).toEqual(['whole', 'part']);
    expect(reset.socket.wasReset).toBe(true);
  });

  it('does not go when the connection is destroyed before', async () => {
    const { socket, transport } = openTransport();
    transport.write('unwanted');
    transport.destroy();
    await setImmediate();
    expect(socket.sent).toBe('');
  });

  it('goes without waiting for the turn where very many connections write', async () => {
    await setImmediate();
    const all = Array.from({ length: 64 }, () => openTransport());
    for (const { transport } of all) transport.write('x');
    expect(all.map(({ socket }) => socket.sent)).toEqual(all.map(() => 'x'));
  });

  it('tells its owner when the system does not take all of it at once', async () => {
    const events: string[] = [];
    const { socket, transport } = openTransport({ onWriteWaits: () => events.push('waits') });
    Object.assign(socket._handle as object, { writeLatin1String: keepWaiting });
    transport.write('much');
    await setImmediate();
    expect(events).toEqual(['waits']);
    expect(transport.isWritePending).toBe(true);
  });
});

/** What a handle's write does when the system has no room. */
function keepWaiting(): number {
  const { binding } = process as unknown as { binding(name: string): Record<string, unknown> };
  const { streamBaseState, kLastWriteWasAsync } = binding('stream_wrap');
  (streamBaseState as Int32Array)[kLastWriteWasAsync as number] = 1;
  return 0;
}
