import type { GatewayConfig } from '../config/schema/schema.ts';
import type { Channel } from './channel.ts';
import type { WorkerMethods } from './worker-contract.ts';

const ROUTES_PER_SLICE = 250;

/** Sends a configuration in slices, each when the one before has been taken: a worker serves requests meanwhile. */
export async function sendConfig(worker: Channel<WorkerMethods>, config: GatewayConfig): Promise<void> {
  const { routes } = config;
  await worker.call('takeConfig', { ...config, routes: [] });
  for (let sent = 0; sent < routes.length; sent += ROUTES_PER_SLICE)
    await worker.call('takeRoutes', routes.slice(sent, sent + ROUTES_PER_SLICE));
}
