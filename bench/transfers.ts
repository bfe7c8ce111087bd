import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';

const CHUNK = Buffer.alloc(64 * 1024, 'x');

// 5 MiB/s for each reader.
const TICK_MS = 50;
const BYTES_PER_TICK = 256 * 1024;

/**
 * Starts a service with `/large`, a download of `bytes`; `/small`, one of two; and uploads, which it reads slowly and
 * answers with the number of bytes received.
 */
export async function startTransferService(bytes: number): Promise<{ readonly port: number }> {
  const server = createServer((request, response) => {
    if (request.method === 'POST') void answerUpload(request, response);
    else if (request.url === '/large') sendLarge(response, bytes);
    else response.end('ok');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1024, resolve));
  return { port: (server.address() as AddressInfo).port };
}

async function answerUpload(request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.end(String(await readSlowly(request)));
}

function sendLarge(response: ServerResponse, bytes: number): void {
  response.writeHead(200, { 'content-length': bytes });
  writeBytes(response, bytes, () => response.end());
}

/** Writes `bytes` at the speed of `sink`. */
function writeBytes(sink: Writable, bytes: number, done: () => void): void {
  let left = bytes;
  const go = (): void => {
    while (left > 0) {
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
      left -= chunk.length;
      if (!sink.write(chunk)) break;
    }
    if (left > 0) sink.once('drain', go);
    else done();
  };
  go();
}

/** Reads to the end at a limited speed and returns the number of bytes. */
function readSlowly(source: Readable, take?: (chunk: Buffer) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    let total = 0;
    let inTick = 0;
    const timer = setInterval(() => {
      inTick = 0;
      source.resume();
    }, TICK_MS);
    source.on('data', (chunk: Buffer) => {
      take?.(chunk);
      total += chunk.length;
      inTick += chunk.length;
      if (inTick >= BYTES_PER_TICK) source.pause();
    });
    source.once('end', () => resolve(total));
    source.once('error', reject);
    source.once('close', () => {
      clearInterval(timer);
      reject(new Error(`broke off after ${total} bytes`));
    });
  });
}

/** Downloads `path` slowly over a connection of its own; fails unless exactly `bytes` come. */
export async function download(port: number, path: string, bytes: number): Promise<void> {
  const socket = await open(port);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  const head = new HeadReader();
  const total = await readSlowly(socket, (chunk) => head.take(chunk));
  const received = total - head.length;
  if (head.status !== 200 || received !== bytes) {
    throw new Error(`download: status ${head.status}, ${received} of ${bytes} bytes`);
  }
}

/** Uploads `bytes` over a connection of its own; fails unless the service tells that it got them all. */
export async function upload(port: number, bytes: number): Promise<void> {
  const socket = await open(port);
  socket.write(
    `POST /upload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${bytes}\r\n\r\n`,
  );
  writeBytes(socket, bytes, () => {});
  let answer = '';
  await readSlowly(socket, (chunk) => {
    answer += chunk.toString('latin1');
  });
  if (!answer.startsWith('HTTP/1.1 200') || !answer.includes(String(bytes))) {
    throw new Error(`upload: ${answer.slice(0, 200)}`);
  }
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Finds the end of the response head, so that the body can be counted. */
class HeadReader {
  status = 0;
  length = 0;
  private text = '';
  private isDone = false;

  take(chunk: Buffer): void {
    if (this.isDone) return;
    this.text += chunk.toString('latin1');
    const end = this.text.indexOf('\r\n\r\n');
    if (end < 0) return;
    this.isDone = true;
    this.length = end + 4;
    this.status = Number(this.text.slice(9, 12));
    this.text = '';
  }
}
