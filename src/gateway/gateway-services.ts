import { dirname, resolve } from 'node:path';
import type { GatewayConfig } from '../config/schema.ts';
import type { KeptResources } from '../core/kept-resources.ts';
import type { Services } from '../core/services.ts';
import type { GatewayKeys } from '../keys/gateway-keys.ts';
import { createGatewayKeys } from './open-api-keys.ts';

export interface GatewayServicesOptions extends Pick<Services, 'log' | 'clock' | 'metrics'> {
  readonly configFile: string;
  readonly config: GatewayConfig;
  readonly kept: KeptResources;
}

/** What policies may use of a gateway, and what the gateway itself does with it. */
export interface GatewayServices extends Services {
  readonly apiKeys: GatewayKeys;
}

/** Makes the services of a gateway, which outlive its Snapshots. */
export function createServices(options: GatewayServicesOptions): GatewayServices {
  const { configFile, config, kept, log, clock, metrics } = options;
  const base = { log, clock, metrics, random: Math.random };
  return {
    ...base,
    configFolder: dirname(resolve(configFile)),
    keep: (key, create, close) => kept.hold(key, create, close),
    apiKeys: createGatewayKeys(config, base),
  };
}
