import type { GatewayDescription, TargetDescription, UpstreamDescription } from '../core/control.ts';

const BREAKER_STATES = ['closed', 'half-open', 'open'] as const;
const TARGET_STATES = ['healthy', 'ejected', 'down'] as const;

/**
 * Makes one description of those of several workers, which run the same configuration and see each for itself how
 * targets do: the worst of it is told, with how many see it so. Requests are added up.
 */
export function mergeDescriptions(all: readonly GatewayDescription[]): GatewayDescription {
  const [first, ...others] = all;
  if (first === undefined) return { version: 0, routes: [], upstreams: [] };
  if (others.length === 0) return first;
  return {
    version: first.version,
    routes: first.routes,
    upstreams: first.upstreams.map((upstream) =>
      mergeUpstream(all.flatMap(({ upstreams }) => upstreams.filter(({ name }) => name === upstream.name))),
    ),
  };
}

function mergeUpstream(seen: readonly UpstreamDescription[]): UpstreamDescription {
  const [first] = seen as [UpstreamDescription];
  const breaker = worst(
    seen.flatMap(({ breaker: state }) => state ?? []),
    BREAKER_STATES,
  );
  const discovery = seen.map((each) => each.discovery).find((each) => each?.ok === false) ?? first.discovery;
  const names = [...new Set(seen.flatMap(({ targets }) => targets.map(({ target }) => target)))];
  return {
    name: first.name,
    ...(breaker && { breaker }),
    ...(discovery && { discovery }),
    targets: names.map((name) =>
      mergeTarget(seen.flatMap(({ targets }) => targets.filter(({ target }) => target === name))),
    ),
  };
}

function mergeTarget(seen: readonly TargetDescription[]): TargetDescription {
  const [first] = seen as [TargetDescription];
  const state =
    worst(
      seen.map((each) => each.state),
      TARGET_STATES,
    ) ?? first.state;
  const alike = seen.filter((each) => each.state === state);
  const reason = alike.find((each) => each.reason !== undefined)?.reason;
  const isForSome = alike.length < seen.length;
  return {
    ...first,
    state,
    activeRequests: seen.reduce((sum, { activeRequests }) => sum + activeRequests, 0),
    ...(reason !== undefined && {
      reason: isForSome ? `${reason} (as ${alike.length} of ${seen.length} workers see it)` : reason,
    }),
  };
}

function worst<State extends string>(states: readonly State[], order: readonly State[]): State | undefined {
  return [...order].reverse().find((state) => states.includes(state));
}
