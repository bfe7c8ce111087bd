import type { ServeOptions } from './serve-options.ts';

type Times = Pick<ServeOptions, 'deadlines' | 'limits'>;

/** How long a tunnel of which one side has said all waits for the other to say anything. */
const HALF_TUNNEL_MS = 30_000;

/** By when a head that has begun has to be complete. */
export function headDeadline({ deadlines, limits }: Times): number {
  const { headerTimeoutMs, requestTimeoutMs } = limits;
  const isBounded = requestTimeoutMs > 0 && requestTimeoutMs < headerTimeoutMs;
  return deadlines.after(isBounded ? requestTimeoutMs : headerTimeoutMs);
}

/** By when the next request has to begin, or the head that `hasBegun` has to go on. */
export function idleDeadline({ deadlines, limits }: Times, hasBegun: boolean): number {
  return deadlines.after(hasBegun ? limits.headerTimeoutMs : limits.keepAliveMs);
}

/** By when the other side of a tunnel has to say something. */
export function halfTunnelDeadline({ deadlines }: Times): number {
  return deadlines.after(HALF_TUNNEL_MS);
}
