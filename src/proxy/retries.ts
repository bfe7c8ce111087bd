import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { ResponseHead, TargetRequest } from '../core/message.ts';
import { NO_CONNECTION } from '../core/network/own-fault.ts';
import type { RetrySettings } from '../upstream/retry-settings.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { UpstreamTarget } from '../upstream/upstream-target.ts';
import type { ForwardPlan } from './forward-plan.ts';
import { isRepeatable } from './repeatable.ts';

/** Full jitter: a random time up to these bounds, which double with each attempt. */
const FIRST_WAIT_MS = 25;
const LONGEST_WAIT_MS = 250;
/** How long an attempt waits at least for its share of the budget: longer where the one before it took longer to fail. */
const BUDGET_WAIT_MS = 250;
/** The longest `Retry-After` that is waited for here rather than by the client. */
const LONGEST_RETRY_AFTER_MS = 3000;

/** An attempt that follows another. */
export interface NextAttempt {
  readonly target: UpstreamTarget;
  readonly waitMs: number;
}

/** On whose behalf attempts are repeated, and how. */
export interface RetriesOwner {
  readonly exchange: Exchange;
  readonly upstream: Upstream;
  readonly plan: ForwardPlan;
  readonly clock: Clock;
  readonly breakerKey: object;
}

/** The attempts of one request after the first one. Made when that has failed. */
export class Retries {
  private readonly settings: RetrySettings;
  private readonly owner: RetriesOwner;
  private readonly upstream: Upstream;
  private readonly clock: Clock;
  /** When the time for all attempts together is over. */
  private readonly deadline: number;
  private readonly tried: UpstreamTarget[] = [];
  private attempts = 0;
  private holdsBudget = false;
  private readonly sentAt: number;
  /** Until when the budget is waited for; `undefined` where it never was. */
  private budgetUntil: number | undefined = undefined;
  private stopWaiting: () => void = () => {};
  private stopDeadline: (() => void) | undefined = undefined;

  /** `sentAt`: when the first attempt began, in monotonic milliseconds. */
  constructor(settings: RetrySettings, owner: RetriesOwner, sentAt: number) {
    this.settings = settings;
    this.owner = owner;
    this.upstream = owner.upstream;
    this.clock = owner.clock;
    this.sentAt = sentAt;
    this.deadline = sentAt + owner.plan.timeoutMs;
  }

  /** Milliseconds until the time for all attempts is over. */
  get remainingMs(): number {
    return this.deadline - this.clock.monotonic();
  }

  /**
   * Decides about another attempt, after the one at `target` came to a failure or to a response. There is one only if
   * the settings name this outcome, the request may be repeated, time and budget are left, and a target is found.
   * Where only the budget is missing and there is no response to give instead, says `later`: what fails in one moment
   * (all requests at a target that hangs) may well be repeated a few at a time.
   */
  next(
    target: UpstreamTarget,
    request: TargetRequest,
    outcome: GatewayError | ResponseHead,
  ): NextAttempt | 'later' | undefined {
    const { upstream, settings, tried } = this;
    if (this.attempts >= settings.max || !isRetried(settings, outcome)) return undefined;
    if (!isUnsent(outcome) && !isRepeatable(request)) return undefined;
    const waitMs = this.waitAfter(outcome);
    if (waitMs === undefined || waitMs >= this.remainingMs) return undefined;
    if (!isUnsent(outcome) && !this.takeBudget())
      return outcome instanceof GatewayError && this.mayWaitForBudget ? 'later' : undefined;
    tried.push(target);
    const { exchange, breakerKey } = this.owner;
    const isMoreOfTheSame = isStillAtWork(outcome) || isMeantToLast(outcome);
    const next = upstream.pick(exchange, tried, breakerKey, isMoreOfTheSame ? 'another' : 'any');
    if (next === undefined) return undefined;
    this.attempts++;
    upstream.settings.counters?.retries.add();
    return { target: next, waitMs };
  }

  /** Leaves out a target that failed beside the one that counts. */
  exclude(target: UpstreamTarget): void {
    this.tried.push(target);
  }

  /** Calls `send` after `waitMs`, and `onTimeout` when the time for all attempts is over. */
  schedule(waitMs: number, send: () => void, onTimeout: () => void): void {
    this.stopWaiting = this.clock.after(waitMs, send);
    this.stopDeadline ??= this.clock.after(this.remainingMs, onTimeout);
  }

  /**
   * Calls `decide` when there is some of the budget, or none is to be waited for any more. What failed in one moment (all
   * requests at a target that ended) is repeated one after the other, and waits the longer the slower everything is.
   */
  waitForBudget(decide: () => void): void {
    const now = this.clock.monotonic();
    this.budgetUntil ??= Math.min(this.deadline, now + Math.max(BUDGET_WAIT_MS, now - this.sentAt));
    const giveUpPlace = this.upstream.state.retryBudget.wait(() => {
      stopTimer();
      decide();
    });
    const stopTimer = this.clock.after(this.budgetUntil - now, () => {
      giveUpPlace();
      decide();
    });
    this.stopWaiting = () => {
      giveUpPlace();
      stopTimer();
    };
  }

  /** There will be no more attempts. */
  close(): void {
    this.stopWaiting();
    this.stopDeadline?.();
    if (this.holdsBudget) this.upstream.state.retryBudget.release();
    this.holdsBudget = false;
  }

  /** An attempt that no target was given any of needs none: the next one adds nothing to the load of the upstream. */
  private takeBudget(): boolean {
    const { retryBudget, activeRequests } = this.upstream.state;
    this.holdsBudget ||= retryBudget.tryTake(activeRequests);
    return this.holdsBudget;
  }

  private get mayWaitForBudget(): boolean {
    return this.budgetUntil === undefined || this.clock.monotonic() < this.budgetUntil;
  }

  private waitAfter(outcome: GatewayError | ResponseHead): number | undefined {
    const bound = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempts);
    const jitter = this.upstream.settings.random() * bound;
    if (outcome instanceof GatewayError) return jitter;
    const asked = retryAfterMs(outcome.headers.get('retry-after'), this.clock.now());
    return asked > LONGEST_RETRY_AFTER_MS ? undefined : Math.max(jitter, asked);
  }
}

function isRetried(settings: RetrySettings, outcome: GatewayError | ResponseHead): boolean {
  if (!(outcome instanceof GatewayError)) return settings.statuses.has(outcome.status);
  switch (outcome.code) {
    case 'GW_UPSTREAM_UNREACHABLE':
    case 'GW_UPSTREAM_BUSY':
      return settings.onConnectError;
    case 'GW_RESOURCES_EXHAUSTED':
      return settings.onConnectError && outcome.reason === NO_CONNECTION;
    case 'GW_UPSTREAM_BROKEN':
    case 'GW_UPSTREAM_TIMEOUT':
      return settings.statuses.has(outcome.status);
    default:
      return false;
  }
}

/** Whether no byte of the request was written: it never got a connection. */
function isUnsent(outcome: GatewayError | ResponseHead): boolean {
  if (!(outcome instanceof GatewayError)) return false;
  return (
    outcome.code === 'GW_UPSTREAM_UNREACHABLE' ||
    outcome.code === 'GW_UPSTREAM_BUSY' ||
    outcome.reason === NO_CONNECTION
  );
}

/**
 * Whether the target may still be at work on the request, or has more requests than it can take: sent there again, it
 * would be more of the same.
 */
function isStillAtWork(outcome: GatewayError | ResponseHead): boolean {
  return outcome.status === 504 || (outcome instanceof GatewayError && outcome.code === 'GW_UPSTREAM_BUSY');
}

/** Whether the target has said for how long its response is good (RFC 9111 §4.2.1), which it would only repeat. */
function isMeantToLast(outcome: GatewayError | ResponseHead): boolean {
  if (outcome instanceof GatewayError) return false;
  const { headers } = outcome;
  if (/(?:^|[\s,])(?:s-maxage|max-age)="?0*[1-9]/i.test(headers.get('cache-control') ?? '')) return true;
  return Date.parse(headers.get('expires') ?? '') > Date.parse(headers.get('date') ?? '');
}

/** Reads `Retry-After` (RFC 9110 §10.2.3): seconds or a date. */
function retryAfterMs(value: string | undefined, now: number): number {
  if (value === undefined) return 0;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}
