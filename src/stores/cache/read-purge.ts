import type { Purge } from '../../core/stores/cache-store.ts';

/** Reads a purge that another gateway has written; `undefined` where it is none that this one knows. */
export function readPurge(text: string): Purge | undefined {
  try {
    const purge = JSON.parse(text) as Partial<Record<'kind' | 'value' | 'soft', unknown>>;
    const { kind, value, soft } = purge;
    if (typeof soft !== 'boolean') return undefined;
    if (kind === 'all') return { kind, soft };
    const isKnown = kind === 'url' || kind === 'prefix' || kind === 'tag';
    return isKnown && typeof value === 'string' ? { kind, value, soft } : undefined;
  } catch {
    return undefined;
  }
}
