import type { DiscoveryConfig } from '../../config/schema/discovery-schema.ts';
import { createConsulSource } from './consul-source.ts';
import type { Discovery, DiscoveryServices } from './discovery.ts';
import { createDnsSource } from './dns-source.ts';
import { createFileSource } from './file-source.ts';
import { createKubernetesSource } from './kubernetes-source.ts';
import { keepLastGood } from './last-good-targets.ts';
import type { TargetSource } from './target-source.ts';

/** Makes the discovery of an upstream from its settings. Nothing happens until it is started. */
export function createDiscovery(
  upstream: string,
  settings: DiscoveryConfig,
  services: DiscoveryServices,
): Discovery {
  return keepLastGood(upstream, createSource(settings, services), services);
}

/** Makes what asks or watches, without the memory of what it found before. */
export function createSource(
  settings: DiscoveryConfig,
  services: Pick<DiscoveryServices, 'clock' | 'random'>,
): TargetSource {
  if (settings.dns !== undefined) return createDnsSource(settings.dns, services);
  if (settings.kubernetes !== undefined) return createKubernetesSource(settings.kubernetes, services);
  if (settings.consul !== undefined) return createConsulSource(settings.consul, services);
  if (settings.file !== undefined) return createFileSource(settings.file, services);
  throw new TypeError('discovery names no kind — set one of dns, kubernetes, consul and file');
}
