import type { ClientExchange } from './client-exchange.ts';
import type { ClientProbe } from './client-probe.ts';
import type { ClientTunnel } from './client-tunnel.ts';
import type { Lingering } from './lingering.ts';
import type { RequestBody } from './request-body.ts';

/**
 * What a client's connection does. `head`: a head has begun. `exchange`: a request is being answered, and its body may still
 * come. `probing`: the same after FIN of the client. `discarding`: the answer is out, the rest of the body still comes.
 * `closed`: it is, or about to be. What has more to it than a name is its own state, so that nothing is made per request.
 */
export type ClientState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'head' }
  | ClientExchange
  | ClientProbe
  | { readonly kind: 'discarding'; readonly body: RequestBody }
  | ClientTunnel
  | Lingering
  | { readonly kind: 'closed' };

export const IDLE: ClientState = { kind: 'idle' };
export const HEAD: ClientState = { kind: 'head' };
export const CLOSED: ClientState = { kind: 'closed' };
