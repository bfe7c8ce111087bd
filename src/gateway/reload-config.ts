import type { LoadResult } from '../config/load.ts';
import { loadConfigInChild } from '../config/load-in-child.ts';
import type { GatewayConfig } from '../config/schema.ts';

/** Loads a configuration beside what runs. */
export function loadBeside(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<LoadResult> {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const policiesModule = new URL(`../policies/index${ending}`, import.meta.url).href;
  return loadConfigInChild(file, { policiesModule, env });
}

/** Names the settings that differ and stay as they are until the next start. */
export function findLateSettings(former: GatewayConfig, config: GatewayConfig): string[] {
  return (['admin', 'status', 'dataDir', 'redis', 'apiKeys', 'workers'] as const).filter(
    (name) => JSON.stringify(former[name]) !== JSON.stringify(config[name]),
  );
}
