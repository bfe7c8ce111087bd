import type { RedisConfig } from '../../config/schema/redis-schema.ts';
import type { GatewayConfig, PolicyEntry } from '../../config/schema/schema.ts';
import type { Services } from '../../core/services.ts';
import type { Hold } from '../../core/shared-resources.ts';
import type { IdempotencyStore } from '../../core/stores/idempotency-store.ts';
import { CLAIM_SCRIPT, FINISH_SCRIPT, RELEASE_SCRIPT } from '../../stores/idempotency/idempotency-scripts.ts';
import { MemoryIdempotencyStore } from '../../stores/idempotency/memory-idempotency-store.ts';
import { RedisIdempotencyStore } from '../../stores/idempotency/redis-idempotency-store.ts';
import { RedisConnection } from '../../stores/redis-connection.ts';
import type { GatewayStore } from './gateway-store.ts';

/** Where the idempotency keys of a gateway are noted, which outlives its Snapshots. */
export interface GatewayIdempotency extends GatewayStore {
  readonly store: IdempotencyStore;
}

type IdempotencyServices = Pick<Services, 'clock' | 'log' | 'metrics' | 'random'>;

/** Notes them where the configuration says: in Redis, or in this process. */
export function createIdempotency(
  { redis, idempotencyKey }: Pick<GatewayConfig, 'redis' | 'idempotencyKey'>,
  services: IdempotencyServices,
): GatewayIdempotency {
  return redis === undefined
    ? createMemoryIdempotency(idempotencyKey.memory, services)
    : createRedisIdempotency(redis, services);
}

/** Notes them in this process. It takes no memory until there is one. */
export function createMemoryIdempotency(
  maxBytes: number,
  { clock, metrics }: IdempotencyServices,
): GatewayIdempotency {
  const store = new MemoryIdempotencyStore(maxBytes, clock);
  const show = (name: string, help: string, read: () => number) => metrics.gauge(name, help, {}, read);
  const stops = [
    show('gateway_idempotency_keys', 'Idempotency keys that are noted.', () => store.standing.keys),
    show(
      'gateway_idempotency_bytes',
      'Memory that idempotency keys and their responses take, in bytes.',
      () => store.standing.bytes,
    ),
  ];
  return {
    store,
    async prepare() {},
    problems: () =>
      store.isFull
        ? [
            'there is no room for more idempotency keys, so that such requests are answered 503 — raise idempotencyKey.memory, shorten ttl, or set redis',
          ]
        : [],
    close() {
      for (const stop of stops) stop();
    },
  };
}

/** Leaves them to a store that somebody else looks after. */
export function useIdempotency(store: IdempotencyStore): GatewayIdempotency {
  return { store, async prepare() {}, problems: () => [], close() {} };
}

/** Notes them in Redis, over a connection of its own: a large response must keep no limit waiting. */
function createRedisIdempotency(redis: RedisConfig, services: IdempotencyServices): GatewayIdempotency {
  let connection: Hold<RedisConnection> | undefined;
  let opened: RedisIdempotencyStore | undefined;
  const open = (): RedisIdempotencyStore => {
    connection ??= openConnection(redis, services);
    opened ??= new RedisIdempotencyStore(connection.value, services.clock, services.log);
    return opened;
  };
  return {
    store: {
      claim: (...args) => open().claim(...args),
      finish: (...args) => open().finish(...args),
      release: (...args) => open().release(...args),
    },
    /** A Redis that is away keeps no gateway from starting. */
    async prepare(config) {
      if (!usesIdempotencyKeys(config)) return;
      open();
      await connection?.value.firstAttempt;
    },
    problems() {
      const problem = connection?.value.problem;
      return problem === undefined ? [] : [`${problem}; requests with an idempotency key: 503`];
    },
    close() {
      opened?.close();
      connection?.release();
    },
  };
}

function openConnection(config: RedisConfig, services: IdempotencyServices): Hold<RedisConnection> {
  const { log, clock, metrics, random } = services;
  const value = new RedisConnection({
    config,
    services: { log, clock, metrics, random },
    scripts: [CLAIM_SCRIPT, FINISH_SCRIPT, RELEASE_SCRIPT],
    isGateway: false,
    whileAway: 'requests with an idempotency key are answered 503',
  });
  return { value, release: () => void value.close() };
}

function usesIdempotencyKeys({ policies, routes }: Pick<GatewayConfig, 'policies' | 'routes'>): boolean {
  const isUse = ({ name }: PolicyEntry): boolean => name === 'idempotency-key';
  return policies.some(isUse) || routes.some((route) => route.policies.some(isUse));
}
