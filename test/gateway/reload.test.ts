// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references in configurations look like that.
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { ReloadResult } from '../../src/core/control.ts';
import { StubClock } from '../observability/stub-clock.ts';
import {
  ADMIN_TOKEN,
  RawClient,
  rawRequest,
  startGateway,
  startGatewayTo,
  startTarget,
  type TestConfig,
  type TestGateway,
  type TestTarget,
} from '../support/harness.ts';
import { LOOPBACK, reservePort } from '../support/loopback.ts';
import { until } from '../support/until.ts';
import { scripts } from './fixtures/scripted-policy.ts';

const customPolicies = {
  'test/scripted': fileURLToPath(new URL('./fixtures/scripted-policy.ts', import.meta.url)),
};
const GET = 'GET /a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n';

afterEach(() => scripts.clear());

function answering(text: string): TestConfig {
  return { routes: [{ id: 'all', path: '/*', respond: { status: 200, body: text } }] };
}

function forwardingTo(target: { readonly url: string }, more: Partial<TestConfig> = {}): TestConfig {
  return {
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    ...more,
  };
}

async function textOf(url: string): Promise<string> {
  return (await fetch(url)).text();
}

/** Waits for a line of the log. */
async function logged(gateway: TestGateway, msg: string): Promise<Record<string, unknown>> {
  const find = () => gateway.log.lines().find((line) => line.msg === msg);
  await until(() => find() !== undefined);
  return find() as Record<string, unknown>;
}

describe('a reload', () => {
  it('takes up the file as it is now', async () => {
    const gateway = await startGateway(answering('one'));
    await gateway.rewrite(answering('two'));
    expect(await textOf(gateway.url)).toBe('one');
    expect(await gateway.gateway.reload()).toEqual({ ok: true, version: 2 });
    expect(await textOf(gateway.url)).toBe('two');
  });

  it('happens by itself when the file changes', async () => {
    const gateway = await startGateway(answering('one'), { watch: true });
    await gateway.rewrite(answering('two'));
    expect(await logged(gateway, 'configuration reloaded')).toMatchObject({ version: 2 });
    expect(await textOf(gateway.url)).toBe('two');
  });

  it('happens by itself though other files in the folder change all the time', async () => {
    const gateway = await startGateway(answering('one'), { watch: true });
    const writing = setInterval(
      () => void writeFile(join(gateway.folder, 'other.log'), String(Math.random())).catch(() => {}),
      30,
    );
    try {
      await gateway.rewrite(answering('two'));
      await logged(gateway, 'configuration reloaded');
    } finally {
      clearInterval(writing);
    }
    expect(await textOf(gateway.url)).toBe('two');
  });

  it('is asked for at the admin port, with the token', async () => {
    const gateway = await startGateway(answering('one'));
    const url = `http://${LOOPBACK}:${gateway.adminPort}/api/reload`;
    await gateway.rewrite(answering('two'));
    expect((await fetch(url, { method: 'POST' })).status).toBe(401);
    expect(await textOf(gateway.url)).toBe('one');
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const answer = await fetch(url, { method: 'POST', headers });
    expect(await answer.json()).toEqual({ configVersion: 2 });
    expect(await textOf(gateway.url)).toBe('two');
  });

  it('of a bad file changes nothing, and says why', async () => {
    const gateway = await startGateway(answering('one'));
    await writeFile(gateway.configFile, '{ "listeners": [], "rotues": [] }');
    const result = await gateway.gateway.reload();
    expect(result).toMatchObject({ ok: false });
    const problems = problemsOf(result);
    expect(problems).toContain("did you mean 'routes'?");
    expect(problems).toContain('listeners: is empty');
    expect(gateway.log.lines()).toContainEqual(
      expect.objectContaining({ level: 50, problems: problems.split('\n') }),
    );
    expect(await textOf(gateway.url)).toBe('one');
    const ready = await fetch(`http://${LOOPBACK}:${gateway.adminPort}/readyz`);
    expect(ready.status).toBe(200);
    expect(JSON.stringify(await ready.json())).toContain('the last reload was rejected');

    await gateway.rewrite(answering('two'));
    expect(await gateway.gateway.reload()).toEqual({ ok: true, version: 2 });
    expect(gateway.gateway.readiness()).toEqual({ isReady: true, details: [] });
  });

  it.each<[string, (gateway: TestGateway) => Promise<TestConfig>, RegExp]>([
    [
      'a port is taken',
      async () => ({ ...answering('two'), listeners: [{ host: LOOPBACK, port: await takenPort() }] }),
      /cannot listen on/,
    ],
    [
      'a policy cannot be made',
      async () => ({
        ...answering('two'),
        customPolicies,
        policies: [{ 'test/scripted': { script: 'none' } }],
      }),
      /there is no script 'none'/,
    ],
    [
      'an app cannot be loaded',
      async ({ folder }) => {
        await writeFile(join(folder, 'broken.mjs'), 'throw new Error("broken on purpose")');
        return { ...answering('two'), upstreams: { app: { app: './broken.mjs' } } };
      },
      /broken on purpose/,
    ],
    [
      'a certificate cannot be read',
      async ({ folder }) => {
        for (const name of ['a.pem', 'a.key']) await writeFile(join(folder, name), 'nonsense');
        const tls = { certificates: [{ certFile: './a.pem', keyFile: './a.key' }] };
        return { ...answering('two'), listeners: [{ host: LOOPBACK, port: 0, tls }] };
      },
      /holds no readable certificate/,
    ],
  ])('changes nothing where %s', async (_, makeConfig, problem) => {
    const gateway = await startGateway(answering('one'));
    await gateway.rewrite(await makeConfig(gateway));
    const result = await gateway.gateway.reload();
    expect(result).toMatchObject({ ok: false });
    expect(problemsOf(result)).toMatch(problem);
    expect(await textOf(gateway.url)).toBe('one');
    expect(gateway.gateway.ports).toEqual([gateway.port]);
  });

  it('waits for the one before it, and is one for all who ask meanwhile', async () => {
    // A configuration that names code is taken up each time.
    const withCode = (text: string): TestConfig => ({ ...answering(text), customPolicies });
    const gateway = await startGateway(withCode('one'));
    await gateway.rewrite(withCode('two'));
    const results = await Promise.all(Array.from({ length: 40 }, () => gateway.gateway.reload()));
    expect(results).toEqual([2, ...Array(39).fill(3)].map((version) => ({ ok: true, version })));
    expect(await textOf(gateway.url)).toBe('two');
  });

  it('of what runs already changes nothing', async () => {
    const gateway = await startGateway(answering('one'));
    expect(await gateway.gateway.reload()).toEqual({ ok: true, version: 1 });
    await logged(gateway, 'the configuration is the one that runs; nothing was changed');
    await writeFile(gateway.configFile, '{');
    expect(await gateway.gateway.reload()).toMatchObject({ ok: false });
    await gateway.rewrite(answering('one'));
    expect(await gateway.gateway.reload()).toEqual({ ok: true, version: 1 });
    expect(gateway.gateway.readiness()).toEqual({ isReady: true, details: [] });
  });

  it.each<[string, TestConfig]>([
    [
      'a file that a value refers to',
      { routes: [{ id: 'a', path: '/*', respond: { status: 200, body: '${file:./more}' } }] },
    ],
    [
      'a file that is named',
      { ...answering('one'), authServices: { a: { publicKeyFile: './more', issuer: 'i', audience: 'a' } } },
    ],
  ])('of the same file takes up %s when that has changed', async (_, config) => {
    const key = (): string =>
      generateKeyPairSync('ec', {
        namedCurve: 'P-256',
        publicKeyEncoding: { type: 'spki', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      }).publicKey;
    const gateway = await startGateway(config, { files: { more: key() } });
    expect(await gateway.gateway.reload()).toEqual({ ok: true, version: 1 });
    await writeFile(join(gateway.folder, 'more'), key());
    expect(await gateway.gateway.reload()).toEqual({ ok: true, version: 2 });
  });

  it('that is refused does not keep the next one from succeeding', async () => {
    const gateway = await startGateway(answering('one'));
    await writeFile(gateway.configFile, '{');
    const refused = gateway.gateway.reload();
    expect(await refused).toMatchObject({ ok: false });
    await gateway.rewrite(answering('two'));
    expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
  });

  it('says which settings wait for the next start', async () => {
    const gateway = await startGateway(answering('one'));
    await gateway.rewrite({ ...answering('two'), admin: { token: 'another-admin-token' } });
    expect(await gateway.gateway.reload()).toMatchObject({ ok: true });
    expect(await logged(gateway, 'some changed settings take effect at the next start')).toMatchObject({
      settings: ['admin'],
    });
  });
});

describe('what is under way', () => {
  it('ends on the configuration that it began with', async () => {
    let release: () => void = () => {};
    const target = await startTarget((_, response) => {
      response.write('begun ');
      release = () => response.end('ended');
    });
    const gateway = await startGateway(
      forwardingTo(target, { policies: [{ headers: { response: { set: { 'x-version': 'one' } } } }] }),
    );
    const answer = await fetch(gateway.url);
    await gateway.rewrite(answering('two'));
    await gateway.gateway.reload();
    expect(await textOf(gateway.url)).toBe('two');
    release();
    expect(answer.headers.get('x-version')).toBe('one');
    expect(await answer.text()).toBe('begun ended');
  });

  it('keeps its client connection, which serves the new configuration next', async () => {
    const gateway = await startGateway(answering('one'));
    const client = await RawClient.connect(gateway.port);
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.take('one');
    await gateway.rewrite(answering('two'));
    await gateway.gateway.reload();
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.take('two');
  });

  it('is a WebSocket that stays open, and holds nothing of the old configuration', async () => {
    const target = await startEcho();
    let closed = 0;
    scripts.set('closing', () => ({ onFinish() {}, close: () => void closed++ }));
    const policies = [{ 'test/scripted': { script: 'closing' } }];
    const gateway = await startGateway(forwardingTo(target, { customPolicies, policies }));
    const socket = new WebSocket(`ws://${LOOPBACK}:${gateway.port}/`);
    const echo = (text: string) =>
      new Promise((resolve) => {
        socket.once('message', (data) => resolve(String(data)));
        socket.send(text);
      });
    await new Promise((resolve) => socket.once('open', resolve));
    expect(await echo('one')).toBe('one');
    await gateway.rewrite(answering('two'));
    await gateway.gateway.reload();
    expect(await echo('still here')).toBe('still here');
    expect(closed).toBe(1);
    socket.terminate();
  });

  it('keeps its policies open until its last exchange ends', async () => {
    const closed: string[] = [];
    let release: () => void = () => {};
    for (const name of ['old', 'new'])
      scripts.set(name, () => ({
        onFinish: () => void closed.push(`${name} finished`),
        close: () => void closed.push(`${name} closed`),
      }));
    const target = await startTarget((_, response) => {
      release = () => response.end('late');
      response.flushHeaders();
    });
    const config = (script: string) =>
      forwardingTo(target, { customPolicies, policies: [{ 'test/scripted': { script } }] });
    const gateway = await startGateway(config('old'));
    const answer = await fetch(gateway.url);
    await gateway.rewrite(config('new'));
    await gateway.gateway.reload();
    expect(closed).toEqual([]);
    release();
    expect(await answer.text()).toBe('late');
    await until(() => closed.length === 2);
    expect(closed).toEqual(['old finished', 'old closed']);
    await gateway.close();
    expect(closed).toEqual(['old finished', 'old closed', 'new closed']);
  });
});

describe('connections to targets', () => {
  it('outlive reloads', async () => {
    const target = await startTarget();
    const ports = new Set<number | undefined>();
    // Reloads may take longer than a connection is kept without use.
    const gateway = await startGatewayTo(target, {}, { clock: new StubClock() });
    for (let i = 0; i < 3; i++) {
      await textOf(gateway.url);
      ports.add(target.requests.at(-1)?.socket.remotePort);
      await gateway.gateway.reload();
    }
    expect(ports.size).toBe(1);
  });

  it('end when their target leaves the configuration', async () => {
    const target = await startTarget();
    const gateway = await startGatewayTo(target);
    await textOf(gateway.url);
    const socket = target.requests[0]?.socket;
    await gateway.rewrite(answering('two'));
    await gateway.gateway.reload();
    await until(() => socket?.destroyed === true);
  });
});

describe('listeners', () => {
  const listener = { host: LOOPBACK, port: 0 };

  it('are opened and removed, and those that stay are not touched', async () => {
    const gateway = await startGateway({ ...answering('one'), listeners: [listener] });
    await gateway.rewrite({ ...answering('two'), listeners: [listener, listener] });
    await gateway.gateway.reload();
    const [first, second] = gateway.gateway.ports;
    expect(first).toBe(gateway.port);
    expect(await textOf(`http://${LOOPBACK}:${second}`)).toBe('two');
    await gateway.rewrite({ ...answering('three'), listeners: [listener] });
    await gateway.gateway.reload();
    expect(gateway.gateway.ports).toEqual([first]);
    await expect(rawRequest(second as number, GET)).rejects.toThrow();
    expect(await textOf(gateway.url)).toBe('three');
  });

  it('that are removed finish what is under way, also while the gateway stops', async () => {
    let release: () => void = () => {};
    const target = await startTarget((_, response) => {
      response.write('begun ');
      release = () => response.end('ended');
    });
    const drain = { delay: '0s', timeout: '10s' };
    const gateway = await startGateway({
      ...forwardingTo(target, { drain }),
      listeners: [listener, listener],
    });
    const answer = await fetch(`http://${LOOPBACK}:${gateway.ports[1]}`);
    await gateway.rewrite({ ...answering('two'), drain, listeners: [listener] });
    await gateway.gateway.reload();
    let isClosed = false;
    const closing = gateway.close().then(() => {
      isClosed = true;
    });
    await logged(gateway, 'draining');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isClosed).toBe(false);
    release();
    expect(await answer.text()).toBe('begun ended');
    await closing;
  });

  it('take new limits while they are open', async () => {
    const gateway = await startGateway({ ...answering('one'), listeners: [listener] });
    await gateway.rewrite({ ...answering('one'), listeners: [{ ...listener, limits: { urlBytes: '10B' } }] });
    await gateway.gateway.reload();
    const long = await rawRequest(gateway.port, GET.replace('/a', '/a-long-long-path'));
    expect(long).toMatch(/^HTTP\/1\.1 414 /);
  });

  it('judge requests by the new configuration on connections that were open before, too', async () => {
    const open = { ...listener, allowEncoded: { slash: true } };
    const gateway = await startGateway({ ...answering('one'), listeners: [open] });
    const client = await RawClient.connect(gateway.port);
    const encoded = 'GET /a%2Fb HTTP/1.1\r\nHost: shop.example\r\n\r\n';
    client.write(encoded);
    await client.take('one');
    await gateway.rewrite({ ...answering('two'), listeners: [listener] });
    await gateway.gateway.reload();
    client.write(encoded);
    expect(await client.take('\r\n')).toBe('HTTP/1.1 400 Bad Request');
  });

  it('cannot become HTTPS while they are open, and the reason says what to do', async () => {
    const port = await reservePort();
    const gateway = await startGateway({ ...answering('one'), listeners: [{ host: LOOPBACK, port }] });
    await gateway.rewrite({ ...answering('two'), listeners: [{ host: '0.0.0.0', port }] });
    const result = await gateway.gateway.reload();
    expect(problemsOf(result)).toMatch(/port \d+ is open .*restart the gateway/);
    expect(await textOf(gateway.url)).toBe('one');
  });
});

function problemsOf(result: ReloadResult): string {
  return result.ok ? '' : result.problems.join('\n');
}

/** Starts a WebSocket server that sends back what it gets. */
async function startEcho(): Promise<TestTarget> {
  const target = await startTarget();
  const sockets = new WebSocketServer({ server: target.server });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))));
  return target;
}

async function takenPort(): Promise<number> {
  const target = await startTarget();
  return target.port;
}
