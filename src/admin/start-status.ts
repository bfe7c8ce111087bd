import type { GatewayControl } from '../core/control.ts';
import type { Log } from '../core/services.ts';
import { createHttpApp, type ListenAddress, listen, type OperatorServer } from './http-app.ts';
import { addProbes } from './probes.ts';

/** Starts the port for probes and scrapers, which has nothing but `/healthz`, `/readyz` and `/metrics`. */
export async function startStatus(
  address: ListenAddress,
  control: GatewayControl,
  log: Log,
): Promise<OperatorServer> {
  const app = createHttpApp(log);
  addProbes(app, control);
  return listen(app, address, 'status');
}
