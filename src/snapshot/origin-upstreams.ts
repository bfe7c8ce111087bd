import { z } from 'zod';
import type { GatewayConfig } from '../config/schema/schema.ts';
import { upstreamSchema } from '../config/schema/upstream-schema.ts';
import type { Policy } from '../core/policy.ts';

/** Makes an upstream, named by its origin, of each URL that a policy sends requests to. */
export function originUpstreams(
  config: GatewayConfig,
  policies: readonly Policy[],
): GatewayConfig['upstreams'] {
  const byName = new Map(policies.map((policy) => [policy.name, policy]));
  const entries = [config.policies, ...config.routes.map((route) => route.policies)].flat();
  const origins = entries.flatMap(({ name, options }) => byName.get(name)?.origins?.(options) ?? []);
  const schema = upstreamSchema(() => z.string());
  return Object.fromEntries(
    [...new Set(origins)].map((origin) => [origin, schema.parse({ targets: [origin] })]),
  );
}
