/** What a route says about how its requests are forwarded. */
export interface ForwardPlan {
  /** The `Host` that the target sees: the client's (`preserve`), the target's (`target`), or a name. */
  readonly hostHeader: string;
  /** Milliseconds from the end of the request to the head of the response, over all attempts. */
  readonly timeoutMs: number;
  /** What is taken off the path, for `X-Forwarded-Prefix`; `undefined` for nothing. */
  readonly prefix?: string | undefined;
  /** Whether that is put back into what answers say about paths. */
  readonly restoresPrefix?: boolean;
}

/** Says which `Host` a target sees of a request for `authority`. */
export function hostFor({ hostHeader }: ForwardPlan, authority: string, targetName: string): string {
  if (hostHeader === 'preserve') return authority === '' ? targetName : authority;
  return hostHeader === 'target' ? targetName : hostHeader;
}
