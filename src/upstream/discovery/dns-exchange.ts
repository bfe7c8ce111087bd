import { createSocket } from 'node:dgram';
import { connect, isIP, isIPv6 } from 'node:net';
import type { DecodedPacket } from 'dns-packet';
import type { Clock } from '../../core/clock.ts';
import { type DnsQuery, readReply } from './dns-message.ts';

export interface ExchangeSettings {
  /** How long a server may take, TCP included. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Ends it at once. */
  readonly signal: AbortSignal;
}

/**
 * Asks one server, `address` or `address:port`: by UDP, from a socket and so a port of its own, and by TCP where the
 * answer does not fit. What is not a response to the question is not heard. Rejects with an error that has a `code`.
 */
export async function queryServer(
  server: string,
  query: DnsQuery,
  { timeoutMs, clock, signal }: ExchangeSettings,
): Promise<DecodedPacket> {
  const timeout = new AbortController();
  const cancelTimer = clock.after(timeoutMs, () => timeout.abort(dnsFault('ETIMEOUT')));
  const ending = AbortSignal.any([signal, timeout.signal]);
  const place = placeOf(server);
  try {
    const reply = await queryByDatagram(place, query, ending);
    return reply === 'truncated' ? await queryByStream(place, query, ending) : reply;
  } finally {
    cancelTimer();
  }
}

/** Makes an error in the manner of node:dns. */
export function dnsFault(code: string): Error {
  return Object.assign(new Error(code), { code });
}

interface Place {
  readonly host: string;
  readonly port: number;
}

function queryByDatagram(
  { host, port }: Place,
  query: DnsQuery,
  ending: AbortSignal,
): Promise<DecodedPacket | 'truncated'> {
  return settleBefore(ending, (resolve, reject) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    socket.on('error', reject);
    socket.on('message', (message) => {
      const reply = readReply(message, query);
      if (reply !== 'foreign') resolve(reply);
    });
    // Connected, it hears this server alone, and hears of it when nobody is there.
    socket.connect(port, host, () => socket.send(query.bytes));
    return () => socket.close();
  });
}

function queryByStream({ host, port }: Place, query: DnsQuery, ending: AbortSignal): Promise<DecodedPacket> {
  return settleBefore(ending, (resolve, reject) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.bytes.length);
    const socket = connect({ host, port });
    let received = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('close', () => reject(dnsFault('EBADRESP')));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const reply = readReply(received.subarray(2, 2 + received.readUInt16BE(0)), query);
      if (typeof reply === 'string') reject(dnsFault('EBADRESP'));
      else resolve(reply);
    });
    socket.write(Buffer.concat([length, query.bytes]));
    return () => socket.destroy();
  });
}

/** Runs `begin` until it settles or `ending` aborts, and then what it returned, which frees all it began. */
function settleBefore<T>(
  ending: AbortSignal,
  begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  if (ending.aborted) return Promise.reject(ending.reason);
  const giveUp = (): void => reject(ending.reason);
  ending.addEventListener('abort', giveUp);
  const free = begin(resolve, reject);
  return promise.finally(() => {
    ending.removeEventListener('abort', giveUp);
    free();
  });
}

function placeOf(server: string): Place {
  if (isIP(server) !== 0) return { host: server, port: 53 };
  const colon = server.lastIndexOf(':');
  return { host: server.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(server.slice(colon + 1)) };
}
