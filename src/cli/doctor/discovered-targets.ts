import { splitRemedy } from '../../config/problem.ts';
import type { GatewayConfig, UpstreamConfig } from '../../config/schema/schema.ts';
import { systemClock } from '../../core/clock.ts';
import { createSource } from '../../upstream/discovery/create-discovery.ts';
import type { DiscoveredTarget } from '../../upstream/discovery/discovery.ts';
import { type Check, Findings } from './finding.ts';
import { lookAtTarget, type NamedOrigin } from './targets.ts';

/** How many of the targets that are found are looked at. */
const MOST_LOOKED_AT = 20;

/** Looks whether targets are found, and then at those that are. */
export function discoveryChecks(config: GatewayConfig): Check[] {
  return Object.entries(config.upstreams).flatMap(([name, upstream]) => {
    if (upstream.discovery === undefined) return [];
    const look: Check['look'] = (findings, signal) => lookAt(name, upstream, findings, signal);
    return [{ check: 'discovery', subject: name, look }];
  });
}

async function lookAt(
  name: string,
  upstream: UpstreamConfig,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const found = await findTargets(upstream, signal);
  if (typeof found === 'string') {
    const { message, remedy = 'correct discovery, or start what it asks' } = splitRemedy(found);
    return findings.problem(message, remedy);
  }
  const { targets, remark } = found;
  if (targets.length === 0) return findings.problem('finds no targets', 'start some, or correct discovery');
  if (remark === undefined) findings.ok(`finds ${targets.length} targets`);
  else findings.warn(`finds ${targets.length} targets, and ${remark}`, 'correct what discovery asks');
  const looks = targets.slice(0, MOST_LOOKED_AT).map(async (target) => {
    const each = new Findings('target', `${name} ${placeOf(target)}`);
    await lookAtTarget(upstream, originOf(target, upstream), each, signal);
    return each.found;
  });
  findings.found.push(...(await Promise.all(looks)).flat());
}

interface Found {
  readonly targets: readonly DiscoveredTarget[];
  readonly remark: string | undefined;
}

/** Asks once, and gives what was found or why nothing was. */
function findTargets({ discovery }: UpstreamConfig, signal: AbortSignal): Promise<Found | string> {
  const { promise, resolve } = Promise.withResolvers<Found | string>();
  const source = createSource(discovery as NonNullable<typeof discovery>, {
    clock: systemClock,
    random: Math.random,
  });
  signal.addEventListener('abort', () => resolve('does not respond before the timeout'));
  source.start({ found: (targets, remark) => resolve({ targets, remark }), failed: resolve });
  return promise.finally(() => source.close());
}

function originOf(target: DiscoveredTarget, { tls }: UpstreamConfig): NamedOrigin {
  const { host, port, socketPath, name, isSecure = tls !== undefined } = target;
  return { host, port, isSecure, name, ...(socketPath !== undefined && { socketPath }) };
}

function placeOf({ host, port, socketPath, name }: DiscoveredTarget): string {
  const place = socketPath ?? `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return name === undefined ? place : `${place} (${name})`;
}
