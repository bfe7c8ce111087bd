import type { RedisConfig } from '../../config/schema/redis-schema.ts';
import { clientOptions, socketOptions } from '../redis-link.ts';
import { serverOf } from '../redis-settings.ts';

/** Longest pause between two tries to connect, in milliseconds. */
const LONGEST_PAUSE_MS = 2000;

/**
 * Makes a client for BullMQ, which reconnects by itself. With `failsFast` a command is rejected at once while Redis is away,
 * for who accepts requests; without it waits, for who works on them.
 */
export async function createBullClient(config: RedisConfig, failsFast: boolean, random: () => number) {
  const { createClient } = await import('@redis/client');
  const server = serverOf(config);
  const reconnectStrategy = (tries: number): number =>
    Math.min(LONGEST_PAUSE_MS, 50 * 2 ** Math.min(tries, 10)) * (1 - random() / 2);
  const client = createClient({
    ...clientOptions(server.login),
    disableOfflineQueue: failsFast,
    database: server.database,
    socket: { ...(await socketOptions(server.place, server.usesTls, config)), reconnectStrategy },
  });
  // Each try that fails is an event; that Redis is away is told elsewhere.
  client.on('error', () => {});
  return client;
}

export type BullClient = Awaited<ReturnType<typeof createBullClient>>;
