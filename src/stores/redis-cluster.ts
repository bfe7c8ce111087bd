import {
  AS_BYTES,
  clientOptions,
  connectionOptions,
  type LinkOptions,
  type RedisBytes,
  type RedisLink,
  type RedisReply,
  withinMs,
} from './redis-link.ts';
import { loginOf } from './redis-settings.ts';

/**
 * Opens connections to all nodes of a Cluster that take writes. The loss of one is the loss of the link: what opens next
 * finds out anew which nodes there are.
 */
export async function openCluster(options: LinkOptions): Promise<RedisLink> {
  const { config } = options;
  const { createCluster } = await import('@redis/client');
  const { commandOptions, RESP, ...client } = clientOptions(loginOf(config.username, config.password));
  const nodes = config.cluster?.nodes ?? [];
  const socket = await connectionOptions(config, config.tls !== undefined);
  const cluster = createCluster({
    RESP,
    commandOptions,
    rootNodes: nodes.map(({ host, port }) => ({ socket: { host, port } })),
    defaults: { ...client, socket },
  });
  let isOpen = false;
  let reason: unknown;
  const lose = (error: unknown): void => {
    reason = error;
    if (isOpen) options.onLost(error);
    isOpen = false;
  };
  cluster.on('error', lose).on('node-error', lose);
  const opening = cluster.connect().catch((error: unknown) => {
    throw reason ?? error;
  });
  await withinMs(options, opening, () => cluster.destroy());
  isOpen = true;
  return {
    send: (key, command) => cluster.sendCommand(key, false, command as string[]) as Promise<RedisReply>,
    sendBytes: (key, command) =>
      cluster.sendCommand(key, false, command as (string | Buffer)[], AS_BYTES) as Promise<RedisBytes>,
    sendToAll: (command) =>
      Promise.all(
        cluster.masters.map(async (node) => {
          const master = await cluster.nodeClient(node);
          return (await master.sendCommand(command as string[])) as RedisReply;
        }),
      ),
    destroy() {
      isOpen = false;
      cluster.destroy();
    },
  };
}
