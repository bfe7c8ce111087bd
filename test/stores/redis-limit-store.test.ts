import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { RedisConfig } from '../../src/config/schema/redis-schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import type { LimitCharge, LimitStore } from '../../src/core/stores/limit-store.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { RedisConnection } from '../../src/stores/redis-connection.ts';
import { RedisLimitStore } from '../../src/stores/redis-limit-store.ts';
import { LIMIT_SCRIPT } from '../../src/stores/redis-limits.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { chargeFor, limitStoreContract, slowRule } from './limit-store-contract.ts';
import { recordLog } from './record-log.ts';

let shared: RedisServer;
let prefixes = 0;

beforeAll(async () => {
  shared = await RedisServer.start();
});

afterAll(() => shared.close());

/** A store as a gateway has it, on counters of its own unless `prefix` says otherwise. */
async function openStore(settings: Partial<RedisConfig> = {}) {
  const config: RedisConfig = {
    url: shared.url,
    database: 0,
    // Machines that run tests are busy with much else.
    commandTimeout: 10_000,
    connectTimeout: 10_000,
    prefix: `${prefixes++}:`,
    onStoreFailure: 'fair-share',
    ...settings,
  };
  const metrics = createMetrics({ version: 'test' });
  const services = { log: recordLog(), clock: systemClock, metrics, random: Math.random };
  const connection = new RedisConnection({ config, services, scripts: [LIMIT_SCRIPT] });
  const store = new RedisLimitStore(connection, services);
  onTestFinished(async () => {
    store.close();
    await connection.close();
    metrics.close();
  });
  await connection.firstAttempt;
  return { store, connection, metrics, config };
}

async function startOwnServer(config: readonly string[] = []): Promise<RedisServer> {
  const server = await RedisServer.start({ config });
  onTestFinished(() => server.close());
  return server;
}

/** Charges one after the other and counts how many are let through. */
async function admit(store: LimitStore, charge: LimitCharge, times: number): Promise<number> {
  let admitted = 0;
  for (let i = 0; i < times; i++) if ((await store.charge([charge]))[0]?.isAllowed === true) admitted++;
  return admitted;
}

limitStoreContract('the store of limits in Redis', async () => (await openStore()).store);
limitStoreContract(
  'the store of limits in Redis, with leases',
  async () => (await openStore({ sync: 100 })).store,
  { excess: 100 },
);

describe('several gateways on one Redis', () => {
  it('admit exactly the limit together, however they interleave', async () => {
    const first = await openStore();
    const second = await openStore({ prefix: first.config.prefix });
    const charge = chargeFor({ rule: slowRule({ limit: 1000 }) });
    const clients = Array.from({ length: 50 }, (_, i) =>
      admit((i % 2 === 0 ? first : second).store, charge, 40),
    );
    const admitted = await Promise.all(clients);
    expect(admitted.reduce((sum, one) => sum + one)).toBe(1000);
  });

  it('count apart where their prefixes differ', async () => {
    const charge = chargeFor({ rule: slowRule({ limit: 3 }) });
    expect(await admit((await openStore()).store, charge, 5)).toBe(3);
    expect(await admit((await openStore()).store, charge, 5)).toBe(3);
  });

  it('need no more rights than the guide says', async () => {
    const guide = readFileSync(path.resolve(import.meta.dirname, '../../docs/guide/limits-redis.md'), 'utf8');
    const rights = /`(\+ping [^`]+)`/.exec(guide)?.[1] ?? '';
    const server = await startOwnServer([`user default off`, `user gateway on >word ~mine:* ${rights}`]);
    const login = { url: server.url, username: 'gateway', password: 'word' };
    const { store, connection } = await openStore({ ...login, prefix: 'mine:' });
    expect(connection.problem).toBeUndefined();
    expect(await admit(store, chargeFor(), 5)).toBe(3);
    store.chargeAfterwards([chargeFor({ cost: -100 })]);
    expect(await admit(store, chargeFor(), 5)).toBe(3);
    expect(connection.problem).toBeUndefined();
  });

  it('leave no key behind for ever', async () => {
    const { store, config } = await openStore();
    await store.charge([chargeFor(), chargeFor({ limit: 'users', key: '}{', cost: 2 })]);
    const keys = (await shared.command('KEYS', `${config.prefix}*`)) as string[];
    expect(keys.sort()).toEqual([
      `${config.prefix}gateways`,
      `${config.prefix}limit:orders:{ka}`,
      `${config.prefix}limit:users:{k}{}`,
    ]);
    for (const key of keys) expect(await shared.command('PTTL', key)).toBeGreaterThan(0);
  });
});

describe('leases', () => {
  it('admit at most a tenth more than the limit, all gateways together', async () => {
    const gateways = [await openStore({ sync: 50 })];
    for (let i = 0; i < 3; i++)
      gateways.push(await openStore({ sync: 50, prefix: gateways[0]?.config.prefix ?? '' }));
    await until(() => gateways.every(({ connection }) => connection.gatewayCount === 4));
    for (const algorithm of ['token-bucket', 'fixed-window', 'sliding-window'] as const) {
      const charge = chargeFor({ limit: algorithm, rule: slowRule({ algorithm, limit: 2000 }) });
      const clients = Array.from({ length: 40 }, (_, i) =>
        admit((gateways[i % 4] as { store: LimitStore }).store, charge, 100),
      );
      const admitted = (await Promise.all(clients)).reduce((sum, one) => sum + one);
      expect(admitted).toBeGreaterThanOrEqual(2000);
      expect(admitted).toBeLessThanOrEqual(2200);
    }
  });

  it('decide without asking, until Redis hears of all that was spent', async () => {
    const { store, config } = await openStore({ sync: 10_000 });
    const other = await openStore({ prefix: config.prefix });
    const charge = chargeFor({ rule: slowRule({ limit: 1000 }) });
    const left = async () => (await other.store.charge([{ ...charge, cost: 0 }]))[0]?.remaining;
    const first = store.charge([charge]);
    expect(first).toBeInstanceOf(Promise);
    await first;
    for (let i = 0; i < 99; i++)
      expect(store.charge([charge])).toMatchObject([
        { isAllowed: true, remaining: 998 - i, retryAfterMs: 0 },
      ]);
    expect(await left()).toBe(999);
    // The lease is spent, and what comes next tells Redis.
    expect(await store.charge([charge])).toMatchObject([{ isAllowed: true, remaining: 899 }]);
    expect(await left()).toBe(899);
  });

  it('are not given for limits that are small, nor where requests wait', async () => {
    const { store } = await openStore({ sync: 10_000 });
    const small = chargeFor({ rule: slowRule({ limit: 10 }) });
    const queue = chargeFor({
      limit: 'queue',
      rule: slowRule({ algorithm: 'leaky-bucket', limit: 1000, maxDelayMs: 60_000 }),
    });
    for (const charge of [small, queue]) {
      await store.charge([charge]);
      const second = store.charge([charge]);
      expect(second).toBeInstanceOf(Promise);
      expect(await second).toMatchObject([{ isAllowed: true }]);
    }
  });

  it('are synchronised by and by', async () => {
    const { store, config } = await openStore({ sync: 10 });
    const other = await openStore({ prefix: config.prefix });
    const charge = chargeFor({ rule: slowRule({ limit: 1000 }) });
    await store.charge([charge]);
    store.charge([{ ...charge, cost: 20 }]);
    store.chargeAfterwards([{ ...charge, cost: 7 }]);
    store.chargeAfterwards([{ ...charge, cost: -3 }]);
    await until(async () => (await other.store.charge([{ ...charge, cost: 0 }]))[0]?.remaining === 975);
  });

  it('remember a rejection, so that who is refused costs nothing', async () => {
    const { store } = await openStore({ sync: 10_000 });
    const charge = chargeFor({ rule: slowRule({ limit: 2, burst: 2 }) });
    await admit(store, charge, 3);
    const refused = store.charge([charge]);
    expect(refused).toMatchObject([{ isAllowed: false, remaining: 0, delayMs: 0 }]);
    const [standing] = await refused;
    expect(standing?.retryAfterMs).toBeGreaterThan(1000);
    // Another limit of the same request is then not charged either.
    const wide = chargeFor({ limit: 'wide', rule: slowRule({ limit: 1000 }) });
    await store.charge([wide]);
    expect(await store.charge([wide, charge])).toMatchObject([
      { isAllowed: true, remaining: 999 },
      { isAllowed: false },
    ]);
  });
});

describe('limits while Redis is away', () => {
  it('go on with the share of this gateway, at once, and are counted in Redis when it is back', async () => {
    const server = await startOwnServer();
    const { store, connection, metrics } = await openStore({ url: server.url, nodes: 4 });
    const charge = chargeFor({ rule: slowRule({ limit: 100 }) });
    expect(await admit(store, charge, 10)).toBe(10);
    await server.kill();
    await until(() => !connection.isAvailable);
    const standings = store.charge([charge]);
    expect(standings).toEqual([
      { isAllowed: true, remaining: 24, resetMs: expect.any(Number), retryAfterMs: 0, delayMs: 0 },
    ]);
    expect(await admit(store, charge, 100)).toBe(24);
    expect((await metrics.render()).text).toContain(
      'gateway_limits_without_store_total{mode="fair-share"} 101',
    );
    await server.resume();
    await until(() => connection.isAvailable);
    await until(async () => (await store.charge([{ ...charge, cost: 0 }]))[0]?.remaining === 75);
    expect(await admit(store, charge, 100)).toBe(75);
  });

  it('share among the gateways that were there at last', async () => {
    const server = await startOwnServer();
    const first = await openStore({ url: server.url, prefix: 'same:' });
    const second = await openStore({ url: server.url, prefix: 'same:' });
    await until(() => first.connection.gatewayCount === 2 && second.connection.gatewayCount === 2);
    await server.kill();
    await until(() => !first.connection.isAvailable && !second.connection.isAvailable);
    const charge = chargeFor({ rule: slowRule({ limit: 11 }) });
    expect(await admit(first.store, charge, 20)).toBe(5);
    expect(await admit(second.store, charge, 20)).toBe(5);
    // Nobody is shut out by a limit smaller than the number of gateways.
    expect(await admit(first.store, chargeFor({ limit: 'small', rule: slowRule({ limit: 1 }) }), 5)).toBe(1);
  });

  it('decide about the requests that were waiting for an answer', async () => {
    const server = await startOwnServer();
    const { store } = await openStore({ url: server.url, commandTimeout: 500, nodes: 1 });
    server.freeze();
    const waiting = [store.charge([chargeFor()]), store.charge([chargeFor()])];
    const standings = (await Promise.all(waiting)).flat();
    expect(standings.map(({ isAllowed, remaining }) => [isAllowed, remaining])).toEqual([
      [true, 2],
      [true, 1],
    ]);
    expect(store.charge([chargeFor()])).toMatchObject([{ isAllowed: true, remaining: 0 }]);
    store.chargeAfterwards([{ ...chargeFor(), cost: -2 }]);
    expect(store.charge([chargeFor({ cost: 0 })])).toMatchObject([{ remaining: 2 }]);
  });

  it('let all pass where they are to be open', async () => {
    const server = await startOwnServer();
    const { store, connection } = await openStore({ url: server.url, onStoreFailure: 'open' });
    await server.kill();
    await until(() => !connection.isAvailable);
    expect(await admit(store, chargeFor(), 20)).toBe(20);
  });

  it('reject where they are to be closed', async () => {
    const server = await startOwnServer();
    const { store, connection } = await openStore({ url: server.url, onStoreFailure: 'closed' });
    await server.kill();
    await until(() => !connection.isAvailable);
    await expect(store.charge([chargeFor()])).rejects.toThrow('limits cannot be checked');
    store.chargeAfterwards([chargeFor()]);
  });
});
