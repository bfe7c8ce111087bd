import { describe, expect, it, onTestFinished } from 'vitest';
import { chargeFor, slowRule } from '../stores/limit-store-contract.ts';
import { RedisServer, type RedisServerOptions } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { lookAtRedis } from './look-at-redis.ts';
import { openLimitStore } from './open-limit-store.ts';

async function start(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await RedisServer.start(options);
  onTestFinished(() => server.close());
  return server;
}

/** The role of a server; Sentinels cut all connections of one whose role they change. */
async function roleOf(server: RedisServer): Promise<unknown> {
  const role = await server.command('ROLE').catch(() => undefined);
  return Array.isArray(role) ? role[0] : undefined;
}

describe('Sentinels', () => {
  it('say where the limits are, also after a failover', async () => {
    const master = await start();
    const replica = await start({
      config: [`replicaof ${master.host} ${master.port}`],
    });
    await until(async () =>
      /master_link_status:up/.test(String(await replica.command('INFO', 'replication'))),
    );
    const config = [
      `sentinel monitor limits ${master.host} ${master.port} 2`,
      'sentinel down-after-milliseconds limits 1000',
      'sentinel failover-timeout limits 5000',
    ];
    const sentinels = [];
    for (let i = 0; i < 3; i++) sentinels.push(await start({ config, isSentinel: true }));
    for (const sentinel of sentinels) {
      await until(async () => {
        const known = String(await sentinel.command('INFO', 'sentinel'));
        return /status=ok,address=\S+,slaves=1,sentinels=3/.test(known);
      });
    }
    const nodes = sentinels.map(({ host, port }) => ({ host, port }));
    const { store, connection, log } = await openLimitStore({ sentinel: { master: 'limits', nodes } });
    expect(connection.problem).toBeUndefined();
    expect(await lookAtRedis({ sentinel: { master: 'limits', nodes } })).toEqual([]);
    expect(await lookAtRedis({ sentinel: { master: 'nobody', nodes } })).toEqual([
      expect.stringContaining('does not respond'),
    ]);
    const charge = chargeFor({ rule: slowRule({ limit: 10 }) });
    expect(await store.charge([{ ...charge, cost: 5 }])).toMatchObject([{ remaining: 5 }]);
    await master.command('WAIT', '1', '5000');

    await master.kill();
    await until(() => !connection.isAvailable);
    expect(store.charge([charge])).toMatchObject([{ isAllowed: true }]);
    await until(() => connection.isAvailable);
    expect(await roleOf(replica)).toBe('master');
    expect(await store.charge([{ ...charge, cost: 0 }])).toMatchObject([{ remaining: 4 }]);

    // The old server comes back and is told to follow; nobody writes to it.
    await master.resume();
    await until(async () => (await roleOf(master)) === 'slave');
    expect(await store.charge([charge])).toMatchObject([{ isAllowed: true, remaining: 3 }]);
    expect(log.lines.map(({ message }) => message)).toEqual([
      'Redis is away; the gateway goes on without it',
      'Redis is back',
    ]);
  });

  it('that know nothing are told about', async () => {
    const sentinel = await start({ isSentinel: true });
    const nodes = [{ host: sentinel.host, port: sentinel.port }];
    const { connection } = await openLimitStore({ sentinel: { master: 'limits', nodes } });
    expect(connection.problem).toMatch(/no Sentinel says where 'limits' is: 127\.\S+ knows no 'limits'$/);
  });
});
