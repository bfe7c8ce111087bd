import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { LimitStore } from '../../src/core/stores/limit-store.ts';
import { cacheStoreContract } from '../stores/cache-store-contract.ts';
import { chargeFor, limitStoreContract, slowRule } from '../stores/limit-store-contract.ts';
import { behindRedis, openCacheNode } from '../stores/open-cache-node.ts';
import { makeCertificates } from '../support/certificates.ts';
import { reservePort } from '../support/loopback.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { lookAtRedis } from './look-at-redis.ts';
import { openLimitStore } from './open-limit-store.ts';

const SLOTS = 16_384;
let nodes: RedisServer[] = [];
let prefixes = 0;

async function startNode(): Promise<RedisServer> {
  const config = [
    'cluster-enabled yes',
    `cluster-port ${await reservePort()}`,
    'cluster-node-timeout 1000',
    'cluster-replica-validity-factor 0',
  ];
  return RedisServer.start({ config });
}

const idOf = async (node: RedisServer): Promise<string> => String(await node.command('CLUSTER', 'MYID'));
const busPortOf = async (node: RedisServer): Promise<string> =>
  /@(\d+)/.exec(String(await node.command('CLUSTER', 'NODES')))?.[1] ?? '';
const infoOf = async (node: RedisServer): Promise<string> => String(await node.command('CLUSTER', 'INFO'));

/** Three servers that take writes, each with a third of the slots, and a replica of the first. */
beforeAll(async () => {
  nodes = [await startNode(), await startNode(), await startNode(), await startNode()];
  const [first, second, third, replica] = nodes as [RedisServer, RedisServer, RedisServer, RedisServer];
  for (const [i, node] of [first, second, third].entries()) {
    const from = Math.ceil((i * SLOTS) / 3);
    const to = Math.ceil(((i + 1) * SLOTS) / 3) - 1;
    await node.command('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to));
  }
  for (const node of [second, third, replica])
    await first.command('CLUSTER', 'MEET', node.host, String(node.port), await busPortOf(node));
  for (const node of nodes) await until(async () => /cluster_known_nodes:4/.test(await infoOf(node)));
  await until(async () => {
    const reply = await replica.command('CLUSTER', 'REPLICATE', await idOf(first)).catch(() => undefined);
    return reply === 'OK';
  });
  for (const node of nodes) await until(async () => /cluster_state:ok/.test(await infoOf(node)));
  await until(async () => /master_link_status:up/.test(String(await replica.command('INFO', 'replication'))));
});

afterAll(() => Promise.all(nodes.map((node) => node.close())));

async function openStore(): Promise<LimitStore> {
  const { host, port } = nodes[1] as RedisServer;
  const { store } = await openLimitStore({ cluster: { nodes: [{ host, port }] }, prefix: `${prefixes++}:` });
  return store;
}

limitStoreContract('the store of limits in a Redis Cluster', openStore);

cacheStoreContract('the store of responses in a Redis Cluster', async () => {
  const { host, port } = nodes[1] as RedisServer;
  const settings = { cluster: { nodes: [{ host, port }] }, prefix: `${prefixes++}:` };
  return behindRedis(await openCacheNode(settings), await openCacheNode(settings));
});

describe('a Redis Cluster', () => {
  it('is looked at by the doctor, each of its nodes', async () => {
    const { host, port } = nodes[1] as RedisServer;
    const cluster = { nodes: [{ host, port }] };
    expect(await lookAtRedis({ cluster })).toEqual([]);
    const { host: gone } = nodes[0] as RedisServer;
    expect(await lookAtRedis({ cluster: { nodes: [{ host: gone, port: 1 }] } })).toEqual([
      expect.stringContaining('does not respond'),
    ]);
  });

  it('spreads clients over its nodes', async () => {
    const store = await openStore();
    for (let i = 0; i < 60; i++) await store.charge([chargeFor({ key: `client ${i}` })]);
    for (const node of nodes.slice(0, 3)) {
      const keys = (await node.command('KEYS', `${prefixes - 1}:limit:*`)) as string[];
      expect(keys.length).toBeGreaterThan(5);
    }
  });

  it('decides about limits of one client in one step, of several clients side by side', async () => {
    const store = await openStore();
    // Keys that lie on all nodes, with one that is used up sooner.
    const wide = Array.from({ length: 6 }, (_, i) =>
      chargeFor({ limit: 'wide', key: `tenant ${i}`, rule: slowRule({ limit: 100 }) }),
    );
    const narrow = chargeFor({ limit: 'narrow', key: 'address', rule: slowRule({ limit: 3 }) });
    const admitted = await Promise.all(Array.from({ length: 30 }, () => store.charge([...wide, narrow])));
    expect(admitted.filter((standings) => standings.every(({ isAllowed }) => isAllowed))).toHaveLength(3);
    const left = async () =>
      (await store.charge(wide.map((charge) => ({ ...charge, cost: 0 })))).map((s) => s.remaining);
    // What the refused ones had counted elsewhere is handed back.
    await until(async () => (await left()).every((remaining) => remaining === 97));
  });

  it('is without limits in common while a node is away, until its replica takes over', async () => {
    const [first, second] = nodes as [RedisServer, RedisServer];
    const seed = { host: second.host, port: second.port };
    const { store, connection, log } = await openLimitStore({
      cluster: { nodes: [seed] },
      prefix: 'failover:',
    });
    const charges = Array.from({ length: 30 }, (_, i) =>
      chargeFor({ key: `client ${i}`, rule: slowRule({ limit: 10 }) }),
    );
    for (const charge of charges) await store.charge([{ ...charge, cost: 5 }]);
    await first.command('WAIT', '1', '5000');
    await first.kill();
    await until(() => !connection.isAvailable);
    for (const charge of charges) expect(store.charge([charge])).toMatchObject([{ isAllowed: true }]);
    await until(() => connection.isAvailable);
    for (const charge of charges) {
      const [standing] = await store.charge([{ ...charge, cost: 0 }]);
      expect(standing?.remaining).toBe(4);
    }
    expect(log.lines.map(({ message }) => message)).toEqual([
      'Redis is away; the gateway goes on without it',
      'Redis is back',
    ]);
  });
});

describe('a Redis Cluster over TLS', () => {
  it('is connected to with the names that its nodes have', async () => {
    const authority = await makeCertificates();
    const tls = { ...(await authority.issue()), caFile: authority.certFile };
    const node = await RedisServer.start({
      tls,
      config: ['cluster-enabled yes', 'tls-cluster yes', `cluster-port ${await reservePort()}`],
    });
    onTestFinished(() => node.close());
    await node.command('CLUSTER', 'ADDSLOTSRANGE', '0', String(SLOTS - 1));
    await until(async () => /cluster_state:ok/.test(await infoOf(node)));
    await node.command('CONFIG', 'SET', 'requirepass', 'word');
    const cluster = { nodes: [{ host: node.host, port: node.port }] };
    const own = await authority.issue({ client: true });
    const trusting = {
      cluster,
      tls: { caFile: authority.certFile, certFile: own.certFile, keyFile: own.keyFile },
    };
    const { store, connection } = await openLimitStore({ ...trusting, password: 'word' });
    expect(connection.problem).toBeUndefined();
    expect(await store.charge([chargeFor()])).toMatchObject([{ isAllowed: true, remaining: 2 }]);
    const refused = await openLimitStore({ ...trusting, password: 'hunter2' });
    expect(refused.connection.problem).toMatch(/rejects user or password/);
    const distrustful = await openLimitStore({ cluster, tls: {}, password: 'word' });
    expect(distrustful.connection.problem).toMatch(/certificate that is not trusted/);
    const told = [refused.log.lines, refused.connection.problem, distrustful.log.lines];
    expect(JSON.stringify(told)).not.toMatch(/hunter2|"word"/);
  });
});
