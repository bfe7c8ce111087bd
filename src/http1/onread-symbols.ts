import { Socket } from 'node:net';
import type { LinkReader } from './link.ts';
import { llhttp } from './llhttp.ts';

/*
 * A socket that is opened here may be given a buffer to read into, by its `onread` option. One that a server accepted may
 * not, though Node keeps the option in the same places. They have no public name, so they are used only where all are found.
 */

interface OnreadSymbols {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

interface SocketInternals {
  _handle?: { useUserBuffer?: (buffer: Uint8Array) => void } | null;
  [symbol: symbol]: unknown;
}

let foundSymbols: OnreadSymbols | undefined | null = null;

/** Whether this Node keeps the `onread` option of a socket where it is looked for. */
export function hasOnreadSymbols(): boolean {
  return onreadSymbols() !== undefined;
}

/** Makes an accepted socket give what it reads to `reader`, in buffers of the reader's where Node lets it. */
export function readAccepted(socket: Socket, reader: LinkReader): void {
  const symbols = onreadSymbols();
  const internals = socket as unknown as SocketInternals;
  const handle = internals._handle;
  if (symbols === undefined || typeof handle?.useUserBuffer !== 'function') {
    socket.on('data', (chunk: Buffer) => reader.receive(chunk.length, chunk) || socket.pause());
    return;
  }
  const early = socket.read() as Buffer | null;
  internals[symbols.buffer] = llhttp().input;
  internals[symbols.callback] = (length: number, bytes: Buffer) => reader.receive(length, bytes);
  internals[symbols.generator] = () => reader.nextBuffer();
  handle.useUserBuffer(llhttp().input);
  if (early !== null) setImmediate(() => reader.receive(early.length, early));
}

function onreadSymbols(): OnreadSymbols | undefined {
  if (foundSymbols === null) foundSymbols = findSymbols();
  return foundSymbols;
}

function findSymbols(): OnreadSymbols | undefined {
  if (process.env.SALLYPORT_PUBLIC_SOCKETS === '1') return undefined;
  const found = new Map(
    Object.getOwnPropertySymbols(new Socket()).map((symbol) => [symbol.description, symbol]),
  );
  const buffer = found.get('kBuffer');
  const callback = found.get('kBufferCb');
  const generator = found.get('kBufferGen');
  return buffer && callback && generator ? { buffer, callback, generator } : undefined;
}
