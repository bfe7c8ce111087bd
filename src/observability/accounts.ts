import type { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { Identity } from '../core/identity/identity.ts';
import type { Counter, Metrics } from '../core/services.ts';
import { BoundedLabels } from './bounded-labels.ts';
import { knownStatus } from './series-variant.ts';

const MAX_PLANS = 100;
const MAX_KEYS = 1000;
const MAX_METHODS = 32;
const MAX_REASONS = 100;

const CALLERS = [
  'gateway_caller_requests_total',
  'Requests of callers that were identified, by plan, API key, authentication method and class of status.',
] as const;
const FAILURES = [
  'gateway_failures_total',
  'Requests that the gateway answered itself or broke off, by route, error code and reason.',
] as const;
const BYTES = ['gateway_body_bytes_total', 'Bytes of bodies, by route and direction.'] as const;
const PHASES = [
  'gateway_phase_seconds_total',
  'Time that requests spent in policies, waiting for a connection to a target, and at the target until the head of its response, by route and phase.',
] as const;

/** Counts who asks, why requests fail and what they cost. */
export class Accounts {
  readonly reasons = new BoundedLabels(MAX_REASONS);
  private readonly plans = new BoundedLabels(MAX_PLANS);
  private readonly keys = new BoundedLabels(MAX_KEYS);
  private readonly methods = new BoundedLabels(MAX_METHODS);
  private readonly metrics: Pick<Metrics, 'counter'>;
  /** The counters of each identity, which serves many requests, by class of status. */
  private readonly byIdentity = new WeakMap<Identity, (Counter | undefined)[]>();

  constructor(metrics: Pick<Metrics, 'counter'>) {
    this.metrics = metrics;
  }

  /** Begins the account of a route. */
  begin(route: string): RouteAccount {
    return new RouteAccount(route, this, this.metrics);
  }

  countCaller(identity: Identity, status: number): void {
    const class_ = Math.floor(knownStatus(status) / 100);
    let counters = this.byIdentity.get(identity);
    if (counters === undefined) {
      counters = [];
      this.byIdentity.set(identity, counters);
    }
    counters[class_] ??= this.metrics.counter(...CALLERS, {
      plan: this.plans.of(identity.plan),
      key_id: this.keys.of(identity.keyId),
      auth_method: this.methods.of(identity.method),
      status: `${class_}xx`,
    });
    counters[class_].add();
  }
}

/** The account of one route. A series begins when there is something to count. */
export class RouteAccount {
  private readonly route: string;
  private readonly accounts: Accounts;
  private readonly metrics: Pick<Metrics, 'counter'>;
  private sent: Counter | undefined = undefined;
  private received: Counter | undefined = undefined;
  private policies: Counter | undefined = undefined;
  private queue: Counter | undefined = undefined;
  private upstream: Counter | undefined = undefined;
  private failures: Map<string, Counter> | undefined = undefined;

  constructor(route: string, accounts: Accounts, metrics: Pick<Metrics, 'counter'>) {
    this.route = route;
    this.accounts = accounts;
    this.metrics = metrics;
  }

  /** Adds a finished exchange. */
  add(exchange: Exchange): void {
    const { bytesSent, decidedAt, failure, identity, queuedMs, respondedAt, request } = exchange;
    if (bytesSent > 0) {
      this.sent ??= this.bytes('sent');
      this.sent.add(bytesSent);
    }
    if (request.bodyBytes !== undefined && request.bodyBytes > 0) {
      this.received ??= this.bytes('received');
      this.received.add(request.bodyBytes);
    }
    if (decidedAt !== 0) {
      this.policies ??= this.phase('policies');
      this.policies.add((decidedAt - exchange.startedAt) / 1000);
    }
    if (queuedMs > 0) {
      this.queue ??= this.phase('queue');
      this.queue.add(queuedMs / 1000);
    }
    if (respondedAt !== 0) {
      this.upstream ??= this.phase('upstream');
      this.upstream.add((respondedAt - exchange.sentAt - queuedMs) / 1000);
    }
    if (failure !== undefined) this.countFailure(failure);
    if (identity !== undefined) this.accounts.countCaller(identity, exchange.status);
  }

  private countFailure({ code, reason }: GatewayError): void {
    const label = this.accounts.reasons.of(reason);
    const key = `${code} ${label}`;
    this.failures ??= new Map();
    let counter = this.failures.get(key);
    if (counter === undefined) {
      counter = this.metrics.counter(...FAILURES, { route: this.route, code, reason: label });
      this.failures.set(key, counter);
    }
    counter.add();
  }

  private bytes(direction: 'sent' | 'received'): Counter {
    return this.metrics.counter(...BYTES, { route: this.route, direction });
  }

  private phase(phase: 'policies' | 'queue' | 'upstream'): Counter {
    return this.metrics.counter(...PHASES, { route: this.route, phase });
  }
}
