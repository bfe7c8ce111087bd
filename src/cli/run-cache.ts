import type { CacheDescription } from '../admin/describe-cache.ts';
import { findAdminAccess } from '../config/operator-address.ts';
import { callAdmin } from './call-admin.ts';

/** The options of `cache purge`, as they are written. */
export interface PurgeOptions {
  readonly url?: string;
  readonly prefix?: string;
  readonly tag?: string;
  readonly all?: true;
  readonly soft?: true;
}

/** One `sallyport cache …`. */
export type CacheAction =
  | { readonly kind: 'show' }
  | { readonly kind: 'purge'; readonly options: PurgeOptions };

/** Asks the gateway that runs with a configuration about its cache, and prints what it says. Throws what it rejects. */
export async function runCache(file: string, asJson: boolean, action: CacheAction): Promise<void> {
  const access = await findAdminAccess(file, process.env);
  if (action.kind === 'show') {
    const description = (await callAdmin(access, 'GET', '/api/cache')) as CacheDescription;
    console.log(asJson ? JSON.stringify(description, null, 2) : describe(description));
    return;
  }
  const { url, prefix, tag, all, soft } = action.options;
  const response = await callAdmin(access, 'POST', '/api/cache/purge', { url, prefix, tag, all, soft });
  console.log(asJson ? JSON.stringify(response, null, 2) : describePurge(response as { reached: number }));
}

function describePurge({ reached }: { readonly reached: number }): string {
  return `Purged, in ${reached} ${reached === 1 ? 'process' : 'processes'}.`;
}

function describe({ bytes, maxBytes, resources, evictions, routes }: CacheDescription): string {
  const mib = (size: number): string => `${(size / 1024 / 1024).toFixed(1)} MiB`;
  const rows = routes.map(({ route, ...counts }) => [route, ...Object.values(counts).map(String)]);
  const lines = [['ROUTE', 'HIT', 'MISS', 'STALE', 'REVALIDATED', 'BYPASS'], ...rows];
  const widths = lines[0]?.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0))) ?? [];
  const table = lines.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
  );
  return [
    `${mib(bytes)} of ${mib(maxBytes)}, ${resources} resources, ${evictions} evicted`,
    ...(rows.length === 0 ? [] : table),
  ].join('\n');
}
