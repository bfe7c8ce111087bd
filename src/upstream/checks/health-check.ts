/** Nothing was found out about the target: the check failed for want of something of our own. */
export const NO_VERDICT = Symbol('no verdict');

/** Why a check failed, or that it passed, or that it says nothing. */
export type CheckResult = string | undefined | typeof NO_VERDICT;

/** Looks once whether a target is well. */
export interface HealthCheck {
  /**
   * Calls `onResult` once with why the check failed, or `undefined` where it passed, or `NO_VERDICT`. Returns a function that leaves
   * it; nothing is called afterwards.
   */
  run(onResult: (failure: CheckResult) => void): () => void;
}
