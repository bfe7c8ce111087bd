import type { Counter, Metrics } from '../services.ts';

/** What a policy said of one request. `error` is a policy that failed, which denies as well. */
export type Verdict = 'allow' | 'refuse' | 'error';

/**
 * Counts the verdicts of one policy on one route as `gateway_policy_decisions_total`. A series begins with its first
 * verdict, so that thousands of routes do not make thousands of zeros.
 */
export class PolicyDecisions {
  private readonly metrics: Metrics;
  private readonly route: string;
  private readonly policy: string;
  private readonly mode: 'enforce' | 'observe';
  private allowed: Counter | undefined = undefined;
  private refused: Counter | undefined = undefined;
  private failed: Counter | undefined = undefined;

  constructor(metrics: Metrics, route: string, policy: string, mode: 'enforce' | 'observe') {
    this.metrics = metrics;
    this.route = route;
    this.policy = policy;
    this.mode = mode;
  }

  allow(): void {
    this.allowed ??= this.begin('allow');
    this.allowed.add();
  }

  reject(): void {
    this.refused ??= this.begin('refuse');
    this.refused.add();
  }

  error(): void {
    this.failed ??= this.begin('error');
    this.failed.add();
  }

  private begin(verdict: Verdict): Counter {
    const help = 'Verdicts of policies by route, policy, verdict and mode.';
    const { route, policy, mode } = this;
    return this.metrics.counter('gateway_policy_decisions_total', help, { route, policy, mode, verdict });
  }
}
