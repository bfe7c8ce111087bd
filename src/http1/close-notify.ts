import type { Socket } from 'node:net';
import { takeBuffer } from './io-buffers.ts';

/** The parts of Node that have no public name, used only where they are found. */
interface TlsHandle {
  /** Takes bytes as if they had come from the network. */
  receive?: (bytes: Uint8Array) => void;
  _parent?: RawHandle | null;
}

interface RawHandle {
  readonly bytesRead?: number;
  useUserBuffer?: (buffer: Uint8Array) => void;
  onread?: () => void;
}

/**
 * Lets only a `close_notify` end what a TLS peer sends, and calls `onTruncated` for an end that nobody signed: anybody on
 * the way can send a FIN. Node tells of both alike, so the encrypted bytes pass through here, and the end of TCP does not
 * reach TLS. Answers `false` where this Node cannot be listened to. No write may be under way, or follow: their ends are
 * not told any more.
 */
export function guardTlsEnd(socket: Socket, onTruncated: () => void): boolean {
  const tls = (socket as unknown as { _handle?: TlsHandle | null })._handle;
  const raw = tls?._parent;
  if (tls?.receive === undefined || raw?.useUserBuffer === undefined || raw.bytesRead === undefined)
    return false;
  if (process.env.SALLYPORT_PUBLIC_SOCKETS === '1') return false;
  const bytes = takeBuffer();
  let seen = raw.bytesRead;
  raw.useUserBuffer(bytes);
  raw.onread = () => {
    const length = (raw.bytesRead as number) - seen;
    seen += length;
    // Without bytes it is the end, or an error.
    if (length > 0) tls.receive?.(bytes.subarray(0, length));
    else onTruncated();
  };
  return true;
}
