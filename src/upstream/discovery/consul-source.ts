import { Backoff } from './backoff.ts';
import type { DiscoveredTarget, DiscoveryServices } from './discovery.ts';
import { getWhole, type WholeResponse } from './http-get.ts';
import { pause } from './pause.ts';
import type { TargetReport, TargetSource } from './target-source.ts';

export interface ConsulSettings {
  /** Where the agent answers: scheme, host and port. */
  readonly url: string;
  readonly service: string;
  readonly token?: string | undefined;
  readonly tag?: string | undefined;
  readonly datacenter?: string | undefined;
}

const WAIT_SECONDS = 60;
/** Consul adds up to a sixteenth of the wait at random; the rest is for the way. */
const RESPONSE_MS = (WAIT_SECONDS + WAIT_SECONDS / 16 + 10) * 1000;
/** Least time between two questions, since a service whose checks write every moment answers every one at once. */
const SHORTEST_MS = 1000;

/** Makes a source that asks Consul for the passing instances of a service, by blocking queries. */
export function createConsulSource(
  settings: ConsulSettings,
  services: Pick<DiscoveryServices, 'clock' | 'random'>,
): TargetSource {
  const { clock, random } = services;
  const closing = new AbortController();
  const backoff = new Backoff(random);

  /** Asks once and returns the index to ask from next. */
  const ask = async (index: bigint, report: TargetReport): Promise<bigint> => {
    const headers = settings.token === undefined ? {} : { 'x-consul-token': settings.token };
    const call = { url: questionUrl(settings, index), headers, headMs: RESPONSE_MS, wholeMs: RESPONSE_MS };
    const response = await getWhole(call, clock, closing.signal);
    if (response.status !== 200) throw new Error(rejectionOf(response, settings));
    const { targets, remark } = targetsOf(response.body, settings.service);
    report.found(targets, remark);
    return nextIndex(index, response.header('x-consul-index'));
  };
  const run = async (report: TargetReport): Promise<void> => {
    let index = 0n;
    while (!closing.signal.aborted) {
      const requestedAt = clock.monotonic();
      try {
        index = await ask(index, report);
        backoff.reset();
        await pause(clock, Math.max(0, requestedAt + SHORTEST_MS - clock.monotonic()), closing.signal);
      } catch (error) {
        if (closing.signal.aborted) return;
        // The servers that come back may count from elsewhere.
        index = 0n;
        report.failed(`Consul at ${settings.url}: ${reasonOf(error)}`);
        await pause(clock, backoff.nextMs(), closing.signal);
      }
    }
  };
  return {
    start: (report) => void run(report),
    close: () => closing.abort(),
  };
}

function questionUrl({ url, service, tag, datacenter }: ConsulSettings, index: bigint): URL {
  const question = new URL(`/v1/health/service/${encodeURIComponent(service)}`, url);
  const { searchParams } = question;
  searchParams.set('passing', '1');
  if (tag !== undefined) searchParams.set('tag', tag);
  if (datacenter !== undefined) searchParams.set('dc', datacenter);
  if (index > 0n) {
    searchParams.set('index', String(index));
    searchParams.set('wait', `${WAIT_SECONDS}s`);
  }
  return question;
}

/** Follows the rules of blocking queries: an index that went back, or is none, means to begin again. */
function nextIndex(before: bigint, header: string): bigint {
  if (!/^\d{1,20}$/.test(header)) return 0n;
  const index = BigInt(header);
  return index < before ? 0n : index;
}

interface HealthEntry {
  readonly Node?: { readonly Address?: string };
  readonly Service?: {
    readonly Address?: string;
    readonly Port?: number;
    readonly Weights?: { readonly Passing?: number };
  };
}

function targetsOf(body: string, service: string): { targets: DiscoveredTarget[]; remark?: string } {
  const entries = JSON.parse(body) as readonly HealthEntry[];
  if (!Array.isArray(entries)) throw new TypeError('no list');
  const all = entries.map(toTarget);
  const targets = all.filter(({ host, port }) => host !== '' && port > 0 && port < 65536);
  if (entries.length === 0) {
    return {
      targets,
      remark: `Consul lists no passing instance of '${service}' — check its name and checks`,
    };
  }
  if (targets.length === all.length) return { targets };
  return { targets, remark: `an instance of '${service}' has no address or port — correct its registration` };
}

function toTarget({ Node, Service }: HealthEntry): DiscoveredTarget {
  const weight = Service?.Weights?.Passing ?? 0;
  // An empty address of the service stands for that of its node.
  const host = Service?.Address || Node?.Address || '';
  return { host, port: Service?.Port ?? 0, ...(weight > 0 && { weight }) };
}

function rejectionOf({ status, body }: WholeResponse, { service }: ConsulSettings): string {
  if (status === 401 || status === 403) {
    return `rejects the token (${status}) — give it service:read on '${service}' and node:read`;
  }
  return `answers ${status} (${body.slice(0, 100).trim()}) — see its log`;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== undefined) return `cannot be reached (${code}) — check the URL`;
  const isUnreadable = error instanceof SyntaxError || error instanceof TypeError;
  return isUnreadable ? 'the response does not come from Consul — check the URL' : message;
}
