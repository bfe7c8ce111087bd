import type { Socket } from 'node:net';

/** Takes what a socket reads. */
export interface LinkReader {
  /** The buffer for the next read. */
  nextBuffer(): Buffer;
  /** Takes what was read. Answers whether to read on. */
  receive(length: number, bytes: Buffer): boolean;
}

/** A socket that is connected, TLS included, and whose reads go to what takes it over. */
export interface Link {
  readonly socket: Socket;
  readonly reader: { current?: LinkReader };
}
