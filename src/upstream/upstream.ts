import type { Clock } from '../core/clock.ts';
import type { UpstreamDescription } from '../core/control.ts';
import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { Counter } from '../core/services.ts';
import type { Balancer } from './balancing/balancer.ts';
import type { Discovery } from './discovery/discovery.ts';
import type { RetrySettings } from './retry-settings.ts';
import { SlowStart } from './slow-start.ts';
import type { StickyCookie } from './sticky-cookie.ts';
import type { UpstreamState } from './upstream-state.ts';
import type { UpstreamTarget } from './upstream-target.ts';

export interface UpstreamSettings {
  readonly name: string;
  /** What finds the targets, where they are not in the configuration. */
  readonly discovery?: Pick<Discovery, 'status'> | undefined;
  readonly balancer: Balancer;
  readonly sticky: StickyCookie | undefined;
  /** How long a target that came back gets less than its weight; 0 for not at all. */
  readonly slowStartMs: number;
  /** Share of the targets that may be ejected at a time. */
  readonly maxEjected: number;
  /** `undefined` where nothing is repeated. */
  readonly retries: RetrySettings | undefined;
  /** After how many milliseconds without a head a GET is sent to a second target too; `undefined` for never. */
  readonly hedgeAfterMs: number | undefined;
  /** Milliseconds from the end of a request until the response head is due, for one attempt; infinite where the route says it. */
  readonly responseTimeoutMs: number;
  readonly state: UpstreamState;
  readonly clock: Clock;
  readonly random: () => number;
  readonly counters: UpstreamCounters | undefined;
}

export interface UpstreamCounters {
  readonly retries: Counter;
  readonly ejections: Counter;
  readonly hedges: Counter;
}

/** A response that breaks later than this is taken for a stream, which may well end so. */
const STREAM_MS = 10_000;

/** The status under which the failure of an attempt without a response is reported. */
export const NO_RESPONSE = 0;

/**
 * Whom a request may be sent to that other targets have failed: anyone, the same one again if there is no other; only
 * one that has not failed it; or only such a one that gets requests.
 */
export type Choice = 'any' | 'another' | 'ready';

const NONE: readonly UpstreamTarget[] = [];

/** A service that routes name: its targets, whose turn it is, and how they do. */
export class Upstream {
  readonly name: string;
  readonly settings: UpstreamSettings;
  readonly retries: RetrySettings | undefined;
  readonly sticky: StickyCookie | undefined;
  readonly hedgeAfterMs: number | undefined;
  readonly responseTimeoutMs: number;
  readonly state: UpstreamState;
  private readonly balancer: Balancer;
  private readonly usesLatency: boolean;
  private readonly slowStart: SlowStart;
  private all: readonly UpstreamTarget[] = NONE;
  private available: readonly UpstreamTarget[] = NONE;
  private healthy: readonly UpstreamTarget[] = NONE;
  private stopListening: (() => void)[] = [];
  private hasStarted = false;

  constructor(settings: UpstreamSettings) {
    this.name = settings.name;
    this.settings = settings;
    this.retries = settings.retries;
    this.sticky = settings.sticky;
    this.hedgeAfterMs = settings.hedgeAfterMs;
    this.responseTimeoutMs = settings.responseTimeoutMs;
    this.state = settings.state;
    this.balancer = settings.balancer;
    this.usesLatency = settings.balancer.usesLatency === true;
    this.slowStart = new SlowStart(settings.slowStartMs, settings.clock, () => this.refresh());
  }

  /** All targets, also those that get no requests for now. */
  get targets(): readonly UpstreamTarget[] {
    return this.all;
  }

  /** Takes the targets that there are from now on. */
  setTargets(targets: readonly UpstreamTarget[]): void {
    const known = new Set(this.all.map(({ state }) => state));
    if (this.hasStarted) for (const { state } of targets) if (!known.has(state)) state.welcome();
    this.hasStarted = true;
    this.all = targets;
    this.ignoreTargets();
    this.stopListening = targets.map(({ state }) => state.onChange(() => this.refresh()));
    this.refresh();
  }

  /**
   * Picks a target, of which `tried` have failed this request before. Returns `undefined` where there is none or the
   * breaker is open; else who calls owes a `report` if there is an outcome, a `release`, and in the end a `forget`, under
   * the same `breakerKey`.
   */
  pick(
    exchange: Exchange,
    tried: readonly UpstreamTarget[] = NONE,
    breakerKey: object = exchange,
    choice: Choice = 'any',
  ): UpstreamTarget | undefined {
    const { available, state } = this;
    if (state.breaker?.admit(breakerKey, this.settings.clock.monotonic()) === false) return undefined;
    let picked: UpstreamTarget | undefined;
    if (tried.length > 0) picked = this.pickAgain(exchange, tried, choice);
    else if (available.length === 1 && this.sticky === undefined) picked = available[0];
    else picked = this.sticky?.find(exchange, this.healthy) ?? this.balancer.pick(exchange, NONE);
    if (picked === undefined) {
      state.breaker?.abandon(breakerKey);
      return undefined;
    }
    picked.state.activeRequests++;
    state.activeRequests++;
    return picked;
  }

  /** Takes what came of an attempt: the status of the response or `NO_RESPONSE`, and after how many milliseconds. */
  report(breakerKey: object, target: UpstreamTarget, status: number, elapsedMs: number, now: number): void {
    const isFailure = status === NO_RESPONSE || isTargetFailure(status);
    if (this.usesLatency) target.state.latency.record(elapsedMs, isFailure, now);
    this.state.breaker?.record(breakerKey, isFailure, now);
    if (!isFailure) return target.state.ejection.succeed();
    if (target.state.ejection.fail())
      this.eject(target, status === NO_RESPONSE ? 'no response' : `status ${status}`);
  }

  /** Takes that a response of which the head was reported came whole. */
  reportWhole(target: UpstreamTarget, status: number): void {
    if (!isTargetFailure(status)) target.state.ejection.complete();
  }

  /** Takes that a response broke off for no fault of the client, after its head had been reported at `headAt`. */
  reportBroken(
    breakerKey: object,
    target: UpstreamTarget,
    status: number,
    headAt: number,
    now: number,
  ): void {
    if (isTargetFailure(status)) return;
    const isStream = now - headAt > STREAM_MS;
    if (!isStream) this.state.breaker?.retract(breakerKey, headAt, now);
    const { ejection } = target.state;
    if (isStream ? ejection.fail() : ejection.breakOff()) this.eject(target, 'a response that broke off');
  }

  /** Ends what `pick` began: an attempt is over. */
  release(target: UpstreamTarget): void {
    target.state.activeRequests--;
    this.state.activeRequests--;
  }

  /** Forgets a request, whether or not there was an outcome: no attempt of it will follow. */
  forget(breakerKey: object): void {
    this.state.breaker?.abandon(breakerKey);
  }

  /** Says why `pick` found none. */
  rejection(): GatewayError {
    const { state } = this.state.breaker ?? {};
    if (state === undefined || state.kind === 'closed')
      return new GatewayError('GW_UPSTREAM_UNREACHABLE', { cause: `no target of '${this.name}' is known` });
    const waitMs = state.kind === 'open' ? state.until - this.settings.clock.monotonic() : 0;
    return new GatewayError('GW_UPSTREAM_SUSPENDED', {
      headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) },
      cause: `the circuit breaker of '${this.name}' is ${state.kind}`,
    });
  }

  /** Says what is amiss, a sentence each, without addresses, since everybody may read it. */
  problems(): string[] {
    const problems: string[] = [];
    const out = this.all.filter(({ state }) => !state.isHealthy).length;
    const breaker = this.state.breaker?.state.kind ?? 'closed';
    const found = this.settings.discovery?.status();
    if (found?.detail !== undefined) problems.push(`upstream '${this.name}': discovery ${found.detail}`);
    if (breaker !== 'closed') problems.push(`upstream '${this.name}': its circuit breaker is ${breaker}`);
    if (out > 0)
      problems.push(`upstream '${this.name}': ${out} of ${this.all.length} targets get no requests`);
    return problems;
  }

  describe(): UpstreamDescription {
    const breaker = this.state.breaker?.state.kind;
    const targets = this.all.map(({ name, fullWeight, state }) => {
      const { kind, ...why } = state.health;
      return { target: name, state: kind, ...why, weight: fullWeight, activeRequests: state.activeRequests };
    });
    const discovery = this.settings.discovery?.status();
    return {
      name: this.name,
      ...(breaker !== undefined && { breaker }),
      ...(discovery !== undefined && { discovery }),
      targets,
    };
  }

  close(): void {
    this.slowStart.close();
    this.ignoreTargets();
  }

  /**
   * 1. One that gets requests and has not failed last, if there is one.
   * 2. Any that gets requests.
   * 3. One that gets none for now: it may well have come back, while those that were tried have just failed.
   * 4. One of those that were tried.
   */
  private pickAgain(
    exchange: Exchange,
    tried: readonly UpstreamTarget[],
    choice: Choice,
  ): UpstreamTarget | undefined {
    const failing = this.available.filter(({ state }) => state.ejection.isFailing);
    const ready =
      this.balancer.pick(exchange, failing.length === 0 ? tried : [...tried, ...failing]) ??
      this.balancer.pick(exchange, tried);
    if (choice === 'ready' || ready !== undefined) return ready;
    return this.pickOut(tried) ?? (choice === 'another' ? undefined : this.balancer.pick(exchange, NONE));
  }

  /** Picks of those that get no requests the one that is rather back: out for what requests met, and for the longest. */
  private pickOut(tried: readonly UpstreamTarget[]): UpstreamTarget | undefined {
    let best: UpstreamTarget | undefined;
    for (const target of this.all) {
      if (target.fullWeight === 0 || this.available.includes(target) || tried.includes(target)) continue;
      if (best === undefined || target.state.outRank < best.state.outRank) best = target;
    }
    return best;
  }

  /**
   * Takes stock of who is healthy. Where nobody is, everybody counts as healthy: some of them may answer. A weight of 0
   * drains a target: it keeps the clients that stick to it, and gets no others.
   */
  private refresh(): void {
    this.slowStart.weigh(this.all);
    this.healthy = this.all.filter(({ state }) => state.isHealthy);
    const served = this.healthy.filter(({ fullWeight }) => fullWeight > 0);
    this.available = served.length > 0 ? served : this.all.filter(({ fullWeight }) => fullWeight > 0);
    this.balancer.update(this.available);
  }

  private eject(target: UpstreamTarget, lastFailure: string): void {
    const out = this.all.filter(({ state }) => !state.isHealthy).length;
    if (out + 1 > this.settings.maxEjected * this.all.length) return;
    target.state.eject(lastFailure);
    this.settings.counters?.ejections.add();
  }

  private ignoreTargets(): void {
    for (const stop of this.stopListening) stop();
  }
}

/** Statuses that say that the target is in trouble, rather than that it does not do what was asked (501, 505). */
function isTargetFailure(status: number): boolean {
  return status === 500 || (status >= 502 && status <= 504);
}

/** Tells whether a failure says something about the target, rather than about the client or about how many requests wait. */
export function isTargetsFault({ code }: GatewayError): boolean {
  return (
    code === 'GW_UPSTREAM_UNREACHABLE' || code === 'GW_UPSTREAM_BROKEN' || code === 'GW_UPSTREAM_TIMEOUT'
  );
}
