import { request } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { Client, type Dispatcher } from 'undici';
import { MemorySocket } from './memory-socket.ts';
import { type Outcome, pairs, type TakenMessage } from './taken.ts';

/** Asks Node's own client what it makes of `pieces` as an answer, after which the connection ends. */
export async function receiveWithNode(pieces: readonly Buffer[], method = 'GET'): Promise<Outcome> {
  const socket = new MemorySocket();
  const messages: TakenMessage[] = [];
  const state = { isRejected: false };
  const refuse = (): void => {
    state.isRejected = true;
  };
  const sent = request({ method, host: 'a', createConnection: () => socket.asSocket() });
  sent.on('error', refuse);
  sent.on('upgrade', refuse);
  sent.on('response', (response) => {
    const taken = emptyMessage(`${response.statusCode} ${response.statusMessage}`, response.rawHeaders);
    messages.push(taken);
    response.on('error', refuse);
    response.push = (chunk: Buffer | null): boolean => {
      if (chunk !== null) taken.body += chunk.toString('latin1');
      else if (response.complete) complete(taken, response.rawTrailers);
      return true;
    };
  });
  sent.end();
  await setImmediate();
  for (const piece of pieces) {
    if (!socket.destroyed) socket.emit('data', piece);
  }
  if (!socket.destroyed) socket.emit('end');
  await setImmediate();
  sent.destroy();
  return { messages, isRejected: state.isRejected };
}

/** Asks undici's client the same. It reads reason phrases as UTF-8, so they are left out. */
export async function receiveWithUndici(pieces: readonly Buffer[], method = 'GET'): Promise<Outcome> {
  const socket = new MemorySocket();
  const messages: TakenMessage[] = [];
  const client = new Client('http://a', {
    connect: (_options, done) => globalThis.setImmediate(() => done(null, socket.asSocket())),
  });
  let isRejected = false;
  const settled = new Promise<void>((resolve) => {
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onRequestUpgrade() {
        isRejected = true;
        resolve();
      },
      onResponseStart(controller, status) {
        if (status < 200) return;
        messages.push(emptyMessage(`${status}`, texts((controller as RawFields).rawHeaders)));
      },
      onResponseData(_controller, chunk) {
        (messages[0] as TakenMessage).body += chunk.toString('latin1');
      },
      onResponseEnd(controller) {
        complete(messages[0] as TakenMessage, texts((controller as RawFields).rawTrailers));
        resolve();
      },
      onResponseError() {
        isRejected = true;
        resolve();
      },
    };
    client.dispatch({ path: '/', method: method as Dispatcher.HttpMethod }, handler);
  });
  while (socket.sent === '') await setImmediate();
  for (const piece of pieces) socket.push(piece);
  socket.push(null);
  await settled;
  await client.destroy();
  return { messages, isRejected };
}

interface RawFields {
  readonly rawHeaders?: readonly Buffer[];
  readonly rawTrailers?: readonly Buffer[];
}

/** undici leaves a tab behind a value where it is. */
function texts(parts: readonly Buffer[] = []): string[] {
  return parts.map((part) => part.toString('latin1').replace(/[ \t]+$/, ''));
}

function emptyMessage(line: string, raw: readonly string[]): TakenMessage {
  return { line, headers: pairs(raw), body: '', trailers: [], isComplete: false };
}

function complete(message: TakenMessage, raw: readonly string[]): void {
  message.isComplete = true;
  message.trailers = pairs(raw);
}
