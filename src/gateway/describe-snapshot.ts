import type { GatewayDescription } from '../core/control.ts';
import { systemLookup } from '../core/network/name-lookup.ts';
import type { RouteAction } from '../snapshot/route.ts';
import type { Snapshot } from '../snapshot/snapshot.ts';
import type { GatewayServices } from './gateway-services.ts';

/** Says what a Snapshot is, for the admin API. */
export function describeSnapshot({ version, routes, upstreams }: Snapshot): GatewayDescription {
  return {
    version,
    routes: routes.map(({ id, path, action }) => ({
      id,
      path,
      upstreams: upstreamsOf(action),
    })),
    upstreams: [...upstreams.values()].map((upstream) => upstream.describe()),
  };
}

function upstreamsOf(action: RouteAction): readonly string[] {
  if (action.kind === 'aggregate') return action.aggregate.upstreams;
  return action.kind === 'forward' ? action.upstreams.map(({ name }) => name) : [];
}

/** Names what works less well than it should, a sentence each. */
export function snapshotProblems(
  snapshot: Snapshot | undefined,
  { apiKeys, stores, descriptors }: GatewayServices,
): string[] {
  const upstreams = [...(snapshot?.upstreams.values() ?? [])];
  const authServices = [...(snapshot?.authServices.values() ?? [])];
  return [
    ...upstreams.flatMap((upstream) => upstream.problems()),
    ...authServices.flatMap((service) => service.problems?.() ?? []),
    ...apiKeys.problems(),
    ...stores.flatMap((store) => store.problems()),
    ...nameProblems(),
    ...(descriptors.problem === undefined ? [] : [descriptors.problem]),
  ];
}

/** Without the names, since everybody may read it. */
function nameProblems(): string[] {
  const { length } = systemLookup().unanswered;
  return length === 0
    ? []
    : [`no name server answers for ${length} names; their last good addresses are used`];
}
