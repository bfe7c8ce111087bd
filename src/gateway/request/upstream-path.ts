import type { ForwardAction } from '../../snapshot/route.ts';

/** Finds the path that the upstream sees, where it is one. */
export function upstreamPath(
  action: ForwardAction,
  path: string,
  rawParams: readonly string[],
): string | undefined {
  if (action.rewrite !== undefined) return action.rewrite(rawParams);
  return action.stripPrefix === undefined ? path : action.stripPrefix(path);
}
