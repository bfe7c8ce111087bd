import { totalmem } from 'node:os';
import { asFields, type Fields, type Findings } from '../findings.ts';
import { size } from '../schema/scalars.ts';

/** Checks that the store of the policies `cache` can be had: the Redis that it shares, and the memory that it takes. */
export function checkCacheStore(gateway: Fields, findings: Findings, memoryBytes = machineMemory()): void {
  const { redis, memory } = asFields(gateway.cache);
  if (redis === true && gateway.redis === undefined)
    findings.reject(['cache', 'redis'], 'needs a Redis — set redis: { url: … }, or leave cache.redis out');
  const bound = size().safeParse(memory);
  if (!bound.success) return;
  const { workers } = gateway;
  const processes = typeof workers === 'number' && workers >= 1 ? workers : 1;
  if (bound.data * processes < memoryBytes) return;
  const has = `the machine or container has ${Math.floor(memoryBytes / 1024 / 1024)}MiB`;
  const what = processes === 1 ? 'is' : `is, times ${processes} workers,`;
  findings.warn(
    ['cache', 'memory'],
    `${what} all the memory that there is or more (${has}): the gateway would be killed before it reaches this bound — write less, half of that at most`,
  );
}

/** Memory that this process may use, in bytes: of the container, where it is bound to less than the machine has. */
function machineMemory(): number {
  const bound = process.constrainedMemory();
  const total = totalmem();
  return bound > 0 && bound < total ? bound : total;
}
