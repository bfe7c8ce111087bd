import type { DiscoveredTarget, Discovery, DiscoveryServices, DiscoveryStatus } from './discovery.ts';
import type { TargetSource } from './target-source.ts';

/** Least time between two changes. What flaps in between is one change, or none. */
const SETTLE_MS = 1000;

interface Outcome {
  readonly targets: readonly DiscoveredTarget[];
  /** Why there is nothing to be used, or what part is not. */
  readonly problem: string | undefined;
}

/**
 * Makes a discovery of a source: keeps the last set that held a target, passes on only what changed, and says when
 * the source goes silent and when it is back, once each.
 */
export function keepLastGood(upstream: string, source: TargetSource, services: DiscoveryServices): Discovery {
  return new LastGoodTargets(upstream, source, services);
}

class LastGoodTargets implements Discovery {
  private readonly upstream: string;
  private readonly source: TargetSource;
  private readonly services: DiscoveryServices;
  private readonly removeGauge: () => void;
  private onTargets: (targets: readonly DiscoveredTarget[]) => void = () => {};
  private current: DiscoveryStatus = { ok: false, detail: 'has not answered yet' };
  private reported: DiscoveryStatus = { ok: true };
  private targets: readonly DiscoveredTarget[] = [];
  private fingerprint = '[]';
  private latest: Outcome = { targets: [], problem: undefined };
  private settledAt = Number.NEGATIVE_INFINITY;
  private cancelSettling: (() => void) | undefined = undefined;
  private isClosed = false;

  constructor(upstream: string, source: TargetSource, services: DiscoveryServices) {
    this.upstream = upstream;
    this.source = source;
    this.services = services;
    const help = 'Whether the source of targets answers: 1, or 0 while the last good targets stay in use.';
    this.removeGauge = services.metrics.gauge('gateway_discovery_up', help, { upstream }, () =>
      this.current.ok ? 1 : 0,
    );
  }

  start(onTargets: (targets: readonly DiscoveredTarget[]) => void): void {
    this.onTargets = onTargets;
    this.source.start({
      found: (targets, remark) =>
        this.take(
          targets.length > 0
            ? { targets, problem: remark }
            : { targets, problem: remark ?? 'lists no targets — check that any are up' },
        ),
      failed: (reason) => this.take({ targets: [], problem: reason }),
    });
  }

  status(): DiscoveryStatus {
    return this.current;
  }

  close(): void {
    this.isClosed = true;
    this.cancelSettling?.();
    this.removeGauge();
    this.source.close();
  }

  private take(outcome: Outcome): void {
    if (this.isClosed) return;
    this.latest = outcome;
    if (this.cancelSettling !== undefined) return;
    const waitMs = this.settledAt + SETTLE_MS - this.services.clock.monotonic();
    if (waitMs <= 0) this.settle();
    else this.cancelSettling = this.services.clock.after(waitMs, () => this.settle());
  }

  private settle(): void {
    const { targets, problem } = this.latest;
    this.cancelSettling = undefined;
    this.settledAt = this.services.clock.monotonic();
    if (targets.length > 0) this.use(tidy(targets), problem);
    else this.keep(problem ?? '');
  }

  private use(targets: readonly DiscoveredTarget[], remark: string | undefined): void {
    this.current = remark === undefined ? { ok: true } : { ok: true, detail: remark };
    const fingerprint = JSON.stringify(targets);
    const before = this.targets;
    this.targets = targets;
    this.report();
    if (fingerprint === this.fingerprint) return;
    try {
      this.onTargets(targets);
      this.fingerprint = fingerprint;
    } catch (err) {
      // The source's own loop must go on. The set counts as unknown, so that the next report tries it again.
      this.targets = before;
      this.services.log.error({ upstream: this.upstream, err }, 'discovered targets cannot be used');
    }
  }

  private keep(reason: string): void {
    const count = this.targets.length;
    const effect = count === 0 ? 'no target is known yet' : `the last known stay in use (${count})`;
    this.current = { ok: false, detail: `${reason}; ${effect}` };
    this.report();
  }

  /** Logs what became of the state, once: a source that stays silent for hours is one line. */
  private report(): void {
    const { ok, detail } = this.current;
    const before = this.reported;
    if (before.ok === ok && before.detail === detail) return;
    this.reported = this.current;
    const fields = { upstream: this.upstream, targets: this.targets.length, ...(detail && { detail }) };
    if (!ok) this.services.log.warn(fields, 'discovery finds no targets');
    else if (detail !== undefined) this.services.log.warn(fields, 'discovery leaves some targets out');
    else this.services.log.info(fields, 'discovery finds targets again');
  }
}

/** Sorts, so that the same set in another order is the same, and takes out what is there twice. */
function tidy(targets: readonly DiscoveredTarget[]): DiscoveredTarget[] {
  const byPlace = new Map<string, DiscoveredTarget>();
  const sorted = targets
    .map((target): [string, DiscoveredTarget] => [JSON.stringify(inOrder(target)), inOrder(target)])
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  for (const [, target] of sorted) {
    const place = target.socketPath ?? `${target.host} ${target.port}`;
    if (!byPlace.has(place)) byPlace.set(place, target);
  }
  return [...byPlace.values()];
}

function inOrder({
  host,
  port,
  weight,
  zone,
  isSecure,
  socketPath,
  name,
}: DiscoveredTarget): DiscoveredTarget {
  return {
    host,
    port,
    ...(weight !== undefined && { weight }),
    ...(zone !== undefined && { zone }),
    ...(isSecure !== undefined && { isSecure }),
    ...(socketPath !== undefined && { socketPath }),
    ...(name !== undefined && { name }),
  };
}
