import type { Counter, Metrics } from './services.ts';

/** What a policy said of one request. `error` is a policy that failed, which denies as well. */
export type Verdict = 'allow' | 'refuse' | 'error';

export interface DecisionLabels extends Readonly<Record<string, string>> {
  readonly route: string;
  readonly policy: string;
  readonly mode: 'enforce' | 'observe';
}

/**
 * Counts the verdicts of one policy on one route as `gateway_policy_decisions_total`. A series begins with its first
 * verdict, so that thousands of routes do not make thousands of zeros.
 */
export class PolicyDecisions {
  private readonly metrics: Metrics;
  private readonly labels: DecisionLabels;
  private allowed: Counter | undefined = undefined;
  private refused: Counter | undefined = undefined;
  private failed: Counter | undefined = undefined;

  constructor(metrics: Metrics, labels: DecisionLabels) {
    this.metrics = metrics;
    this.labels = labels;
  }

  allow(): void {
    this.allowed ??= this.begin('allow');
    this.allowed.add();
  }

  refuse(): void {
    this.refused ??= this.begin('refuse');
    this.refused.add();
  }

  error(): void {
    this.failed ??= this.begin('error');
    this.failed.add();
  }

  private begin(verdict: Verdict): Counter {
    const help = 'Verdicts of policies by route, policy, verdict and mode.';
    return this.metrics.counter('gateway_policy_decisions_total', help, { ...this.labels, verdict });
  }
}
