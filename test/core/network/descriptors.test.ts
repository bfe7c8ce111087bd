import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Descriptors } from '../../../src/core/network/descriptors.ts';
import { isOwnFault } from '../../../src/core/network/own-fault.ts';
import { StubClock } from '../../observability/stub-clock.ts';
import { stubServices } from '../stub-exchange.ts';

function create(limit: number) {
  const clock = new StubClock();
  const { services, lines, counts } = stubServices();
  let allowed = limit;
  const descriptors = new Descriptors({ ...services, clock }, () => allowed);
  const allow = (next: number): void => {
    allowed = next;
  };
  return { descriptors, clock, lines, counts, allow };
}

const numbered = (fd: number): Socket => ({ _handle: { fd } }) as unknown as Socket;

describe('descriptors', () => {
  it('are kept free for rejections, targets and operators, in that order', async () => {
    const { descriptors } = create(256);
    const rooms = Array.from({ length: 256 }, (_, fd) => descriptors.roomFor(numbered(fd)));
    expect(rooms.indexOf('rejection')).toBe(192);
    expect(rooms.indexOf('nothing')).toBe(208);
    const ended: number[] = [];
    for (let fd = 0; fd < 256; fd++) {
      const socket = Object.assign(new EventEmitter(), { _handle: { fd }, destroy: () => ended.push(fd) });
      descriptors.watchTarget(socket as unknown as Socket);
      socket.emit('connectionAttempt');
    }
    await nextTurn();
    expect(ended).toEqual([248, 249, 250, 251, 252, 253, 254, 255]);
  });

  it('are for clients nearly all where there are many', () => {
    const { descriptors } = create(100_000);
    expect(descriptors.roomFor(numbered(99_743))).toBe('exchange');
    expect(descriptors.roomFor(numbered(99_744))).toBe('rejection');
  });

  it('that are short are told once in a while, and counted', () => {
    const { descriptors, clock, lines, counts } = create(256);
    expect(descriptors.problem).toBeUndefined();
    for (let i = 0; i < 500; i++) descriptors.roomFor(numbered(200));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: 'error', fields: { side: 'client', limit: 256 } });
    expect(descriptors.problem).toBe('file descriptors are short: this process may have 256');
    clock.advance(10_000);
    expect(descriptors.problem).toBeUndefined();
    descriptors.noteShortage('target', Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' }));
    expect(lines).toHaveLength(2);
    expect(JSON.stringify([...counts])).toContain('gateway_descriptor_shortages_total');
  });

  it('may become fewer while we run', () => {
    const { descriptors, clock, allow } = create(1024);
    expect(descriptors.roomFor(numbered(300))).toBe('exchange');
    allow(256);
    clock.advance(5000);
    expect(descriptors.roomFor(numbered(240))).toBe('nothing');
  });

  it('are compared with the clients that are let in', () => {
    const { descriptors, lines } = create(1024);
    const listener = (connections: number) => ({ limits: { connections } });
    descriptors.compareWith([listener(1000)]);
    expect(lines).toEqual([]);
    for (let i = 0; i < 2; i++) descriptors.compareWith([listener(1000), listener(20_000)]);
    expect(lines).toMatchObject([{ level: 'warn', fields: { connections: 21_000, limit: 1024 } }]);
  });
});

describe('a fault of our own', () => {
  const failed = (code: string): Error => Object.assign(new Error(code), { code });

  it.each(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM'])('is %s', (code) => {
    expect(isOwnFault(failed(code))).toBe(true);
  });

  it('is not a fault of the target, also where only some of its addresses could not be tried', () => {
    for (const code of ['ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ECONNRESET'])
      expect(isOwnFault(failed(code))).toBe(false);
    expect(isOwnFault(undefined)).toBe(false);
    expect(isOwnFault(new AggregateError([failed('EADDRNOTAVAIL'), failed('ECONNREFUSED')]))).toBe(false);
    expect(isOwnFault(new AggregateError([failed('EMFILE'), failed('EMFILE')]))).toBe(true);
  });
});
