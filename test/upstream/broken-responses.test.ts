import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { PolicyInstance } from '../../src/core/policy.ts';
import { scripts } from '../gateway/fixtures/scripted-policy.ts';
import {
  RawClient,
  released,
  startGateway,
  startRawTarget,
  startTarget,
  type TestConfig,
  type TestGateway,
} from '../support/harness.ts';

type UpstreamInput = NonNullable<TestConfig['upstreams']>[string];

const SCRIPTED = fileURLToPath(new URL('../gateway/fixtures/scripted-policy.ts', import.meta.url));
const COUNTED = 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf';
const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n';

function startGatewayTo(
  targets: readonly { url: string }[],
  upstream: UpstreamInput = {},
  rest: Partial<TestConfig> = {},
) {
  return startGateway({
    ...rest,
    upstreams: {
      service: {
        targets: targets.map(({ url }) => url),
        health: { passive: { failures: 2 } },
        timeouts: { idle: '100ms' },
        ...upstream,
      },
    },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
  });
}

/** A target that begins every answer with these bytes, and goes on as it is told. */
const startBeginning = (bytes: string, goOn: (socket: Socket) => void) =>
  startRawTarget((socket) => void socket.on('data', () => socket.write(bytes, () => goOn(socket))));

/** Asks, and takes what comes. */
async function ask(url: string): Promise<void> {
  const response = await fetch(url).catch(() => undefined);
  await response?.text().catch(() => {});
}

async function targetsOf({ gateway }: TestGateway) {
  const { upstreams } = await gateway.describe();
  return upstreams[0]?.targets.map(({ state, reason, activeRequests }) => ({
    state,
    reason,
    activeRequests,
  }));
}

const EJECTED = {
  state: 'ejected',
  reason: '2 failures in a row, the last one: a response that broke off',
  activeRequests: 0,
};

describe('a target whose answers break after the head', () => {
  it.each([
    ['by the end of the connection, of a stated length', COUNTED, (socket: Socket) => void socket.end()],
    ['by a reset, of a stated length', COUNTED, (socket: Socket) => void socket.resetAndDestroy()],
    ['by the end of the connection, in chunks', CHUNKED, (socket: Socket) => void socket.end()],
    ['by what is not a chunk', CHUNKED, (socket: Socket) => void socket.write('no chunk\r\n')],
    ['by silence', COUNTED, () => {}],
  ])('is left out: %s', async (_, bytes, goOn) => {
    const gateway = await startGatewayTo([await startBeginning(bytes, goOn), await startTarget()]);
    for (let i = 0; i < 4; i++) await ask(gateway.url);
    expect((await targetsOf(gateway))?.[0]).toEqual(EJECTED);
    for (let i = 0; i < 4; i++) expect((await fetch(gateway.url)).status).toBe(200);
  });

  it('makes the circuit breaker open', async () => {
    const gateway = await startGatewayTo([await startBeginning(COUNTED, (socket) => void socket.end())], {
      circuitBreaker: { failureRate: '100%', minimumRequests: 3 },
    });
    for (let i = 0; i < 3; i++)
      await expect(fetch(gateway.url).then((response) => response.text())).rejects.toThrow();
    expect((await gateway.gateway.describe()).upstreams[0]?.breaker).toBe('open');
  });

  it.each<[string, PolicyInstance]>([
    ['takes the body', { onResponse: () => ({ mapBody: (body) => body }) }],
    [
      'answers something else with it',
      { onResponse: (_, head) => void Object.assign(head, { status: 500 }) },
    ],
    ['decides late', { onResponse: async () => {} }],
  ])('is left out when a policy %s', async (_, policy) => {
    scripts.set('policy', () => policy);
    const broken = await startBeginning(COUNTED, (socket) => void socket.end());
    const gateway = await startGatewayTo(
      [broken, await startTarget()],
      {},
      {
        customPolicies: { 'test/scripted': SCRIPTED },
        policies: [{ 'test/scripted': { script: 'policy' } }],
      },
    );
    for (let i = 0; i < 4; i++) await ask(gateway.url);
    expect((await targetsOf(gateway))?.[0]).toEqual(EJECTED);
  });
});

describe('a target is not blamed', () => {
  it('for a client that leaves in the middle of the answer', async () => {
    const target = await startBeginning(COUNTED, () => {});
    const gateway = await startGatewayTo([target, await startTarget()], { timeouts: { idle: '60s' } });
    for (let i = 0; i < 2; i++) {
      const client = await RawClient.connect(gateway.port);
      // Of the two targets each second request is for the other one.
      client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
      await client.until((received) => received.includes('half'));
      const socket = await target.socket(i);
      client.destroy(true);
      await released(socket);
      expect((await fetch(gateway.url)).status).toBe(200);
    }
    expect((await targetsOf(gateway))?.[0]).toMatchObject({ state: 'healthy', activeRequests: 0 });
  });

  it('for a client whose body breaks while the answer comes', async () => {
    const target = await startBeginning(CHUNKED, () => {});
    const gateway = await startGatewayTo([target, await startTarget()], { timeouts: { idle: '60s' } });
    for (let i = 0; i < 2; i++) {
      const client = await RawClient.connect(gateway.port);
      client.write('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n');
      await client.until((received) => received.includes('half'));
      client.write('no chunk\r\n');
      await client.ended();
      expect((await fetch(gateway.url)).status).toBe(200);
    }
    expect((await targetsOf(gateway))?.[0]).toMatchObject({ state: 'healthy', activeRequests: 0 });
  });
});
