import type { GatewayConfig } from '../../config/schema/schema.ts';

/** What a gateway keeps somewhere, beyond its Snapshots. */
export interface GatewayStore {
  /** Gets ready for a configuration. Rejects where that cannot be. */
  prepare(config: GatewayConfig): Promise<void>;
  /** What is degraded, a sentence each. */
  problems(): readonly string[];
  close(): void | Promise<void>;
}
