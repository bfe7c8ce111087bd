import { dirname, resolve } from 'node:path';
import { type LoadResult, loadConfig, loadConfigValue } from '../config/load.ts';
import { ConfigError } from '../config/problem.ts';
import type { GatewayConfig } from '../config/schema/schema.ts';
import type { Policy } from '../core/policy.ts';
import { builtInPolicies } from '../policies/index.ts';
import { contentKeyOf, type KnownFile } from './life/config-watch.ts';
import { loadBeside } from './life/reload-config.ts';

export interface SourceOptions {
  /** Where `${NAME}` in the configuration finds its value. Default: the process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Policies given as values, by their names. */
export type GivenPolicies = Readonly<Record<string, Policy>>;

/** A configuration in a file. */
export interface FileSource extends SourceOptions {
  /** The configuration file: YAML, JSON, TypeScript or JavaScript. */
  readonly configFile: string;
  readonly customPolicies?: GivenPolicies | undefined;
}

/** A configuration as a value. */
export interface ValueSource extends SourceOptions {
  readonly config: unknown;
  /** Where files that it names are found from. Default: the working directory. */
  readonly configFolder?: string | undefined;
  readonly customPolicies?: GivenPolicies | undefined;
}

/** Loads the configuration of a file. Rejects with a `ConfigError` that holds all its problems. */
export async function loadConfiguration(source: FileSource): Promise<LoadedConfig> {
  const { configFile, customPolicies, env = process.env } = source;
  const contentKey = await contentKeyOf(configFile);
  const options = { policies: builtInPolicies, env, customPolicies };
  const load = () => loadConfig(configFile, options);
  // A policy that is a value cannot be given to another process.
  const reload = customPolicies === undefined ? () => loadBeside(configFile, env) : load;
  const loaded = good(await load());
  const file = { path: configFile, contentKey, documents: loaded.documents };
  return { ...loaded, folder: dirname(resolve(configFile)), file, reload };
}

/** Loads a configuration that is a value. Rejects with a `ConfigError` that holds all its problems. */
export async function loadConfigurationValue(source: ValueSource): Promise<LoadedConfig> {
  const { customPolicies, env = process.env, configFolder = '.' } = source;
  const folder = resolve(configFolder);
  let { config } = source;
  const load = () => loadConfigValue(config, folder, { policies: builtInPolicies, env, customPolicies });
  const replace = (next: unknown): void => {
    config = next;
  };
  return { ...good(await load()), folder, reload: load, replace };
}

function good(loaded: LoadResult): LoadResult & { ok: true } {
  if (!loaded.ok) throw new ConfigError(loaded.problems);
  return loaded;
}

/** A configuration and the policies that it brings along. */
export interface ConfigToPrepare {
  readonly config: GatewayConfig;
  readonly customPolicies: readonly Policy[];
}

/** A configuration as it was loaded, and the way to load it again. */
export interface LoadedConfig extends ConfigToPrepare {
  /** Where files that it names are found from. */
  readonly folder: string;
  /** Left out where it is a value. */
  readonly file?: LoadedFile | undefined;
  /** See `LoadResult`. */
  readonly fingerprint: string | undefined;
  /** Loads it as it is now. */
  reload(): Promise<LoadResult>;
  /** Puts another value in its place, which the next `reload` finds. Left out where it is a file. */
  replace?(config: unknown): void;
}

/** The file of a configuration. */
export interface LoadedFile extends KnownFile {
  /** The files that were read with it. */
  readonly documents?: readonly KnownFile[];
}
