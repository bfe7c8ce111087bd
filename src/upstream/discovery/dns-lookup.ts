import type { Resolver } from 'node:dns/promises';
import type { DiscoveredTarget } from './discovery.ts';
import type { ServiceRecord, ServiceRecords } from './service-records.ts';

export interface DnsQuestion {
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'SRV';
  /** The port of all targets. SRV records carry their own. */
  readonly port?: number | undefined;
}

export type DnsAnswer =
  | {
      readonly kind: 'found';
      readonly targets: readonly DiscoveredTarget[];
      /** The shortest of the records' times to live. */
      readonly ttlSeconds: number;
      readonly remark?: string;
    }
  | { readonly kind: 'failed'; readonly reason: string };

type AddressResolver = Pick<Resolver, 'resolve4' | 'resolve6'>;

/** What answers a question. Rejects with errors that have a `code` of node:dns. */
export interface TargetResolver {
  readonly addresses: AddressResolver;
  findServices(name: string): Promise<ServiceRecords>;
}

type Address = { readonly address: string; readonly ttl: number };

/** Asks DNS for the targets behind a name. Never rejects. */
export async function lookUpTargets(resolver: TargetResolver, question: DnsQuestion): Promise<DnsAnswer> {
  const { addresses } = resolver;
  const { name, type, port = 0 } = question;
  try {
    if (type === 'SRV') return await lookUpServices(addresses, await resolver.findServices(name));
    const found =
      type === 'A'
        ? await addresses.resolve4(name, { ttl: true })
        : await addresses.resolve6(name, { ttl: true });
    const targets = found.map(({ address }) => ({ host: address, port, name }));
    return { kind: 'found', targets, ttlSeconds: shortestTtl(found) };
  } catch (error) {
    return { kind: 'failed', reason: reasonOf(error, question) };
  }
}

/**
 * Finds the addresses behind SRV records (RFC 2782).
 *
 * 1. Records that name no service are rejected.
 * 2. Of the others only those of the lowest priority count.
 * 3. A name without addresses is left out; one that cannot be reached for fails the whole response, since half of the
 *    targets would then be gone for no fault of theirs.
 */
async function lookUpServices(resolver: AddressResolver, found: ServiceRecords): Promise<DnsAnswer> {
  const { records } = found;
  // 1.
  const usable = records.filter((record) => rejectionOf(record) === undefined);
  const remarks = new Set(records.map(rejectionOf).filter((rejection) => rejection !== undefined));
  // 2.
  const lowest = Math.min(...usable.map(({ priority }) => priority));
  const chosen = usable.filter(({ priority }) => priority === lowest);
  // 3.
  const names = [...new Set(chosen.map(({ name }) => name))];
  const lookups = await Promise.all(names.map((name) => lookUpAddresses(resolver, name)));
  const addresses = new Map(names.map((name, i) => [name, lookups[i] ?? []]));
  for (const [name, known] of addresses) {
    if (known.length === 0) remarks.add(`${name} has no address — add an A or AAAA record`);
  }
  const targets = chosen.flatMap(({ name, port, weight }) =>
    (addresses.get(name) ?? []).map(
      // Weight 0 is for "a very small chance", not for none.
      ({ address }): DiscoveredTarget => ({ host: address, port, weight: Math.max(1, weight), name }),
    ),
  );
  const remark = [...remarks].sort().join('; ');
  if (targets.length === 0)
    return { kind: 'failed', reason: remark || 'DNS names no service — add SRV records' };
  const ttlSeconds = Math.min(found.ttlSeconds, shortestTtl(lookups.flat()));
  return { kind: 'found', targets, ttlSeconds, ...(remark !== '' && { remark }) };
}

/** What a host may be called. Other names are bytes that somebody sent us, and no log is to repeat them. */
const HOST_NAME = /^(?!.{254})[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;

function rejectionOf({ name, port }: ServiceRecord): string | undefined {
  if (name === '' || name === '.') return "the SRV record says '.', that is not a service — correct it";
  if (!HOST_NAME.test(name)) return 'an SRV record holds what is not a host name — correct it';
  if (port === 0) return `the SRV record of ${name} has port 0 — correct it`;
  return undefined;
}

/** Finds IPv4 addresses, or IPv6 addresses where there are none of those. */
async function lookUpAddresses(resolver: AddressResolver, name: string): Promise<readonly Address[]> {
  const ipv4 = await orNone(resolver.resolve4(name, { ttl: true }));
  return ipv4.length > 0 ? ipv4 : await orNone(resolver.resolve6(name, { ttl: true }));
}

async function orNone(lookup: Promise<readonly Address[]>): Promise<readonly Address[]> {
  try {
    return await lookup;
  } catch (error) {
    if (isAbsence(codeOf(error))) return [];
    throw error;
  }
}

function shortestTtl(addresses: readonly Address[]): number {
  return Math.min(...addresses.map(({ ttl }) => ttl));
}

function reasonOf(error: unknown, { name, type }: DnsQuestion): string {
  const code = codeOf(error);
  if (code === 'ENOTFOUND') return `DNS does not know ${name} — check the name`;
  if (code === 'ENODATA') return `DNS has no ${type} record for ${name} — check the name and the type`;
  return `DNS does not respond for ${name} (${code}) — check that its servers can be reached`;
}

function isAbsence(code: string): boolean {
  return code === 'ENOTFOUND' || code === 'ENODATA';
}

function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : String(error);
}
