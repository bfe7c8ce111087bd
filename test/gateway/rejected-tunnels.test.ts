import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../src/core/errors.ts';
import type { PolicyInstance } from '../../src/core/policy.ts';
import { StubClock } from '../observability/stub-clock.ts';
import {
  RawClient,
  released,
  startGateway,
  startRawTarget,
  type TestGatewayOptions,
} from '../support/harness.ts';
import { settled, until } from '../support/until.ts';
import { scripts } from './fixtures/scripted-policy.ts';

const UPGRADE = 'GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n';

afterEach(() => scripts.clear());

/** A target that switches protocols at once, says `greeting` behind it, and ends if `ends`. */
const startSwitching = (greeting = '', ends = false) =>
  startRawTarget((socket) => {
    socket.once('data', () => {
      socket.write(SWITCHED + greeting);
      if (ends) socket.end();
    });
  });

function startWith(target: { url: string }, instance: PolicyInstance, options: TestGatewayOptions = {}) {
  scripts.set('judge', () => instance);
  return startGateway(
    {
      customPolicies: {
        'test/scripted': fileURLToPath(new URL('./fixtures/scripted-policy.ts', import.meta.url)),
      },
      upstreams: { service: { targets: [target.url] } },
      routes: [
        {
          id: 'all',
          path: '/*',
          upstream: 'service',
          policies: [{ 'test/scripted': { script: 'judge' } }],
        },
      ],
    },
    options,
  );
}

async function upgrade(port: number): Promise<RawClient> {
  const client = await RawClient.connect(port);
  client.write(UPGRADE);
  return client;
}

describe('a 101 that a policy refuses', () => {
  it.each<[string, PolicyInstance['onResponse'], RegExp]>([
    ['with a reply', () => ({ status: 451, body: 'not here' }), /^HTTP\/1.1 451 .*not here$/s],
    ['with a failure', () => new GatewayError('GW_FORBIDDEN'), /^HTTP\/1.1 403 .*GW_FORBIDDEN/s],
    ['after a while', async () => ({ status: 451, body: 'not here' }), /^HTTP\/1.1 451 .*not here$/s],
    [
      'by a throw',
      () => {
        throw new Error('broken');
      },
      /^HTTP\/1.1 500 .*GW_POLICY_FAILED/s,
    ],
    [
      'by another status',
      (_, head) => {
        head.status = 403;
      },
      /^HTTP\/1.1 403 /,
    ],
  ])('becomes that answer, and the target is left: %s', async (_, onResponse, expected) => {
    const target = await startSwitching('secret');
    const gateway = await startWith(target, { ...(onResponse && { onResponse }) });
    const client = await upgrade(gateway.port);
    const answer = await client.until((received) => expected.test(received));
    expect(answer).not.toMatch(/secret|upgrade: websocket/i);
    await released(await target.socket(0));
    await until(() => gateway.accessLog().length === 1);
    expect(gateway.accessLog()[0]).toMatchObject({ status: Number(/\d{3}/.exec(answer)?.[0]) });
    // The connection is an ordinary one.
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await target.socket(1);
  });
});

describe('a 101 that policies let pass', () => {
  it('becomes a tunnel with what they wrote, and nothing that was said meanwhile is lost', async () => {
    const gate = Promise.withResolvers<void>();
    const target = await startSwitching('early', true);
    const { port } = await startWith(target, {
      async onResponse(_, head) {
        await gate.promise;
        head.headers.append('x-seen', 'yes');
      },
    });
    const client = await upgrade(port);
    await target.socket(0);
    gate.resolve();
    const answer = await client.until((received) => received.endsWith('early'));
    expect(answer).toMatch(/^HTTP\/1.1 101 .*x-seen: yes/s);
    await client.ended();
  });

  it('breaks off where the target has gone meanwhile', async () => {
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const target = await startSwitching();
    const { port } = await startWith(target, {
      async onResponse() {
        asked.resolve();
        await gate.promise;
      },
    });
    const client = await upgrade(port);
    await asked.promise;
    const socket = await target.socket(0);
    socket.resetAndDestroy();
    await new Promise(setImmediate);
    gate.resolve();
    await until(() => client.isClosed);
  });

  it('ends with the client that leaves while they look at it', async () => {
    const target = await startSwitching();
    const asked = Promise.withResolvers<void>();
    const { port } = await startWith(target, {
      onResponse() {
        asked.resolve();
        return new Promise(() => {});
      },
    });
    const client = await upgrade(port);
    await asked.promise;
    client.socket.destroy();
    await released(await target.socket(0));
  });
});

describe('a tunnel', () => {
  it('ends where the target takes nothing of it for as long as it may take nothing of a request', async () => {
    const clock = new StubClock();
    const target = await startRawTarget((socket) => {
      socket.once('data', () => socket.pause().write(SWITCHED));
    });
    const { port } = await startWith(target, {}, { clock });
    const client = await upgrade(port);
    await client.until((received) => received.startsWith('HTTP/1.1 101'));
    const chunk = Buffer.alloc(64 * 1024);
    let taken = 0;
    const pour = (): void => {
      while (client.socket.write(chunk, () => (taken += chunk.length)));
    };
    client.socket.on('drain', pour);
    pour();
    await settled(() => taken);
    const closed = until(() => client.isClosed);
    for (let i = 0; i < 130; i++) {
      clock.advance(1000);
      await new Promise(setImmediate);
    }
    await closed;
  });

  it('ends where the client takes nothing of it for as long as it may take nothing of an answer', async () => {
    const clock = new StubClock();
    let sent = 0;
    const target = await startRawTarget((socket) => {
      socket.once('data', () => {
        socket.write(SWITCHED);
        const chunk = Buffer.alloc(64 * 1024);
        const pour = (): void => {
          do sent += chunk.length;
          while (socket.write(chunk));
        };
        socket.on('drain', pour);
        pour();
      });
    });
    const { port } = await startWith(target, {}, { clock });
    const client = await upgrade(port);
    await client.until((received) => received.startsWith('HTTP/1.1 101'));
    client.socket.pause();
    await settled(() => sent);
    const socket = await target.socket(0);
    const closed = released(socket);
    for (let i = 0; i < 70; i++) {
      clock.advance(1000);
      await new Promise(setImmediate);
    }
    await closed;
  });
});
