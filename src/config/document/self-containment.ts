import type { ConfigPath } from '../problem.ts';

/** Finds the places at which data contains what they are themselves in, where whoever walks it would never end. */
export function findCycles(data: unknown): ConfigPath[] {
  const cycles: ConfigPath[] = [];
  const above = new Set<unknown>();
  /** What many aliases stand for is walked once, however often it is met. */
  const walked = new Set<unknown>();
  const walk = (value: unknown, path: ConfigPath): void => {
    if (typeof value !== 'object' || value === null) return;
    if (above.has(value)) {
      cycles.push(path);
      return;
    }
    if (walked.has(value)) return;
    above.add(value);
    for (const [key, item] of Object.entries(value))
      walk(item, [...path, Array.isArray(value) ? Number(key) : key]);
    above.delete(value);
    walked.add(value);
  };
  walk(data, []);
  return cycles;
}
