import { describe, expect, it } from 'vitest';
import { GatewayProcess } from '../support/gateway-process.ts';
import { RawClient, startTarget, type TestConfig } from '../support/harness.ts';
import { until } from '../support/until.ts';
import { policyCode } from './code.ts';
import { gone, startCrew } from './crew-of.ts';

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
    await gateway.line('the parts of the gateway did not end in time, and are left as they are');
  });

  it('ends a gateway of which a worker stands still, by force when the time to drain is over', async () => {
    const crew = await startCrew({ ...answering, drain: { delay: '0s', timeout: '1s' } });
    const [first] = [...crew.pids().values()];
    process.kill(first as number, 'SIGSTOP');
    crew.gateway.signal('SIGTERM');
    expect(await crew.gateway.exit()).toBe(0);
    for (const pid of crew.pids().values()) await gone(pid);
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
    const crew = await startCrew(config, { 'code.mjs': code }, workers);
    expect((await crew.ask()).status).toBe(202);
    const { socket } = await target.request(0);
    let wasCut = true;
    crew.gateway.signal('SIGTERM');
    await crew.gateway.line('draining');
    // All that listens is gone.
    await until(() =>
      crew.ask().then(
        () => false,
        () => true,
      ),
    );
    socket.once('close', () => {
      wasCut = !isReleased;
    });
    const isReleased = target.server.emit('release');
    expect(await crew.gateway.exit()).toBe(0);
    expect(wasCut).toBe(false);
    expect(crew.gateway.lines).toContainEqual(expect.objectContaining({ detached: true, status: 200 }));
  });
});

describe('workers whose supervisor is killed', () => {
  it('finish what is under way, and end', async () => {
    const target = await startTarget((_, response) => {
      response.write('begun ');
      target.server.once('release', () => response.end('ended'));
    });
    const crew = await startCrew({
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    const client = await RawClient.connect(crew.gateway.port);
    client.write('GET / HTTP/1.1\r\nHost: a.example\r\n\r\n');
    await client.until((received) => received.includes('begun'));
    const pids = [...crew.pids().values()];
    crew.gateway.signal('SIGKILL');
    await gone(crew.gateway.pid);
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
      const crew = await startCrew(withCode(), { 'code.mjs': code }, workers);
      expect((await crew.admin('/api/reload', 'POST')).status).toBe(200);
      for (const pid of [crew.gateway.pid, ...crew.pids().values()]) process.kill(pid, 'SIGUSR1');
      expect((await crew.ask()).status).toBe(200);
      crew.gateway.signal('SIGTERM');
      expect(await crew.gateway.exit()).toBe(0);
      expect(crew.gateway.errors).toBe('');
    },
  );
});
