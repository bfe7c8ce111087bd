/**
 * Runs within a gateway of bench/chaos.ts (`--expose-gc --import`): who connects to `PROBES/<pid>.sock` is told what is left in
 * memory after a collection.
 */
import { createServer } from 'node:net';
import path from 'node:path';

/** In MiB. */
export interface HeldMemory {
  /** Objects of JavaScript. */
  readonly heap: number;
  /** What they hold outside of that, buffers included. */
  readonly external: number;
}

const BYTES_PER_MIB = 1024 * 1024;
const folder = process.env.PROBES;

if (folder !== undefined) {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    // What is freed by the first may hold what the second one frees.
    globalThis.gc?.();
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    const held: HeldMemory = { heap: heapUsed / BYTES_PER_MIB, external: external / BYTES_PER_MIB };
    socket.end(JSON.stringify(held));
  });
  server.on('error', () => {});
  server.listen(path.join(folder, `${process.pid}.sock`)).unref();
}
