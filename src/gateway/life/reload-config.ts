import type { LoadResult } from '../../config/load.ts';
import { loadConfigInChild } from '../../config/load-in-child.ts';
import type { GatewayConfig } from '../../config/schema/schema.ts';

/** Loads a configuration beside what runs. */
export function loadBeside(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<LoadResult> {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const policiesModule = new URL(`../../policies/index${ending}`, import.meta.url).href;
  return loadConfigInChild(file, { policiesModule, env });
}

/** What is there from the start of a gateway to its end. */
const LATE_SETTINGS = ['admin', 'status', 'dataDir', 'redis', 'cache', 'apiKeys', 'workers'] as const;

/** Names the settings that differ and stay as they are until the next start. */
export function findRestartSettings(former: GatewayConfig, config: GatewayConfig): string[] {
  return LATE_SETTINGS.filter((name) => JSON.stringify(former[name]) !== JSON.stringify(config[name]));
}

/** Gives `config` with those settings of `former` that stay until the next start. */
export function keepRestartSettings(former: GatewayConfig, config: GatewayConfig): GatewayConfig {
  const kept = Object.fromEntries(LATE_SETTINGS.map((name) => [name, former[name]]));
  return { ...config, ...kept };
}
