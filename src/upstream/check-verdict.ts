export interface CheckThresholds {
  /** Checks in a row that must pass before a target that was down is up. */
  readonly healthyAfter: number;
  /** Checks in a row that must fail before a target is down. */
  readonly unhealthyAfter: number;
}

export type CheckState =
  | { readonly kind: 'unchecked' }
  | { readonly kind: 'up' }
  | { readonly kind: 'down'; readonly reason: string };

/** What the active checks of a target say: up until several in a row fail, down until several in a row pass. */
export class CheckVerdict {
  state: CheckState = { kind: 'unchecked' };
  private readonly thresholds: CheckThresholds;
  /** Checks in a row that contradict the state. */
  private contrary = 0;

  constructor(thresholds: CheckThresholds) {
    this.thresholds = thresholds;
  }

  /** Takes a check's outcome: why it failed, or `undefined` where it passed. Tells whether the state changed. */
  take(failure: string | undefined): boolean {
    const isContrary = (failure === undefined) === (this.state.kind === 'down');
    this.contrary = isContrary ? this.contrary + 1 : 0;
    if (failure === undefined) {
      if (this.state.kind === 'down' && this.contrary < this.thresholds.healthyAfter) return false;
      return this.become({ kind: 'up' });
    }
    if (this.state.kind === 'down' || this.contrary < this.thresholds.unhealthyAfter) return false;
    return this.become({ kind: 'down', reason: `${this.contrary} checks failed, the last one: ${failure}` });
  }

  private become(state: CheckState): boolean {
    if (this.state.kind === state.kind) return false;
    this.state = state;
    this.contrary = 0;
    return true;
  }
}
