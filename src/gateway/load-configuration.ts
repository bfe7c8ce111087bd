import { loadConfig } from '../config/load.ts';
import { ConfigError } from '../config/problem.ts';
import type { GatewayConfig } from '../config/schema/schema.ts';
import type { Policy } from '../core/policy.ts';
import { builtInPolicies } from '../policies/index.ts';
import { contentKeyOf } from './life/config-watch.ts';

/** Where a configuration comes from. */
export interface ConfigSource {
  /** The configuration file: YAML, JSON, TypeScript or JavaScript. */
  readonly configFile: string;
  /** Where `${NAME}` in it finds its value. Default: the process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Loads the configuration to start with. Rejects with a `ConfigError` that holds all problems of the file. */
export async function loadConfiguration({
  configFile,
  env = process.env,
}: ConfigSource): Promise<LoadedConfig> {
  const contentKey = await contentKeyOf(configFile);
  const loaded = await loadConfig(configFile, { policies: builtInPolicies, env });
  if (!loaded.ok) throw new ConfigError(loaded.problems);
  return { ...loaded, contentKey };
}

/** A configuration and the policies that it brings along. */
export interface ConfigToPrepare {
  readonly config: GatewayConfig;
  readonly customPolicies: readonly Policy[];
}

/** A configuration as it was loaded from a file. */
export interface LoadedConfig extends ConfigToPrepare {
  /** What the file held, so that later changes are seen. */
  readonly contentKey: string | undefined;
  /** See `LoadResult`. */
  readonly fingerprint: string | undefined;
}
