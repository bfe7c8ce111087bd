import { INPUT_BYTES, llhttp } from './llhttp.ts';

const POOLED_BUFFERS = 64;
const pooledBuffers: Buffer[] = [];

/** Takes a buffer for the reads of one connection. */
export function takeBuffer(): Buffer {
  return pooledBuffers.pop() ?? Buffer.allocUnsafeSlow(INPUT_BYTES);
}

/** Gives back what `takeBuffer` gave, if nothing in it is still needed. */
export function giveBuffer(buffer: Buffer): void {
  if (pooledBuffers.length < POOLED_BUFFERS) pooledBuffers.push(buffer);
}

/** Whether bytes lie where the next read of any connection will land. */
export function isNotOwned(bytes: Uint8Array): boolean {
  return bytes.buffer === llhttp().input.buffer;
}

/** Not more, since a write that has to wait keeps all of it. */
const SCRATCH_BYTES = 32 * 1024;
/** Room for one write, kept from one that the system took at once to the next. */
let scratch: Buffer | undefined;

/** Takes room for bytes that are written next. Given back with `giveScratch` if they do not have to wait. */
export function takeScratch(length: number): Buffer {
  if (length > SCRATCH_BYTES) return Buffer.allocUnsafeSlow(length);
  const whole = scratch ?? Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  scratch = undefined;
  return whole.subarray(0, length);
}

/** Gives back what `takeScratch` gave. */
export function giveScratch(used: Buffer): void {
  if (used.buffer.byteLength === SCRATCH_BYTES) scratch = Buffer.from(used.buffer);
}
