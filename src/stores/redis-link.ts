import type { RedisConfig } from '../config/schema/redis-schema.ts';
import type { Clock } from '../core/clock.ts';
import { lookUpName } from '../core/network/name-lookup.ts';
import { ConnectionTimeoutError } from './redis-failure.ts';
import { type RedisLogin, type RedisPlace, type RedisServer, readTls } from './redis-settings.ts';

/** What Redis answers. */
export type RedisReply = string | number | null | readonly RedisReply[];

/** What Redis answers where texts may be any bytes. */
export type RedisBytes = Buffer | number | null | readonly RedisBytes[];

/** A part of a command: text, or any bytes. */
export type RedisArgument = string | Buffer;

/** One connection, or one for each node of a Cluster, which is lost once and for all. */
export interface RedisLink {
  /** Sends a command. `key` says which node of a Cluster gets it. Rejects where the connection is lost. */
  send(key: string, command: readonly string[]): Promise<RedisReply>;
  /** Sends a command, and gets texts as the bytes that they are. */
  sendBytes(key: string, command: readonly RedisArgument[]): Promise<RedisBytes>;
  /** Sends a command to every server that takes writes. */
  sendToAll(command: readonly string[]): Promise<readonly RedisReply[]>;
  destroy(): void;
}

export interface LinkOptions {
  readonly config: RedisConfig;
  readonly clock: Clock;
  /** Hears once that the link is lost, after it was open. */
  readonly onLost: (reason: unknown) => void;
}

/** `$` marks a text in the protocol (RESP2). */
export const AS_BYTES = { typeMapping: { 36: Buffer } } as const;

/** Opens a connection to one server. */
export async function openServer(server: RedisServer, options: LinkOptions): Promise<RedisLink> {
  const { createClient } = await import('@redis/client');
  const client = createClient({
    ...clientOptions(server.login),
    database: server.database,
    socket: await socketOptions(server.place, server.usesTls, options.config),
  });
  let isOpen = false;
  client.on('error', (reason) => {
    if (isOpen) options.onLost(reason);
    isOpen = false;
  });
  await withinMs(options, client.connect(), () => client.destroy());
  isOpen = true;
  const send = (command: readonly string[]) => client.sendCommand(command as string[]) as Promise<RedisReply>;
  return {
    send: (_, command) => send(command),
    sendBytes: (_, command) => client.sendCommand(command, AS_BYTES) as Promise<RedisBytes>,
    sendToAll: async (command) => [await send(command)],
    destroy() {
      isOpen = false;
      client.destroy();
    },
  };
}

/**
 * What all connections have in common. They do not reconnect by themselves, queue nothing while they are lost, and time
 * nothing, since a timer for each command costs more than the command.
 */
export function clientOptions(login: RedisLogin) {
  return {
    ...login,
    RESP: 2,
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    commandOptions: { timeout: 0 },
  } as const;
}

/** Where a connection goes, and how it comes about. */
export async function socketOptions(place: RedisPlace, usesTls: boolean, config: RedisConfig) {
  if ('path' in place) return { ...(await connectionOptions(config, false)), path: place.path };
  return { ...(await connectionOptions(config, usesTls, place.host)), ...place };
}

/** How a connection comes about, but for where to; `host` is the name to ask for in TLS. */
export async function connectionOptions(config: RedisConfig, usesTls: boolean, host?: string) {
  const connection = {
    connectTimeout: config.connectTimeout,
    reconnectStrategy: false,
    lookup: lookUpName,
  } as const;
  if (!usesTls) return { ...connection, tls: false } as const;
  return { ...connection, ...(await readTls(config.tls, host)), tls: true } as const;
}

/** Waits for a connection to stand, login included; a server that hangs would keep it for ever. */
export async function withinMs<T>(
  { clock, config }: Pick<LinkOptions, 'clock' | 'config'>,
  opening: Promise<T>,
  giveUp: () => void,
): Promise<T> {
  let cancel = (): void => {};
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(config.connectTimeout, () => reject(new ConnectionTimeoutError()));
  });
  try {
    return await Promise.race([opening, late]);
  } catch (error) {
    giveUp();
    opening.catch(() => {});
    throw error;
  } finally {
    cancel();
  }
}
