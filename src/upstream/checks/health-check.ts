/** Looks once whether a target is well. */
export interface HealthCheck {
  /**
   * Calls `onResult` once with why the check failed, or `undefined` where it passed. Returns a function that leaves
   * it; nothing is called afterwards.
   */
  run(onResult: (failure: string | undefined) => void): () => void;
}
