import type { Socket } from 'node:net';

/*
 * The way past `net.Socket` to the system's write, without a stream's bookkeeping and without a request object for
 * each write: one is only used up when the system does not take everything at once. None of this has a public name, so
 * it is used only where all of it is found (`canWriteDirectly`), and `SocketWriter` has another way.
 */

interface WriteRequest {
  oncomplete: (this: WriteRequest, status: number) => void;
  handle: Handle | undefined;
  buffer: Uint8Array | undefined;
  writer: DirectWriter | undefined;
}

interface Handle {
  writeLatin1String(request: WriteRequest, text: string): number;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
}

/** What Node's own streams use. `streamBaseState` tells of the last write whether its request is still needed. */
interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly streamBaseState: Int32Array;
  readonly kLastWriteWasAsync: number;
}

/** Told when bytes that the system did not take at once have gone, with a negative number for an error. */
export interface DirectWriter {
  onDirectWritten(status: number): void;
}

/** What one write came to: taken, on its way (`onDirectWritten` will be called), or a negative error number. */
export const TAKEN = 1;
export const ON_ITS_WAY = 0;

let binding: StreamBinding | undefined | null = null;
let spare: WriteRequest | undefined;

/** Writes `data` (a string as latin1) to the socket's handle. Only where `canWriteDirectly` said yes. */
export function writeDirectly(socket: Socket, data: string | Uint8Array, writer: DirectWriter): number {
  const handle = handleOf(socket);
  if (handle === undefined) return -1;
  const { streamBaseState, kLastWriteWasAsync } = binding as StreamBinding;
  const request = spare ?? newRequest();
  spare = undefined;
  const isText = typeof data === 'string';
  const status = isText ? handle.writeLatin1String(request, data) : handle.writeBuffer(request, data);
  if (status !== 0) return status < 0 ? status : -1;
  if (streamBaseState[kLastWriteWasAsync] === 0) {
    spare = request;
    return TAKEN;
  }
  // The request belongs to the write now, and keeps the bytes alive until it is done.
  request.handle = handle;
  request.writer = writer;
  if (!isText) request.buffer = data;
  return ON_ITS_WAY;
}

/** Tells whether `writeDirectly` works for this socket, which must be connected and plain. */
export function canWriteDirectly(socket: Socket): boolean {
  if (binding === null) binding = findBinding();
  const handle = handleOf(socket);
  return (
    binding !== undefined &&
    typeof handle?.writeLatin1String === 'function' &&
    typeof handle.writeBuffer === 'function'
  );
}

function newRequest(): WriteRequest {
  const request = new (binding as StreamBinding).WriteWrap();
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

function findBinding(): StreamBinding | undefined {
  try {
    const { binding: find } = process as unknown as { binding(name: string): Partial<StreamBinding> };
    const found = find('stream_wrap');
    const isWhole =
      typeof found.WriteWrap === 'function' &&
      found.streamBaseState instanceof Int32Array &&
      typeof found.kLastWriteWasAsync === 'number';
    return isWhole ? (found as StreamBinding) : undefined;
  } catch {
    return undefined;
  }
}
