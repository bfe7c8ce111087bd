import { openInternalKeys } from '../auth/internal-keys.ts';
import { InternalTokens } from '../auth/internal-tokens.ts';
import type { GatewayConfig } from '../config/schema/schema.ts';
import type { SnapshotContext } from './snapshot-context.ts';

/** Makes what signs tokens for upstreams, if the configuration asks for it. */
export async function buildInternalTokens(
  { internalTokens, dataDir }: Pick<GatewayConfig, 'internalTokens' | 'dataDir'>,
  { services, log }: Pick<SnapshotContext, 'services' | 'log'>,
  closers: (() => void | Promise<void>)[],
): Promise<InternalTokens | undefined> {
  if (internalTokens === undefined) return undefined;
  const keys = await openInternalKeys(internalTokens, dataDir, { ...services, log: log.of('auth') });
  closers.push(() => keys.close());
  return new InternalTokens(internalTokens, keys, services.clock);
}
