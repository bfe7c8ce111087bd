import { Resolver } from 'node:dns/promises';
import { Backoff } from './backoff.ts';
import type { DiscoveryServices } from './discovery.ts';
import { type DnsQuestion, lookUpTargets } from './dns-lookup.ts';
import type { TargetReport, TargetSource } from './target-source.ts';

export interface DnsSettings extends DnsQuestion {
  /** Servers to ask, as `address` or `address:port`, instead of the system's. */
  readonly servers?: readonly string[] | undefined;
  /** Longest time between two questions, in milliseconds, whatever the answer's TTL says. */
  readonly refresh?: number | undefined;
}

const SHORTEST_MS = 1000;
const LONGEST_MS = 300_000;
// Node does not tell the TTL of SRV records, so they are asked for as often as short ones would need.
const LONGEST_SRV_MS = 10_000;
const QUERY = { timeout: 2000, tries: 2 };

/** Makes a source that asks DNS, and asks again when the answer's TTL has passed. */
export function createDnsSource(
  settings: DnsSettings,
  services: Pick<DiscoveryServices, 'clock' | 'random'>,
): TargetSource {
  const { clock, random } = services;
  const backoff = new Backoff(random);
  const longestMs = settings.refresh ?? (settings.type === 'SRV' ? LONGEST_SRV_MS : LONGEST_MS);
  let resolver: Resolver | undefined;
  let cancelTimer: () => void = () => {};
  let isClosed = false;

  const ask = async (report: TargetReport): Promise<number> => {
    // A new one each time: it reads the system's list of servers, which may have changed.
    resolver = new Resolver(QUERY);
    if (settings.servers !== undefined) resolver.setServers(settings.servers);
    const answer = await lookUpTargets(resolver, settings);
    if (answer.kind === 'failed') {
      if (!isClosed) report.failed(answer.reason);
      return backoff.nextMs();
    }
    backoff.reset();
    if (!isClosed) report.found(answer.targets, answer.remark);
    const ttlMs = Math.max(SHORTEST_MS, Math.min(answer.ttlSeconds * 1000, longestMs));
    // Later than the TTL by a little, so that many gateways do not ask at once.
    return ttlMs * (1 + random() / 10);
  };
  const repeat = async (report: TargetReport): Promise<void> => {
    const delayMs = await ask(report);
    if (!isClosed) cancelTimer = clock.after(delayMs, () => void repeat(report));
  };
  return {
    start: (report) => void repeat(report),
    close() {
      isClosed = true;
      cancelTimer();
      resolver?.cancel();
    },
  };
}
