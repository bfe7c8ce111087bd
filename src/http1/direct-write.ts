import { Socket, type SocketConstructorOpts } from 'node:net';

/**
 * The way past `net.Socket` to the system's write, without a stream's bookkeeping and without a request object for each
 * write: one is only used up when the system does not take everything at once. None of this has a public name, so it
 * is used only where all of it is found (`canWriteDirectly`), and `Transport` has another way.
 */

interface WriteRequest {
  oncomplete: (this: WriteRequest, status: number) => void;
  handle: Handle | undefined;
  buffer: Uint8Array | undefined;
  writer: DirectWriter | undefined;
}

interface Handle {
  readonly writeQueueSize: number;
  writeLatin1String(request: WriteRequest, text: string): number;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
}

/** Told when bytes that the system did not take at once have gone, with a negative number for an error. */
export interface DirectWriter {
  onDirectWritten(status: number): void;
}

/** What one write came to: taken, on its way (`onDirectWritten` will be called), or a negative error number. */
export const TAKEN = 1;
export const ON_ITS_WAY = 0;

let RequestClass: (new () => WriteRequest) | undefined | null = null;
let spare: WriteRequest | undefined;

/** Writes `data` (a string as latin1) to the socket's handle. Only where `canWriteDirectly` said yes. */
export function writeDirectly(socket: Socket, data: string | Uint8Array, writer: DirectWriter): number {
  const handle = handleOf(socket);
  if (handle === undefined) return -1;
  const request = spare ?? newRequest();
  spare = request;
  const isText = typeof data === 'string';
  const status = isText ? handle.writeLatin1String(request, data) : handle.writeBuffer(request, data);
  if (status !== 0) return status < 0 ? status : -1;
  if (handle.writeQueueSize === 0) return TAKEN;
  // The request belongs to the write now, and keeps the bytes alive until it is done.
  spare = undefined;
  request.handle = handle;
  request.writer = writer;
  if (!isText) request.buffer = data;
  return ON_ITS_WAY;
}

/** Tells whether `writeDirectly` works for this socket, which must be connected and plain. */
export function canWriteDirectly(socket: Socket): boolean {
  if (RequestClass === null) RequestClass = findRequestClass();
  return RequestClass !== undefined && typeof handleOf(socket)?.writeQueueSize === 'number';
}

function newRequest(): WriteRequest {
  const request = new (RequestClass as new () => WriteRequest)();
  request.oncomplete = onComplete;
  request.handle = undefined;
  request.buffer = undefined;
  request.writer = undefined;
  return request;
}

function onComplete(this: WriteRequest, status: number): void {
  const { writer } = this;
  this.handle = undefined;
  this.buffer = undefined;
  this.writer = undefined;
  writer?.onDirectWritten(status);
}

function handleOf(socket: Socket): Handle | undefined {
  return (socket as unknown as { _handle?: Handle | null })._handle ?? undefined;
}

/** Lets a socket without a connection write, and keeps the class of the request that it makes for its handle. */
function findRequestClass(): (new () => WriteRequest) | undefined {
  let found: (new () => WriteRequest) | undefined;
  const handle = {
    reading: false,
    getAsyncId: () => 0,
    close() {},
    writeLatin1String(request: WriteRequest): number {
      found = request.constructor as new () => WriteRequest;
      return 0;
    },
  };
  try {
    const socket = new Socket({ handle, manualStart: true } as unknown as SocketConstructorOpts);
    socket.on('error', () => {});
    (socket as unknown as { _write(d: string, e: string, done: () => void): void })._write(
      'x',
      'latin1',
      () => {},
    );
    socket.destroy();
  } catch {
    return undefined;
  }
  return found;
}
