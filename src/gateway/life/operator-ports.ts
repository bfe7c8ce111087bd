import type { OperatorServer } from '../../admin/http-app.ts';
import type { GatewayConfig } from '../../config/schema/schema.ts';
import type { GatewayControl } from '../../core/control.ts';
import type { Log } from '../../core/services.ts';

/**
 * Opens the ports for operators: `admin`, then `status` if there is one. Rejects, with nothing left open, when one
 * cannot be opened.
 */
export async function openOperatorPorts(
  { admin, status, dataDir }: GatewayConfig,
  control: GatewayControl,
  log: Log,
): Promise<OperatorServer[]> {
  const { startAdmin } = await import('../../admin/start-admin.ts');
  const adminServer = await startAdmin({ ...admin, dataDir }, control, log);
  if (status === undefined) return [adminServer];
  try {
    const { startStatus } = await import('../../admin/start-status.ts');
    return [adminServer, await startStatus(status, control, log)];
  } catch (error) {
    await adminServer.close();
    throw error;
  }
}
