import { Counter as ClientCounter, Gauge, Registry } from '@prometheus-io/client';
import type { FailureCode } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { Counter, Metrics } from '../core/services.ts';
import { Accounts, type RouteAccount } from './accounts.ts';
import { CounterFamily } from './counter-family.ts';
import { DurationFamily, type SeriesByVariant } from './duration-family.ts';
import { GaugeFamily } from './gauge-family.ts';
import { MetricNames } from './metric-names.ts';
import { registerProcessMetrics } from './process-metrics.ts';
import { renderFamily, type SeriesFamily } from './series-family.ts';
import { knownStatus, variantLabels, variantOf } from './series-variant.ts';

/** Counts and times the exchanges of one route. */
export interface RouteRecorder {
  /** Counts an exchange. `status` is 0 where the client left before there was one. */
  record(method: string, status: number, seconds: number): void;
  /** Adds who asked, why it failed and what it cost. */
  account(exchange: Exchange): void;
  /** Gives the recorder back. The route's series end when every recorder of it has been given back. */
  release(): void;
}

/** Counts and times what one target of an upstream answered. */
export interface TargetRecorder {
  record(status: number, seconds: number): void;
  /** Gives the recorder back. The target's series end when every recorder of it has been given back. */
  release(): void;
}

/** The metrics of one process. Recorders are fetched when a configuration is compiled, never for each request. */
export interface GatewayMetrics extends Metrics {
  route(id: string): RouteRecorder;
  upstreamTarget(upstream: string, target: string): TargetRecorder;
  /** Counts a request that was rejected before there was an exchange. */
  requestRejected(code: FailureCode): void;
  configReloaded(result: 'success' | 'failure'): void;
  setConfigVersion(version: number): void;
  /** Registers where the number of open connections is read. Returns a function that takes it away. */
  watchConnections(side: 'client' | 'target', read: () => number): () => void;
  /** Registers where the number of dropped log lines is read. */
  watchDroppedLogLines(read: () => number): void;
  /** Renders everything in the Prometheus text format. */
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** Stops what is measured in the background. */
  close(): void;
}

/** Makes the metrics of the gateway; `version` is its own version. */
export function createMetrics({ version }: { readonly version: string }): GatewayMetrics {
  return new PrometheusMetrics(version);
}

const RELOADS = ['gateway_config_reloads_total', 'Reloads of the configuration by result.'] as const;
const REFUSED = ['gateway_requests_refused_total', 'Requests rejected before they reached a route.'] as const;

/**
 * Keeps what may have thousands of series in families of its own, rendered in slices, and the rest in the registry of
 * the Prometheus client.
 */
class PrometheusMetrics implements GatewayMetrics {
  private readonly registry = new Registry();
  private readonly names = new MetricNames();
  private readonly served = new DurationFamily(
    'http_server_request_duration_seconds',
    'Time from the head of a request to the end of its response, by route, method and status.',
    (route, variant) => ({ route, ...variantLabels(variant) }),
  );
  private readonly sent = new DurationFamily(
    'http_client_request_duration_seconds',
    'Time from giving a request to a target until the head of its response, by upstream, target and status.',
    (owner, status) => ({ ...targetLabels(owner), status: String(status) }),
  );
  private readonly counters = new Map<string, CounterFamily>();
  private readonly gauges = new Map<string, GaugeFamily>();
  private readonly accounts = new Accounts(this);
  private readonly configVersion: Gauge;
  private readonly stopMeasuring: () => void;
  /** One for all routes. */
  private readonly releaseRoute = (id: string): void => {
    if (this.served.release(id)) for (const family of this.counters.values()) family.endRoute(id);
  };

  constructor(version: string) {
    const registers = [this.registry];
    const build = { version, node: process.versions.node };
    const help = 'Always 1; what runs is in the labels.';
    new Gauge({ name: 'gateway_build_info', help, labelNames: ['version', 'node'], registers }).set(build, 1);
    this.configVersion = new Gauge({
      name: 'gateway_config_version',
      help: 'Version of the running configuration; it rises with each reload that changes something.',
      registers,
    });
    this.stopMeasuring = registerProcessMetrics(this.registry);
    for (const { name } of [this.served, this.sent, ...this.registry.getMetricsAsArray()])
      this.names.take(name, 'built-in', []);
    this.counter(...RELOADS, { result: 'success' });
    this.counter(...RELOADS, { result: 'failure' });
  }

  route(id: string): RouteRecorder {
    return new SharedRoute(this.served.hold(id), id, this.accounts, this.releaseRoute);
  }

  upstreamTarget(upstream: string, target: string): TargetRecorder {
    const owner = JSON.stringify([upstream, target]);
    const series = this.sent.hold(owner);
    return {
      record: (status, seconds) => series.record(knownStatus(status), seconds),
      release: once(() => void this.sent.release(owner)),
    };
  }

  counter(name: string, help: string, labels: Readonly<Record<string, string>> = {}): Counter {
    const labelNames = Object.keys(labels);
    this.names.take(name, 'counter', labelNames);
    const family = this.counters.get(name) ?? new CounterFamily(name, help, labelNames);
    this.counters.set(name, family);
    return family.series(labels);
  }

  gauge(
    name: string,
    help: string,
    labels: Readonly<Record<string, string>>,
    read: () => number,
  ): () => void {
    const labelNames = Object.keys(labels);
    this.names.take(name, 'gauge', labelNames);
    const family = this.gauges.get(name) ?? new GaugeFamily(this.registry, name, help, labelNames);
    this.gauges.set(name, family);
    const removeSeries = family.add(labels, read);
    return once(() => {
      removeSeries();
      if (!family.isEmpty) return;
      // Without labels the client would go on showing 0.
      this.registry.removeSingleMetric(name);
      this.gauges.delete(name);
    });
  }

  requestRejected(code: FailureCode): void {
    this.counter(...REFUSED, { reason: code }).add();
  }

  configReloaded(result: 'success' | 'failure'): void {
    this.counter(...RELOADS, { result }).add();
  }

  setConfigVersion(version: number): void {
    this.configVersion.set(version);
  }

  watchConnections(side: 'client' | 'target', read: () => number): () => void {
    return this.gauge('gateway_open_connections', 'Connections that are open now, by side.', { side }, read);
  }

  watchDroppedLogLines(read: () => number): void {
    const name = 'gateway_log_lines_dropped_total';
    this.names.take(name, 'built-in', []);
    new ClientCounter({
      name,
      help: 'Log lines dropped because standard output was not read fast enough.',
      registers: [this.registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  async render(): Promise<{ contentType: string; text: string }> {
    let text = await this.registry.metrics();
    const families: SeriesFamily[] = [this.served, this.sent, ...this.counters.values()];
    for (const family of families) text += `\n${await renderFamily(family)}`;
    return { contentType: this.registry.contentType, text };
  }

  close(): void {
    this.stopMeasuring();
  }
}

/** The recorder of a route, of which a configuration may have ten thousand. */
class SharedRoute implements RouteRecorder {
  private readonly series: SeriesByVariant;
  private readonly id: string;
  private readonly accounts: Accounts;
  private ownAccount: RouteAccount | undefined = undefined;
  private giveBack: ((id: string) => void) | undefined;

  constructor(series: SeriesByVariant, id: string, accounts: Accounts, giveBack: (id: string) => void) {
    this.series = series;
    this.id = id;
    this.accounts = accounts;
    this.giveBack = giveBack;
  }

  record(method: string, status: number, seconds: number): void {
    this.series.record(variantOf(method, status), seconds);
  }

  account(exchange: Exchange): void {
    this.ownAccount ??= this.accounts.begin(this.id);
    this.ownAccount.add(exchange);
  }

  release(): void {
    this.giveBack?.(this.id);
    this.giveBack = undefined;
  }
}

function targetLabels(owner: string): { readonly upstream: string; readonly target: string } {
  const [upstream, target] = JSON.parse(owner) as [string, string];
  return { upstream, target };
}

/** Makes a function that acts on its first call only, so that who gives back twice takes nothing from others. */
function once(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) action();
    isDone = true;
  };
}
