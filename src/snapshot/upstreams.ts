import type { GatewayConfig, UpstreamConfig } from '../config/schema/schema.ts';
import { createBalancer } from '../upstream/balancing/create-balancer.ts';
import { createDiscovery } from '../upstream/discovery/create-discovery.ts';
import { DiscoveryFeed } from '../upstream/discovery/discovery-feed.ts';
import type { RetrySettings } from '../upstream/retry-settings.ts';
import { StickyCookie } from '../upstream/sticky-cookie.ts';
import { Upstream, type UpstreamCounters } from '../upstream/upstream.ts';
import { UpstreamState } from '../upstream/upstream-state.ts';
import type { SnapshotContext } from './snapshot-context.ts';
import { createTargetFactory } from './target-factory.ts';

type Closers = (() => void | Promise<void>)[];

/** How long a configuration waits for the targets of discoveries that have not answered yet, all together. */
const DISCOVERY_WAIT_MS = 2000;

/**
 * Makes the upstreams of a configuration. What is known of upstreams and targets that did not change is found again:
 * connections, health, breakers, budgets.
 */
export async function buildUpstreams(
  config: GatewayConfig,
  context: SnapshotContext,
  closers: Closers,
): Promise<Map<string, Upstream>> {
  const upstreams = new Map<string, Upstream>();
  const entries = Object.entries(config.upstreams).map(
    ([name, settings]) => [name, settings, holdFeed(name, settings, context, closers)] as const,
  );
  await Promise.all(entries.map(([, , feed]) => feed?.whenKnown(context.clock, DISCOVERY_WAIT_MS)));
  for (const [name, settings, feed] of entries) {
    const upstream = createUpstream(name, settings, feed, config.metrics, context, closers);
    const factory = await createTargetFactory(name, settings, config, context);
    closers.push(() => upstream.close());
    closers.push(() => factory.close());
    if (feed === undefined) upstream.setTargets(await factory.createConfigured());
    else closers.push(feed.subscribe((targets) => upstream.setTargets(factory.create(targets))));
    upstreams.set(name, upstream);
  }
  return upstreams;
}

function holdFeed(
  name: string,
  { discovery }: UpstreamConfig,
  { kept, services, log }: SnapshotContext,
  closers: Closers,
): DiscoveryFeed | undefined {
  if (discovery === undefined) return undefined;
  const hold = kept.hold(
    `discovery ${JSON.stringify([name, discovery])}`,
    () => new DiscoveryFeed(createDiscovery(name, discovery, { ...services, log: log.of('upstream') })),
    (feed) => feed.close(),
  );
  closers.push(hold.release);
  return hold.value;
}

function createUpstream(
  name: string,
  settings: UpstreamConfig,
  discovery: DiscoveryFeed | undefined,
  hasMetrics: boolean,
  context: SnapshotContext,
  closers: Closers,
): Upstream {
  const { random } = context.services;
  const hold = holdState(name, settings, context);
  closers.push(hold.release);
  if (hasMetrics && hold.value.breaker !== undefined) closers.push(watchBreaker(name, hold.value, context));
  return new Upstream({
    name,
    discovery,
    balancer: createBalancer(settings.balance, random),
    sticky: settings.sticky && new StickyCookie(settings.sticky.cookie, name),
    slowStartMs: settings.slowStart,
    maxEjected: settings.health.passive.maxEjected,
    retries: settings.app === undefined ? compileRetries(settings.retries) : undefined,
    hedgeAfterMs: settings.hedge?.after,
    responseTimeoutMs: settings.timeouts.response ?? Number.POSITIVE_INFINITY,
    state: hold.value,
    clock: context.clock,
    random,
    counters: hasMetrics ? countersOf(name, context) : undefined,
  });
}

function holdState(
  name: string,
  { retries, hedge, circuitBreaker }: UpstreamConfig,
  context: SnapshotContext,
) {
  const settings = {
    retryBudget: retries.budget,
    hedgeBudget: hedge?.budget ?? 0,
    breaker: circuitBreaker && {
      failureRate: circuitBreaker.failureRate,
      minimumRequests: circuitBreaker.minimumRequests,
      windowMs: circuitBreaker.window,
      openForMs: circuitBreaker.openFor,
    },
  };
  const key = `upstream ${JSON.stringify([name, settings])}`;
  return context.kept.hold(
    key,
    () => new UpstreamState(settings),
    () => {},
  );
}

function compileRetries({ max, on, budget }: UpstreamConfig['retries']): RetrySettings | undefined {
  if (max === 0) return undefined;
  const statuses = new Set(on.filter((outcome) => outcome !== 'connect-error'));
  return { max, onConnectError: on.includes('connect-error'), statuses, budget };
}

function countersOf(upstream: string, { metrics }: SnapshotContext): UpstreamCounters {
  return {
    retries: metrics.counter('gateway_upstream_retries_total', 'Attempts after the first one, by upstream.', {
      upstream,
    }),
    hedges: metrics.counter(
      'gateway_upstream_hedges_total',
      'Second attempts made because the first took long, by upstream.',
      { upstream },
    ),
    ejections: metrics.counter(
      'gateway_upstream_ejections_total',
      'Targets that got no more requests for a while since too many failed, by upstream.',
      { upstream },
    ),
  };
}

const BREAKER_LEVELS = { closed: 0, 'half-open': 1, open: 2 } as const;

function watchBreaker(
  upstream: string,
  { breaker }: UpstreamState,
  { metrics }: SnapshotContext,
): () => void {
  return metrics.gauge(
    'gateway_upstream_breaker_state',
    'State of the circuit breaker: 0 closed, 1 half-open, 2 open.',
    { upstream },
    () => BREAKER_LEVELS[breaker?.state.kind ?? 'closed'],
  );
}
