import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { RedisConfig } from '../../src/config/schema/redis-schema.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { RedisConnection } from '../../src/stores/redis-connection.ts';
import { GATEWAY_SCRIPT, GatewayCount, REST_MS } from '../../src/stores/redis-gateways.ts';
import { redisScript } from '../../src/stores/redis-script.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { makeCertificates } from '../support/certificates.ts';
import { RedisServer, type RedisServerOptions } from '../support/redis-server.ts';
import { until } from '../support/until.ts';
import { recordLog } from './record-log.ts';

async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await RedisServer.start(options);
  onTestFinished(() => server.close());
  return server;
}

function connect(settings: Partial<RedisConfig>) {
  const config: RedisConfig = {
    database: 0,
    // Machines that run tests are busy with much else.
    commandTimeout: 10_000,
    connectTimeout: 10_000,
    prefix: 'test:',
    onStoreFailure: 'fair-share',
    ...settings,
  };
  const log = recordLog();
  const metrics = createMetrics({ version: 'test' });
  onTestFinished(() => metrics.close());
  const services = { log, clock: systemClock, metrics, random: Math.random };
  const connection = new RedisConnection({ config, services });
  onTestFinished(() => connection.close());
  const gauge = async (name: string) =>
    new RegExp(`^${name} (\\S+)$`, 'm').exec((await metrics.render()).text)?.[1];
  return { connection, log, gauge };
}

/** Stands between a connection and Redis, and can stop to pass on what its connections say. */
async function startRelay({ host, port }: RedisServer) {
  const sockets: Socket[] = [];
  const relay = createServer((socket) => {
    sockets.push(socket);
    const server = createConnection(port, host);
    socket.pipe(server).pipe(socket);
    for (const [end, other] of [
      [socket, server],
      [server, socket],
    ] as const)
      end.on('error', () => {}).on('close', () => other.destroy());
  });
  await new Promise<void>((resolve) => relay.listen(0, host, resolve));
  onTestFinished(() => void relay.close());
  return {
    url: `redis://${host}:${(relay.address() as AddressInfo).port}`,
    connections: () => sockets.length,
    muteAll: () => {
      for (const socket of sockets) socket.unpipe().resume();
    },
  };
}

describe('the connection to Redis', () => {
  it('sends commands over TCP', async () => {
    const { url } = await startRedis();
    const { connection, log } = connect({ url });
    await connection.firstAttempt;
    expect(connection.isAvailable).toBe(true);
    expect(connection.problem).toBeUndefined();
    expect(await connection.send('a', ['SET', 'a', 'b'])).toBe('OK');
    expect(await connection.send('a', ['GET', 'a'])).toBe('b');
    expect(log.lines).toEqual([]);
  });

  it('sends commands over a socket file, in the database that the URL names', async () => {
    const server = await startRedis();
    await server.command('SET', 'a', 'in 0');
    const { connection } = connect({ url: `unix://${server.socketPath}`, database: 3 });
    await connection.firstAttempt;
    expect(await connection.send('a', ['GET', 'a'])).toBeNull();
    const second = connect({ url: `${server.url}/0`, database: 3 });
    await second.connection.firstAttempt;
    expect(await second.connection.send('a', ['GET', 'a'])).toBe('in 0');
  });

  it('logs in as a user of the access control list', async () => {
    const server = await startRedis({
      config: ['user default off', 'user gateway on >word ~test:* +@all'],
    });
    const { connection } = connect({ url: server.url.replace('//', '//gateway:word@') });
    await connection.firstAttempt;
    expect(connection.problem).toBeUndefined();
    const second = connect({ url: server.url, username: 'gateway', password: 'word' });
    await second.connection.firstAttempt;
    expect(second.connection.problem).toBeUndefined();
  });

  it('speaks TLS with a certificate of its own', async () => {
    const authority = await makeCertificates();
    const own = await authority.issue({ client: true });
    const tls = { ...(await authority.issue()), caFile: authority.certFile };
    const { url } = await startRedis({ tls });
    const { connection } = connect({
      url,
      tls: {
        caFile: authority.certFile,
        certFile: own.certFile,
        keyFile: own.keyFile,
        serverName: 'localhost',
      },
    });
    await connection.firstAttempt;
    expect(connection.problem).toBeUndefined();
    expect(await connection.send('', ['PING'])).toBe('PONG');
  });

  it('loads a script again that the server has forgotten', async () => {
    const server = await startRedis();
    const { connection } = connect({ url: server.url });
    await connection.firstAttempt;
    const script = redisScript('return {KEYS[1], tonumber(ARGV[1]) + 1}');
    expect(await connection.runScript(script, ['k'], ['1'])).toEqual(['k', 2]);
    await server.command('SCRIPT', 'FLUSH');
    expect(await connection.runScript(script, ['k'], ['2'])).toEqual(['k', 3]);
    expect(await connection.send('', ['SCRIPT', 'EXISTS', script.sha1])).toEqual([1]);
  });

  it('is not away because somebody flushed the scripts, nor when it looks after Redis next', async () => {
    const server = await startRedis();
    const { connection, log } = connect({ url: server.url });
    await connection.firstAttempt;
    let downs = 0;
    const script = redisScript('return tonumber(ARGV[1])');
    await server.command('SCRIPT', 'FLUSH');
    // Until the gateway's own script is there again: it was looked after at least once.
    await until(async () => {
      const answers = await Promise.all(
        [1, 2, 3].map((n) => connection.runScript(script, ['k'], [String(n)])),
      );
      expect(answers).toEqual([1, 2, 3]);
      if (!connection.isAvailable) downs++;
      return String(await connection.send('', ['SCRIPT', 'EXISTS', GATEWAY_SCRIPT.sha1])) === '1';
    });
    expect(downs).toBe(0);
    expect(log.lines).toEqual([]);
  });

  it('rejects what the server refuses, without being away', async () => {
    const { url } = await startRedis();
    const { connection, log } = connect({ url });
    await connection.firstAttempt;
    await expect(connection.send('a', ['INCR'])).rejects.toThrow(/^ERR wrong number/);
    expect(connection.isAvailable).toBe(true);
    expect(log.lines).toEqual([]);
  });
});

describe('Sentinels', () => {
  it('are asked one after the other, also where one is mute', async () => {
    const { host, port } = await startRedis();
    const config = [`sentinel monitor limits ${host} ${port} 1`];
    const mute = await startRedis({ isSentinel: true, config });
    const sentinel = await startRedis({ isSentinel: true, config });
    mute.freeze();
    const nodes = [mute, sentinel].map((one) => ({ host: one.host, port: one.port }));
    const { connection } = connect({ sentinel: { master: 'limits', nodes }, connectTimeout: 200 });
    await connection.firstAttempt;
    expect(connection.problem).toBeUndefined();
    expect(await connection.send('a', ['SET', 'a', 'b'])).toBe('OK');
  });

  it('that do not know, or do not respond, are named', async () => {
    const sentinel = await startRedis({ isSentinel: true });
    const gone = await startRedis();
    await gone.kill();
    const nodes = [sentinel, gone].map(({ host, port }) => ({ host, port }));
    const { connection } = connect({ sentinel: { master: 'limits', nodes } });
    await connection.firstAttempt;
    expect(connection.problem).toContain(
      `no Sentinel says where 'limits' is: ${sentinel.host}:${sentinel.port} knows no 'limits'; ${gone.host}:${gone.port} ECONNREFUSED`,
    );
  });
});

describe('a Redis that is away', () => {
  it('is told once, and once when it is back', async () => {
    const server = await startRedis();
    const { connection, log, gauge } = connect({ url: server.url });
    await connection.firstAttempt;
    expect(await gauge('gateway_redis_available')).toBe('1');
    await server.kill();
    await until(() => !connection.isAvailable);
    expect(await gauge('gateway_redis_available')).toBe('0');
    expect(connection.problem).toMatch(/^Redis at 127\.\S+ /);
    await expect(connection.send('a', ['GET', 'a'])).rejects.toThrow(connection.problem);
    await server.resume();
    await until(() => connection.isAvailable);
    expect(await gauge('gateway_redis_available')).toBe('1');
    expect(await connection.send('a', ['GET', 'a'])).toBeNull();
    expect(log.lines).toEqual([
      {
        level: 'warn',
        message: 'Redis is away; the gateway goes on without it',
        redis: server.url.slice('redis://'.length),
        reason: expect.any(String),
      },
      {
        level: 'info',
        message: 'Redis is back',
        redis: server.url.slice('redis://'.length),
        awayMs: expect.any(Number),
      },
    ]);
  });

  it('rejects all that wait for a server that hangs, and everything else at once', async () => {
    const server = await startRedis();
    const { connection } = connect({ url: server.url, commandTimeout: 1000 });
    await connection.firstAttempt;
    server.freeze();
    const sent = [connection.send('a', ['GET', 'a']), connection.send('b', ['GET', 'b'])];
    const outcomes = await Promise.allSettled(sent);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(connection.problem).toMatch(/does not respond within 1000 ms$/);
    await expect(connection.send('a', ['GET', 'a'])).rejects.toThrow('does not respond');
    server.thaw();
    await until(() => connection.isAvailable);
    expect(await connection.send('a', ['GET', 'a'])).toBeNull();
  });

  it('is connected to anew where the old connection stays mute', async () => {
    const server = await startRedis();
    const relay = await startRelay(server);
    const { connection } = connect({ url: relay.url, commandTimeout: 100, connectTimeout: 200 });
    await until(() => connection.isAvailable);
    const before = relay.connections();
    relay.muteAll();
    await until(() => !connection.isAvailable);
    await until(() => connection.isAvailable);
    expect(relay.connections()).toBeGreaterThan(before);
  });

  it('may be away at the start', async () => {
    const server = await startRedis();
    await server.kill();
    const { connection, log } = connect({ url: server.url });
    await connection.firstAttempt;
    expect(connection.problem).toMatch(/ECONNREFUSED$/);
    expect(log.lines).toHaveLength(1);
    await server.resume();
    await until(() => connection.isAvailable);
    expect(log.lines.map(({ message }) => message)).toEqual([
      'Redis is away; the gateway goes on without it',
      'Redis is back',
    ]);
  });

  it.each([
    ['a wrong password', { username: 'gateway', password: 'hunter2' }, 'rejects user or password'],
    ['no password', {}, 'asks for a password'],
    ['a user without rights', { username: 'guest', password: 'pass' }, 'does not let this user do it'],
  ])('says what is wrong with %s, and not the password', async (_, login, reason) => {
    const server = await startRedis({
      config: ['requirepass word', 'user gateway on >word ~* +@all', 'user guest on >pass ~* +ping'],
    });
    const { connection, log } = connect({ url: server.url, ...login });
    await connection.firstAttempt;
    expect(connection.problem).toContain(reason);
    expect(JSON.stringify([log.lines, connection.problem])).not.toMatch(/hunter2|"pass"/);
  });

  it('says what is wrong with a certificate that is not trusted', async () => {
    const authority = await makeCertificates();
    const tls = { ...(await authority.issue()), caFile: authority.certFile };
    const { url } = await startRedis({ tls });
    const { connection } = connect({ url: url.replace('//', '//gateway:hunter2@') });
    await connection.firstAttempt;
    expect(connection.problem).toMatch(
      /shows a certificate that is not trusted \(\w+\) — set `tls\.caFile`$/,
    );
    expect(connection.problem).not.toContain('hunter2');
  });

  it('says what is wrong where the server asks for a certificate', async () => {
    const authority = await makeCertificates();
    const tls = { ...(await authority.issue()), caFile: authority.certFile };
    const { url } = await startRedis({ tls });
    const { connection } = connect({ url, tls: { caFile: authority.certFile } });
    await connection.firstAttempt;
    expect(connection.problem).toMatch(/certificate.* set `tls\.certFile` and `tls\.keyFile`/);
  });

  it('says what is wrong where TLS meets none', async () => {
    const { url } = await startRedis();
    const { connection } = connect({ url: url.replace('redis:', 'rediss:'), connectTimeout: 1000 });
    await connection.firstAttempt;
    expect(connection.problem).toMatch(/no connection come about .* make sure that its port speaks TLS$/);
    const authority = await makeCertificates();
    const tls = { ...(await authority.issue()), caFile: authority.certFile };
    const second = connect({ url: (await startRedis({ tls })).url.replace('rediss:', 'redis:') });
    await second.connection.firstAttempt;
    expect(second.connection.problem).toMatch(/has closed the connection — if its port speaks TLS/);
  });
});

describe('the gateways that share Redis', () => {
  it('count each other, without those that have left', async () => {
    const { url } = await startRedis();
    const first = connect({ url });
    const second = connect({ url });
    await until(() => first.connection.gatewayCount === 2 && second.connection.gatewayCount === 2);
    expect(await first.gauge('gateway_redis_gateways')).toBe('2');
    const third = connect({ url, prefix: 'other:' });
    await third.connection.firstAttempt;
    expect(third.connection.gatewayCount).toBe(1);
    await second.connection.close();
    expect(await first.connection.send('', ['ZCARD', 'test:gateways'])).toBe(1);
  });

  it('are not forgotten because Redis hears of them one by one', () => {
    const clock = new StubClock();
    const gateways = new GatewayCount(clock);
    expect(gateways.count).toBe(1);
    gateways.heard(3);
    clock.advance(REST_MS - 1);
    gateways.heard(1);
    expect(gateways.count).toBe(3);
    clock.advance(1);
    gateways.heard(2);
    expect(gateways.count).toBe(2);
    gateways.heard(4);
    expect(gateways.count).toBe(4);
  });
});
