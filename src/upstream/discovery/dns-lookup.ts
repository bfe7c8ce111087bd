import type { SrvRecord } from 'node:dns';
import type { Resolver } from 'node:dns/promises';
import type { DiscoveredTarget } from './discovery.ts';

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
type Address = { readonly address: string; readonly ttl: number };

/** Asks DNS for the targets behind a name. Never rejects. */
export async function lookUpTargets(
  resolver: AddressResolver & Pick<Resolver, 'resolveSrv'>,
  question: DnsQuestion,
): Promise<DnsAnswer> {
  const { name, type, port = 0 } = question;
  try {
    if (type === 'SRV') return await lookUpServices(resolver, await resolver.resolveSrv(name));
    const found =
      type === 'A'
        ? await resolver.resolve4(name, { ttl: true })
        : await resolver.resolve6(name, { ttl: true });
    const targets = found.map(({ address }) => ({ host: address, port, name }));
    return { kind: 'found', targets, ttlSeconds: shortestTtl(found) };
  } catch (error) {
    return { kind: 'failed', reason: reasonOf(error, question) };
  }
}

/**
 * Finds the addresses behind SRV records (RFC 2782).
 *
 * 1. Records that name no service are refused.
 * 2. Of the others only those of the lowest priority count.
 * 3. A name without addresses is left out; one that cannot be asked for fails the whole answer, since half of the
 *    targets would then be gone for no fault of theirs.
 */
async function lookUpServices(resolver: AddressResolver, records: readonly SrvRecord[]): Promise<DnsAnswer> {
  // 1.
  const usable = records.filter((record) => refusalOf(record) === undefined);
  const remarks = new Set(records.map(refusalOf).filter((refusal) => refusal !== undefined));
  // 2.
  const lowest = Math.min(...usable.map(({ priority }) => priority));
  const chosen = usable.filter(({ priority }) => priority === lowest);
  // 3.
  const names = [...new Set(chosen.map(({ name }) => name))];
  const lookups = await Promise.all(names.map((name) => lookUpAddresses(resolver, name)));
  const addresses = new Map(names.map((name, i) => [name, lookups[i] ?? []]));
  for (const [name, found] of addresses) {
    if (found.length === 0) remarks.add(`${name} has no address — add an A or AAAA record`);
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
  const ttlSeconds = shortestTtl(lookups.flat());
  return { kind: 'found', targets, ttlSeconds, ...(remark !== '' && { remark }) };
}

function refusalOf({ name, port }: SrvRecord): string | undefined {
  if (name === '' || name === '.') return "the SRV record says '.', that is no service — correct it";
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
  return `DNS does not answer for ${name} (${code}) — check that its servers can be reached`;
}

function isAbsence(code: string): boolean {
  return code === 'ENOTFOUND' || code === 'ENODATA';
}

function codeOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : String(error);
}
