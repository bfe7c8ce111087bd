import type { ApiKeyAdministration } from './identity/api-keys.ts';
import type { Purge, PurgeReach } from './stores/cache-store.ts';

/** Where the gateway stands in its life. */
export type GatewayState = 'starting' | 'ready' | 'draining' | 'closed';

/** What came of a reload: either everything changed, or nothing and the reasons. */
export type ReloadResult =
  | { readonly ok: true; readonly version: number }
  | { readonly ok: false; readonly problems: readonly string[] };

/** What came of a purge: where it holds, or what is wrong with what was written. */
export type PurgeResult =
  | ({ readonly ok: true } & PurgeReach)
  | { readonly ok: false; readonly problem: string };

/** Whether requests are welcome, as `/readyz` tells it. */
export interface Readiness {
  /** Whether a load balancer may send requests. */
  readonly isReady: boolean;
  /** Why not, or what is amiss though ready; a sentence each. */
  readonly details: readonly string[];
}

/**
 * The only way in which the admin side (API, metrics, signals) reaches the data path: called directly in one process,
 * by messages in many.
 */
export interface GatewayControl {
  readonly state: GatewayState;
  reload(): Promise<ReloadResult>;
  readiness(): Readiness;
  /** The metrics in Prometheus text format and its content type. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** What runs: routes by id, upstreams by name, the Snapshot's version. */
  describe(): Promise<GatewayDescription>;
  /**
   * Tells how a client stands with its quotas, by what they count it by: one value for each quota with one key, several for
   * one with several.
   */
  readQuotas(keys: readonly string[]): Promise<readonly object[]>;
  /** Purges stored responses in all processes and gateways that share them. A URL or prefix is as an operator writes it. */
  purgeCache(purge: Purge): Promise<PurgeResult>;
  /** Opens the API keys, to make, show and change them. */
  administerKeys(): Promise<ApiKeyAdministration>;
}

export interface GatewayDescription {
  readonly version: number;
  readonly routes: readonly {
    readonly id: string;
    readonly path: string;
    /** Names of the upstreams that respond: none, one, or those of a split. */
    readonly upstreams: readonly string[];
  }[];
  readonly upstreams: readonly UpstreamDescription[];
}

export interface UpstreamDescription {
  readonly name: string;
  /** State of the circuit breaker, where there is one. */
  readonly breaker?: 'closed' | 'open' | 'half-open';
  /** How the discovery of its targets does, where there is one. */
  readonly discovery?: { readonly ok: boolean; readonly detail?: string };
  readonly targets: readonly TargetDescription[];
}

export interface TargetDescription {
  readonly target: string;
  /** Whether it gets requests, and if not, whether requests or checks say so. */
  readonly state: 'healthy' | 'ejected' | 'down';
  /** Why it gets none. */
  readonly reason?: string;
  readonly weight: number;
  readonly activeRequests: number;
}
