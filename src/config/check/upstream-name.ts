import type { Findings } from '../findings.ts';
import type { ConfigPath } from '../problem.ts';
import { suggest } from '../suggest.ts';

/** Checks that there is an upstream of the name that stands at a place. */
export function checkUpstreamName(
  upstream: unknown,
  at: ConfigPath,
  upstreams: readonly string[],
  findings: Findings,
): void {
  if (typeof upstream !== 'string' || upstream === '' || upstreams.includes(upstream)) return;
  const close = suggest(upstream, upstreams);
  const remedy = close === undefined ? 'define it under upstreams' : `did you mean '${close}'?`;
  findings.reject(at, `there is no upstream ${findings.quote(at, upstream)} — ${remedy}`);
}
