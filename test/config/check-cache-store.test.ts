import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import { checkCacheStore } from '../../src/config/check/check-cache-store.ts';
import { loadText, problemsOf } from './load-text.ts';

const HEAD = 'listeners: [{ port: 0 }]\n';
const MIB = 1024 * 1024;

function warningsOf(gateway: Record<string, unknown>, memoryBytes: number): string[] {
  const found: string[] = [];
  const findings = {
    reject: () => {},
    warn: (_: unknown, text: string) => void found.push(text),
    quote: (_: unknown, value: string) => value,
  };
  checkCacheStore(gateway, findings, memoryBytes);
  return found;
}

describe('the store of the cache', () => {
  it('is not in a Redis that nobody names', async () => {
    expect(await problemsOf(`${HEAD}cache: { redis: true }\n`)).toEqual([
      expect.stringMatching(/cache\.redis: needs a Redis — set redis/),
    ]);
    const redis = 'redis: { url: "redis://127.0.0.1:6379" }\n';
    expect((await loadText(`${HEAD}${redis}cache: { redis: true }\n`, {})).ok).toBe(true);
  });

  it('is warned of where it is larger than the memory of the machine or the container', async () => {
    expect(warningsOf({ cache: { memory: '64MiB' } }, 128 * MIB)).toEqual([]);
    expect(warningsOf({ cache: { memory: '128MiB' } }, 128 * MIB)).toEqual([
      'is all the memory that there is or more (the machine or container has 128MiB): the gateway would be killed before it reaches this bound — write less, half of that at most',
    ]);
    expect(warningsOf({ cache: { memory: '64MiB' }, workers: 2 }, 128 * MIB)).toEqual([
      expect.stringContaining('is, times 2 workers, all the memory'),
    ]);
    const result = await loadText(`${HEAD}cache: { memory: ${Math.ceil(totalmem() / MIB)}MiB }\n`, {});
    expect(result.ok && result.warnings.map(({ path }) => path)).toEqual(['cache.memory']);
  });

  it('is at least a mebibyte', async () => {
    for (const memory of ['0B', '512KiB'])
      expect(await problemsOf(`${HEAD}cache: { memory: ${memory} }\n`)).toEqual([
        expect.stringMatching(/cache\.memory: is too little — write at least 1MiB/),
      ]);
  });
});
