import type { DiscoveredTarget } from './discovery.ts';

/** An EndpointSlice (discovery.k8s.io/v1), as far as it is read here. The API leaves out or nulls what is empty. */
export interface EndpointSlice {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly addressType?: string;
  readonly endpoints?: readonly Endpoint[] | null;
  readonly ports?: readonly EndpointPort[] | null;
}

export interface Endpoint {
  readonly addresses: readonly string[];
  readonly conditions?: {
    readonly ready?: boolean | null;
    readonly serving?: boolean | null;
    readonly terminating?: boolean | null;
  };
  readonly zone?: string | null;
  readonly hints?: { readonly forZones?: readonly { readonly name: string }[] | null };
}

export interface EndpointPort {
  readonly name?: string | null;
  readonly port?: number | null;
  readonly protocol?: string | null;
  readonly appProtocol?: string | null;
}

export interface EndpointChoice {
  /** The name of a port of the service, or the number that its pods listen on. */
  readonly port: string | number;
  /** The name that targets are known by, which a certificate of theirs would hold. */
  readonly name?: string | undefined;
  /** The zone of this gateway: where all endpoints carry zone hints, those for this zone are used. */
  readonly zone?: string | undefined;
}

interface Candidate {
  readonly endpoint: Endpoint;
  readonly target: DiscoveredTarget;
}

/**
 * Chooses the targets among a service's endpoints in the manner of kube-proxy.
 *
 * 1. Endpoints with the port, IPv4 ones if there are any, else IPv6: a pod of a dual-stack service is in both.
 * 2. The ready ones; if there are none, those that terminate but still serve.
 * 3. If each of these carries zone hints, those hinted for our zone, unless there are none.
 */
export function chooseEndpoints(
  slices: readonly EndpointSlice[],
  { port, name, zone }: EndpointChoice,
): { targets: DiscoveredTarget[]; remark?: string } {
  // 1.
  const ipv4 = candidatesOf(slices, 'IPv4', port);
  const candidates = ipv4.length > 0 ? ipv4 : candidatesOf(slices, 'IPv6', port);
  // 2.
  const ready = candidates.filter(({ endpoint }) => endpoint.conditions?.ready ?? true);
  const usable = ready.length > 0 ? ready : candidates.filter(({ endpoint }) => stillServes(endpoint));
  // 3.
  const targets = preferZone(usable, zone).map(({ target }) =>
    name === undefined ? target : { ...target, name },
  );
  return targets.length > 0 ? { targets } : { targets, remark: remarkFor(slices, candidates, port) };
}

function candidatesOf(
  slices: readonly EndpointSlice[],
  addressType: string,
  port: string | number,
): Candidate[] {
  return slices.flatMap((slice) => {
    const chosen = slice.addressType === addressType ? findPort(slice, port) : undefined;
    if (chosen === undefined) return [];
    return (slice.endpoints ?? []).flatMap((endpoint) => {
      const target = toTarget(endpoint, chosen);
      return target === undefined ? [] : [{ endpoint, target }];
    });
  });
}

interface ChosenPort {
  readonly number: number;
  readonly isSecure: boolean;
}

function findPort({ ports }: EndpointSlice, wanted: string | number): ChosenPort | undefined {
  const key = typeof wanted === 'number' ? 'port' : 'name';
  const found = (ports ?? []).find((port) => port[key] === wanted && (port.protocol ?? 'TCP') === 'TCP');
  // Without a number a port stands for all of them, which leaves none to choose.
  if (found === undefined || typeof found.port !== 'number') return undefined;
  return { number: found.port, isSecure: found.appProtocol?.toLowerCase() === 'https' };
}

function toTarget({ addresses, zone }: Endpoint, port: ChosenPort): DiscoveredTarget | undefined {
  // The others are the same endpoint by another address; the API advises to take the first.
  const host = addresses[0];
  if (host === undefined) return undefined;
  return {
    host,
    port: port.number,
    ...(zone && { zone }),
    ...(port.isSecure && { isSecure: true }),
  };
}

function stillServes({ conditions }: Endpoint): boolean {
  return conditions?.terminating === true && conditions.serving === true;
}

function preferZone(candidates: readonly Candidate[], zone: string | undefined): readonly Candidate[] {
  if (zone === undefined) return candidates;
  const zonesOf = ({ endpoint }: Candidate): readonly { readonly name: string }[] =>
    endpoint.hints?.forZones ?? [];
  // Hints on some endpoints only are a change under way: the zones without would get nothing.
  if (candidates.some((candidate) => zonesOf(candidate).length === 0)) return candidates;
  const near = candidates.filter((candidate) => zonesOf(candidate).some(({ name }) => name === zone));
  return near.length > 0 ? near : candidates;
}

function remarkFor(
  slices: readonly EndpointSlice[],
  candidates: readonly Candidate[],
  port: string | number,
): string {
  if (candidates.length > 0) return `none of its ${candidates.length} endpoints is ready — see its pods`;
  const ports = slices.flatMap((slice) => slice.ports ?? []).map(({ name, port: number }) => name || number);
  const hasPort = slices.some((slice) => findPort(slice, port) !== undefined);
  if (hasPort || ports.length === 0) return 'it has no endpoints — check its name, its selector and its pods';
  const known = [...new Set(ports)].sort().join(', ');
  return `it has no port ${port} — use one of: ${known}`;
}
