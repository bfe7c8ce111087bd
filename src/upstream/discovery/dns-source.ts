import { Resolver } from 'node:dns/promises';
import type { Clock } from '../../core/clock.ts';
import { Backoff } from './backoff.ts';
import type { DiscoveryServices } from './discovery.ts';
import { type DnsQuestion, lookUpTargets, type TargetResolver } from './dns-lookup.ts';
import { findServiceRecords } from './service-records.ts';
import type { TargetReport, TargetSource } from './target-source.ts';

export interface DnsSettings extends DnsQuestion {
  /** Servers to ask, as `address` or `address:port`, instead of the system's. */
  readonly servers?: readonly string[] | undefined;
  /** Longest time between two questions, in milliseconds, whatever the response's TTL says. */
  readonly refresh?: number | undefined;
}

const SHORTEST_MS = 1000;
const LONGEST_MS = 300_000;
const TIMEOUT_MS = 2000;
const TRIES = 2;

/** Makes a source that asks DNS, and asks again when the response's TTL has passed. */
export function createDnsSource(
  settings: DnsSettings,
  services: Pick<DiscoveryServices, 'clock' | 'random'>,
): TargetSource {
  const { clock, random } = services;
  const backoff = new Backoff(random);
  const longestMs = settings.refresh ?? LONGEST_MS;
  let cancelQuestion: () => void = () => {};
  let cancelTimer: () => void = () => {};
  let isClosed = false;

  const ask = async (report: TargetReport): Promise<number> => {
    // A new one each time: it reads the system's list of servers, which may have changed.
    const { resolver, cancel } = openResolver(settings.servers, clock);
    cancelQuestion = cancel;
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
      cancelQuestion();
    },
  };
}

/** Lets node:dns ask for addresses, and asks itself for SRV records, whose TTL that does not tell. */
function openResolver(
  chosen: readonly string[] | undefined,
  clock: Clock,
): { readonly resolver: TargetResolver; readonly cancel: () => void } {
  const addresses = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (chosen !== undefined) addresses.setServers(chosen);
  const servers = addresses.getServers();
  const leaving = new AbortController();
  const settings = { servers, tries: TRIES, timeoutMs: TIMEOUT_MS, clock, signal: leaving.signal };
  return {
    resolver: { addresses, findServices: (name) => findServiceRecords(name, settings) },
    cancel() {
      addresses.cancel();
      leaving.abort();
    },
  };
}
