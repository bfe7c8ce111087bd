import type { Attempt } from './target-attempt.ts';
import type { TargetTunnel } from './target-tunnel.ts';

/** What a connection does. `resting`: silent after a response that may have a tail. `closed`: it is, or about to be. */
export type ConnectionState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'resting' }
  | { readonly kind: 'exchange'; readonly attempt: Attempt }
  | { readonly kind: 'tunnel'; readonly tunnel: TargetTunnel }
  | { readonly kind: 'closed' };

export const IDLE: ConnectionState = { kind: 'idle' };
export const RESTING: ConnectionState = { kind: 'resting' };
export const CLOSED: ConnectionState = { kind: 'closed' };
