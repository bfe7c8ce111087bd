/**
 * A service behind bench/chaos.ts, a process of its own, so that it can be killed and stopped as one:
 * `node bench/chaos/target.ts HOST PORT JOURNAL`. Writes down which requests it was given before it does anything else, so that
 * it is known of one that was killed what it held. SIGTERM: takes nothing new, finishes what it has, and ends.
 */
import { openSync, writeSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { type WebSocket, WebSocketServer } from 'ws';
import { EVENT_INTERVAL_MS, EVENTS } from './operations.ts';

/** How long connections stay open, and say that they are about to end, before an orderly end. */
const LEAVING_MS = 1000;

const [host = '127.0.0.1', port = '0', journal = '/dev/null'] = process.argv.slice(2);
const file = openSync(journal, 'a');
let isLeaving = false;
let busy = 0;

/** A line with the id of a request, which is the last part of its path. */
function note(mark: 'began' | 'ended', { method, url = '' }: IncomingMessage): void {
  if (url !== '/healthz') writeSync(file, `${mark} ${method} ${url.slice(url.lastIndexOf('/') + 1)}\n`);
}

// Short enough that no connection to it is left idle at the end.
const server = createServer({ keepAliveTimeout: 8000 }, (request, response) => {
  note('began', request);
  busy++;
  if (isLeaving) response.setHeader('connection', 'close');
  response.once('close', () => {
    busy--;
    note('ended', request);
  });
  answer(request, response).catch(() => response.destroy());
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { url = '' } = request;
  if (url.startsWith('/events/')) return sendEvents(url, response);
  let length = 0;
  for await (const chunk of request) length += (chunk as Buffer).length;
  await wait(2);
  response.end(`${url} ${length}`);
}

async function sendEvents(url: string, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (let i = 0; i < EVENTS && !response.destroyed; i++) {
    response.write(`data: ${url} ${i}\n\n`);
    await wait(EVENT_INTERVAL_MS);
  }
  response.end();
}

const sockets = new WebSocketServer({ noServer: true });
server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
  note('began', request);
  busy++;
  socket.once('close', () => {
    busy--;
    note('ended', request);
  });
  sockets.handleUpgrade(request, socket, head, (peer: WebSocket) => {
    peer.on('error', () => {}).on('message', (text) => peer.send(text));
  });
});

process.once('SIGTERM', async () => {
  isLeaving = true;
  // Nothing new, but those that are open stay for the answers that say that they end.
  server.closeIdleConnections = () => {};
  server.close();
  await wait(LEAVING_MS);
  while (busy > 0) await wait(20);
  process.exit(0);
});
process.once('disconnect', () => process.exit(1));
server.listen(Number(port), host, () => process.send?.('listening'));
