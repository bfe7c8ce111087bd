import { randomFillSync } from 'node:crypto';

const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const POOL_BYTES = 4096;
const pool = new Uint8Array(POOL_BYTES);
let poolAt = POOL_BYTES;

/** The millisecond that the last id carries, its text, and the counter within it (RFC 9562 §6.2, method 1). */
let lastMs = -1;
let prefix = '';
let counter = 0;

/**
 * Makes a request id: a UUIDv7 (RFC 9562), which sorts by time, and within one process strictly so.
 * When the clock goes back, or a millisecond is used up, the ids go on from the last one.
 */
export function newRequestId(nowMs: number = Date.now()): string {
  if (poolAt + 10 > POOL_BYTES) refillPool();
  if (nowMs > lastMs) startMillisecond(Math.floor(nowMs));
  else if (++counter > 0xfff) startMillisecond(lastMs + 1);
  const at = poolAt;
  poolAt += 8;
  return (
    prefix +
    (HEX[0x70 | (counter >> 8)] as string) +
    (HEX[counter & 0xff] as string) +
    '-' +
    HEX[0x80 | ((pool[at] as number) & 0x3f)] +
    HEX[pool[at + 1] as number] +
    '-' +
    HEX[pool[at + 2] as number] +
    HEX[pool[at + 3] as number] +
    HEX[pool[at + 4] as number] +
    HEX[pool[at + 5] as number] +
    HEX[pool[at + 6] as number] +
    HEX[pool[at + 7] as number]
  );
}

/** Begins a millisecond: its text, and a random counter with room above it. */
function startMillisecond(ms: number): void {
  lastMs = ms;
  const hex = ms.toString(16).padStart(12, '0');
  prefix = `${hex.slice(0, 8)}-${hex.slice(8)}-`;
  counter = (((pool[poolAt] as number) << 8) | (pool[poolAt + 1] as number)) & 0x7ff;
  poolAt += 2;
}

function refillPool(): void {
  randomFillSync(pool);
  poolAt = 0;
}
