import { suggest } from '../config/suggest.ts';
import type { Policy } from '../core/policy.ts';
import { openLogDestination } from '../observability/log-destination.ts';
import type { CustomPolicies } from '../policies/policy-input.ts';
import type { GatewayInput } from './define-gateway.ts';
import { Gateway, type RunOptions } from './gateway.ts';
import {
  type LoadedConfig,
  loadConfiguration,
  loadConfigurationValue,
  type SourceOptions,
} from './load-configuration.ts';

/** What `createGateway` takes: a configuration in a file or as a value, and how the gateway runs. */
export type GatewayOptions<Custom extends CustomPolicies = CustomPolicies> = RunOptions &
  SourceOptions & {
    /** Policies of one's own as values, beside those that the configuration names, or in place of them: for tests. */
    readonly customPolicies?: { readonly [Name in keyof Custom]: Custom[Name] & Policy } | undefined;
  } & (
    | {
        /** The configuration file: YAML, JSON, TypeScript or JavaScript. */
        readonly configFile: string;
        readonly config?: never;
        readonly configFolder?: never;
      }
    | {
        /** The configuration as it is written, as a value. No file is watched; `gateway.reload(next)` takes up another. */
        readonly config: GatewayInput<Custom>;
        /** Where files that `config` names are found from. Default: the working directory. */
        readonly configFolder?: string | undefined;
        readonly configFile?: never;
      }
  );

const OPTIONS = [
  'configFile',
  'config',
  'configFolder',
  'customPolicies',
  'env',
  'logLevel',
  'watch',
  'logDestination',
  'clock',
] as const;
const EXAMPLES = "{ configFile: './sallyport.yaml' } or { config: { listeners: [{ port: 8080 }] } }";

/**
 * Makes a gateway of a configuration: a file, or a value. Nothing is open before `start`. Serves in this process, whatever
 * `workers` says. Rejects with a `ConfigError` that holds all problems of the configuration, and with a `TypeError` for
 * options that are none.
 */
export async function createGateway<const Custom extends CustomPolicies = CustomPolicies>(
  options: GatewayOptions<Custom>,
): Promise<Gateway> {
  const fault = findFault(options);
  if (fault !== undefined) throw new TypeError(`createGateway: ${fault}`);
  const loaded = await load(options as GatewayOptions);
  return new Gateway(options, loaded, options.logDestination ?? (await openLogDestination()));
}

function load(options: GatewayOptions): Promise<LoadedConfig> {
  const { customPolicies, env } = options;
  const given = { customPolicies: customPolicies as Readonly<Record<string, Policy>> | undefined };
  const source = { ...given, ...(env && { env }) };
  return options.configFile === undefined
    ? loadConfigurationValue({ ...source, config: options.config, configFolder: options.configFolder })
    : loadConfiguration({ ...source, configFile: options.configFile });
}

/** Says what is wrong with options that no compiler has looked at. */
function findFault(options: unknown): string | undefined {
  if (!isMap(options)) return `give it a configuration: ${EXAMPLES}`;
  for (const name of Object.keys(options)) {
    if ((OPTIONS as readonly string[]).includes(name)) continue;
    const close = suggest(name, OPTIONS);
    const remedy = close === undefined ? `there are ${OPTIONS.join(', ')}` : `did you mean '${close}'?`;
    return `there is no option '${name}' — ${remedy}`;
  }
  const { configFile, config, configFolder, customPolicies } = options;
  if (configFile === undefined && config === undefined) return `give it a configuration: ${EXAMPLES}`;
  if (configFile !== undefined && config !== undefined)
    return 'there are two configurations, configFile and config — give one of them';
  if (configFile !== undefined && (typeof configFile !== 'string' || configFile === ''))
    return `configFile is not the name of a file — write one, such as './sallyport.yaml'`;
  if (typeof config === 'string') return `config is a text — name a file by configFile`;
  if (config !== undefined && !isMap(config)) return 'config is not a configuration — give a map of settings';
  if (configFile !== undefined && configFolder !== undefined)
    return 'configFolder has no effect beside configFile, whose folder it is — leave it out';
  if (configFolder !== undefined && typeof configFolder !== 'string')
    return 'configFolder is not the name of a folder — write one, such as import.meta.dirname';
  if (customPolicies !== undefined && !isMap(customPolicies))
    return 'customPolicies is not a map from names to policies — write { "acme/audit": audit }';
  return undefined;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
