import { request as requestPlain } from 'node:http';
import { type RequestOptions, request as requestSecure } from 'node:https';
import type { Clock } from '../../core/clock.ts';
import { lookUpName } from '../../core/network/name-lookup.ts';
import { SECURE_OPTIONS } from '../../core/tls-options.ts';

export interface GetCall {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls?: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;
  /** Milliseconds until the head of the response is due, then until all of it is, counted from the start. */
  readonly headMs: number;
  readonly wholeMs: number;
}

export interface GetHead {
  readonly status: number;
  /** Reads a header, `''` where it is missing. */
  header(name: string): string;
}

/** Takes a response as it comes. What these throw ends the call with that error. */
export interface GetHandlers {
  onHead(head: GetHead): void;
  onData(chunk: Buffer): void;
}

const MAX_BODY_BYTES = 64 * 1024 * 1024;
/** Lets the kernel notice a peer that is gone, which a watch could wait on for ever. */
const KEEP_ALIVE_PROBE_MS = 15_000;

/**
 * Sends a GET on a connection of its own. Resolves when the answer is whole, rejects when it is not, or not in time,
 * or `signal` aborts.
 */
export function get(call: GetCall, clock: Clock, signal: AbortSignal, handlers: GetHandlers): Promise<void> {
  const { url, headers, tls, headMs, wholeMs } = call;
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? requestSecure : requestPlain;
    const request = send(url, {
      secureOptions: SECURE_OPTIONS,
      ...tls,
      headers,
      agent: false,
      lookup: lookUpName,
      signal,
    });
    const late = (ms: number) => () => request.destroy(new Error(`no response within ${ms / 1000} s`));
    const cancels = [clock.after(headMs, late(headMs)), clock.after(wholeMs, late(wholeMs))];
    const end = (error?: unknown): void => {
      for (const cancel of cancels) cancel();
      if (error === undefined) resolve();
      else reject(error);
      request.destroy();
    };
    const attempt = (step: () => void): void => {
      try {
        step();
      } catch (error) {
        end(error);
      }
    };
    request.on('error', end);
    request.on('socket', (socket) => void socket.setKeepAlive(true, KEEP_ALIVE_PROBE_MS));
    request.on('response', (response) => {
      cancels[0]?.();
      const header = (name: string): string => String(response.headers[name] ?? '');
      response.on('data', (chunk: Buffer) => attempt(() => handlers.onData(chunk)));
      response.on('end', () => end(response.complete ? undefined : new Error('the response broke off')));
      response.on('error', end);
      attempt(() => handlers.onHead({ status: response.statusCode ?? 0, header }));
    });
    request.end();
  });
}

/** A response with the whole of its body. */
export interface WholeResponse extends GetHead {
  readonly body: string;
}

/** Sends a GET and reads the whole response, whatever its status. */
export async function getWhole(call: GetCall, clock: Clock, signal: AbortSignal): Promise<WholeResponse> {
  const chunks: Buffer[] = [];
  let size = 0;
  let head: GetHead | undefined;
  await get(call, clock, signal, {
    onHead: (received) => {
      head = received;
    },
    onData(chunk) {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) throw new Error('the response is too large');
      chunks.push(chunk);
    },
  });
  const { status, header } = head as unknown as GetHead;
  return { status, header, body: Buffer.concat(chunks).toString() };
}
