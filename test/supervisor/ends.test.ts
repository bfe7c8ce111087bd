import { describe, expect, it } from 'vitest';
import { GatewayProcess } from '../support/gateway-process.ts';
import { RawClient, startTarget, type TestConfig } from '../support/harness.ts';
import { until } from '../support/until.ts';
import { policyCode } from './code.ts';
import { gone, startWorkerPool } from './pool-of.ts';

const answering: TestConfig = { routes: [{ id: 'all', path: '/*', respond: { status: 200, body: 'x' } }] };

function withCode(more: Partial<TestConfig> = {}): TestConfig {
  return {
    customPolicies: { 'test/code': './code.mjs' },
    routes: [{ id: 'all', path: '/*', policies: [{ 'test/code': {} }], respond: { status: 200, body: 'x' } }],
    ...more,
  };
}

describe('SIGTERM', () => {
  it('ends a gateway of which a part never ends', async () => {
    const code = policyCode('return { onRequest() {}, close: () => new Promise(() => {}) };');
    const gateway = await GatewayProcess.start(withCode({ drain: { delay: '0s', timeout: '0s' } }), {
      'code.mjs': code,
    });
    gateway.signal('SIGTERM');
    expect(await gateway.exit()).toBe(0);
    await gateway.line('the parts of the gateway did not end before the timeout, and are left as they are');
  });

  it('ends a gateway of which a worker stands still, by force when the time to drain is over', async () => {
    const pool = await startWorkerPool({ ...answering, drain: { delay: '0s', timeout: '1s' } });
    const [first] = [...pool.pids().values()];
    process.kill(first as number, 'SIGSTOP');
    pool.gateway.signal('SIGTERM');
    expect(await pool.gateway.exit()).toBe(0);
    for (const pid of pool.pids().values()) await gone(pid);
  });
});

describe('what a policy lets run on without its client', () => {
  it.each([1, 2])('comes to its end while the gateway drains (%i processes)', async (workers) => {
    const target = await startTarget((_, response) => {
      target.server.once('release', () => response.end('ended'));
    });
    const code = policyCode(`return {
      onRequest(exchange) {
        exchange.proceed({ detached: true }).then((reply) => reply.body.cancel(), () => {});
        return { status: 202 };
      },
    };`);
    const config = withCode({
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'all', path: '/*', policies: [{ 'test/code': {} }], upstream: 'service' }],
    });
    const pool = await startWorkerPool(config, { 'code.mjs': code }, workers);
    expect((await pool.ask()).status).toBe(202);
    const { socket } = await target.request(0);
    let wasCut = true;
    pool.gateway.signal('SIGTERM');
    await pool.gateway.line('draining');
    // All that listens is gone.
    await until(() =>
      pool.ask().then(
        () => false,
        () => true,
      ),
    );
    socket.once('close', () => {
      wasCut = !isReleased;
    });
    const isReleased = target.server.emit('release');
    expect(await pool.gateway.exit()).toBe(0);
    expect(wasCut).toBe(false);
    expect(pool.gateway.lines).toContainEqual(expect.objectContaining({ detached: true, status: 200 }));
  });
});

describe('workers whose supervisor is killed', () => {
  it('finish what is under way, and end', async () => {
    const target = await startTarget((_, response) => {
      response.write('begun ');
      target.server.once('release', () => response.end('ended'));
    });
    const pool = await startWorkerPool({
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    const client = await RawClient.connect(pool.gateway.port);
    client.write('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n');
    await client.until((received) => received.includes('begun'));
    const pids = [...pool.pids().values()];
    pool.gateway.signal('SIGKILL');
    await gone(pool.gateway.pid);
    target.server.emit('release');
    expect(await client.ended()).toMatch(/ended\r\n0\r\n\r\n$/);
    for (const pid of pids) await gone(pid);
  });
});

describe('SIGHUP', () => {
  it('while a gateway starts reloads it when it has', async () => {
    // The policy is imported in the middle of the start.
    const code = `process.kill(process.pid, 'SIGHUP');\n${policyCode('return { onRequest() {} };')}`;
    const gateway = await GatewayProcess.start(withCode({ drain: { delay: '0s' } }), { 'code.mjs': code });
    expect(await gateway.line('configuration reloaded')).toMatchObject({ version: 2 });
  });
});

describe('SIGUSR1', () => {
  it.each([1, 2])(
    'opens no inspector in any process, with %d of them, nor in the one that reads a configuration',
    async (workers) => {
      // It runs in each process that imports the policy.
      const code = `process.kill(process.pid, 'SIGUSR1');\n${policyCode('return { onRequest() {} };')}`;
      const pool = await startWorkerPool(withCode(), { 'code.mjs': code }, workers);
      expect((await pool.admin('/api/reload', 'POST')).status).toBe(200);
      for (const pid of [pool.gateway.pid, ...pool.pids().values()]) process.kill(pid, 'SIGUSR1');
      expect((await pool.ask()).status).toBe(200);
      pool.gateway.signal('SIGTERM');
      expect(await pool.gateway.exit()).toBe(0);
      expect(pool.gateway.errors).toBe('');
    },
  );
});
