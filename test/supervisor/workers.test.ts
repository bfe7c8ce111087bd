import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { connect as connectPlain, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CLI } from '../support/bundled-gateway.ts';
import { makeCertificates } from '../support/certificates.ts';
import { startTarget, type TestConfig } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { until } from '../support/until.ts';
import { policyCode } from './code.ts';
import { gone, isAlive, readValue, startWorkerPool } from './pool-of.ts';

function answering(text: string, more: Partial<TestConfig> = {}): TestConfig {
  return { routes: [{ id: 'all', path: '/*', respond: { status: 200, body: text } }], ...more };
}

/** Answers with the number of the worker, and does more when it is asked for `/hang`, `/end` or `/throw`. */
const TELLING = policyCode(`return {
  onRequest({ path }) {
    if (path === '/hang') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    if (path === '/end') process.exit(3);
    if (path === '/throw') setTimeout(() => { throw new Error('lost'); }, 0);
    return { status: 200, body: String(worker) };
  },
};`);

const telling: TestConfig = {
  customPolicies: { 'test/code': './code.mjs' },
  routes: [{ id: 'all', path: '/*', policies: [{ 'test/code': {} }], respond: { status: 204 } }],
};

/** Runs the command line to its end. */
async function runToEnd(
  config: object,
  files: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'sallyport.json');
  writeFileSync(file, JSON.stringify(config));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const child = spawn(process.execPath, [CLI, 'start', '--config', file]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  // Its output ends when the last process that holds it does, so that none is left.
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}

describe('several workers', () => {
  it('serve on one port in turn, and say in the log who it was', async () => {
    const { ask, gateway } = await startWorkerPool(telling, { 'code.mjs': TELLING });
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('/')));
    const ones = answers.filter(({ text }) => text === '1').length;
    expect(ones).toBeGreaterThan(0);
    expect(answers.filter(({ text }) => text === '2')).toHaveLength(20 - ones);
    gateway.signal('SIGTERM');
    expect(await gateway.exit()).toBe(0);
    const requests = gateway.lines.filter(({ msg }) => msg === 'request');
    expect(requests.filter(({ worker }) => worker === 1)).toHaveLength(ones);
    expect(requests.filter(({ worker }) => worker === 2)).toHaveLength(20 - ones);
  });

  it('lose no line of the log, and mix none', async () => {
    const { gateway, ask } = await startWorkerPool(answering('hello'));
    const path = `/${'long/'.repeat(300)}`;
    for (let i = 0; i < 8; i++) await Promise.all(Array.from({ length: 50 }, () => ask(path)));
    gateway.signal('SIGTERM');
    expect(await gateway.exit()).toBe(0);
    // Each line is JSON, or this would throw.
    expect(gateway.lines.filter((line) => line.msg === 'request' && line.path === path)).toHaveLength(400);
    expect(gateway.lines.at(-1)).toMatchObject({ msg: 'gateway stopped' });
  });

  it('are counted together in the metrics and described as one', async () => {
    const target = await startTarget();
    const { ask, metrics, admin } = await startWorkerPool({
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    for (let i = 0; i < 6; i++) await ask();
    const text = await metrics();
    const series = 'http_server_request_duration_seconds_count{route="all",method="GET",status="200"}';
    expect(readValue(text, series)).toBe(6);
    expect(readValue(text, 'gateway_workers')).toBe(2);
    expect(readValue(text, 'gateway_config_version')).toBe(1);
    expect(text.match(/^# TYPE gateway_build_info /gm)).toHaveLength(1);
    const { upstreams } = (await (await admin('/api/upstreams')).json()) as { upstreams: object[] };
    expect(upstreams).toEqual([
      expect.objectContaining({
        name: 'service',
        targets: [expect.objectContaining({ state: 'healthy', activeRequests: 0 })],
      }),
    ]);
  });

  it('finish what is under way when the supervisor is told to stop', async () => {
    // Workers that have not heard of the end yet let in some of those that ask whether they have.
    const begun: ServerResponse[] = [];
    const target = await startTarget((_, response) => {
      response.write('begun ');
      begun.push(response);
    });
    const { gateway, url, pids } = await startWorkerPool({
      upstreams: { service: { targets: [target.url] } },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    const answer = await fetch(`${url}/`);
    gateway.signal('SIGTERM');
    await gateway.line('draining');
    await until(() =>
      fetch(url).then(
        () => false,
        () => true,
      ),
    );
    for (const response of begun) response.end('ended');
    expect(await answer.text()).toBe('begun ended');
    expect(await gateway.exit()).toBe(0);
    for (const pid of pids().values()) expect(isAlive(pid)).toBe(false);
  });

  it('end at once when a second signal follows', async () => {
    const { gateway, pids } = await startWorkerPool(answering('x', { drain: { delay: '60s' } }));
    gateway.signal('SIGTERM');
    await gateway.line('draining');
    gateway.signal('SIGINT');
    expect(await gateway.exit()).toBe(1);
    for (const pid of pids().values()) await gone(pid);
  });

  it('refuse connections above the limit of each, instead of handing them to one another', async () => {
    const { certFile, keyFile } = await (await makeCertificates()).issue();
    const tls = { certificates: [{ certFile, keyFile }] };
    const { gateway, metrics } = await startWorkerPool(
      answering('x', { listeners: [{ host: LOOPBACK, port: 0, tls, limits: { connections: 1 } }] }),
    );
    const open = (): Promise<Socket> =>
      new Promise((resolve) => {
        const socket = connect({ host: LOOPBACK, port: gateway.port, rejectUnauthorized: false });
        onTestFinished(() => void socket.destroy());
        socket.on('error', () => {}).once('secureConnect', () => resolve(socket));
      });
    await open();
    await open();
    const third = connectPlain({ host: LOOPBACK, port: gateway.port });
    third.on('error', () => {});
    await new Promise((resolve) => third.resume().once('close', resolve));
    expect(await metrics()).toMatch(/^gateway_connections_refused_total\{.*\} 1$/m);
  });

  it('leave signals to the supervisor', async () => {
    const { gateway, ask, pids } = await startWorkerPool(answering('still here'));
    for (const pid of pids().values()) {
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(pid, signal);
    }
    expect(await Promise.all([ask(), ask()])).toMatchObject([{ text: 'still here' }, { text: 'still here' }]);
    expect(gateway.lines.filter(({ msg }) => msg === 'worker started')).toHaveLength(2);
  });

  it('end by themselves when the supervisor is killed', async () => {
    const { gateway, pids } = await startWorkerPool(answering('x'));
    const all = [...pids().values()];
    gateway.signal('SIGKILL');
    for (const pid of all) await gone(pid);
  });

  it('do not start where a port is taken: one message, exit code 1, and no process left', async () => {
    const taken = createServer().listen(0, LOOPBACK);
    onTestFinished(() => void taken.close());
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as { port: number };
    const result = await runToEnd({
      listeners: [{ host: LOOPBACK, port }],
      admin: { host: LOOPBACK, port: 0, token: 'x' },
      workers: 3,
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toBe(
      `cannot listen on ${LOOPBACK}:${port}: the port is in use — stop the process that has it, or choose another port\n`,
    );
  });

  it('do not start where one of them cannot, and leave none', async () => {
    const code = policyCode(`if (worker === 2) throw new Error('worker 2 will not'); return {};`);
    const listeners = [{ host: LOOPBACK, port: 0 }];
    const admin = { host: LOOPBACK, port: 0, token: 'x' };
    const result = await runToEnd({ ...telling, listeners, admin, workers: 3 }, { 'code.mjs': code });
    expect(result).toMatchObject({ code: 1, stderr: 'worker 2 will not\n' });
  });

  it('do not start with a bad configuration', async () => {
    const { code, stderr } = await runToEnd({ listeners: [], workers: 2 });
    expect(code).toBe(1);
    expect(stderr).toContain('listeners: is empty');
  });
});

describe('a worker that ends', () => {
  it('is replaced, while the others go on; what it had counted stays counted', async () => {
    const { ask, metrics, kill, gateway } = await startWorkerPool(telling, { 'code.mjs': TELLING });
    for (let i = 0; i < 4; i++) await ask();
    const series = 'http_server_request_duration_seconds_count{route="all",method="GET",status="200"}';
    expect(readValue(await metrics(), series)).toBe(4);
    const killed = kill(1);
    const told = await gateway.line(
      'a worker ended; another one takes its place',
      ({ worker }) => worker === 1,
    );
    expect(told).toMatchObject({ signal: 'SIGKILL', hint: expect.stringContaining('memory is short') });
    expect((await ask()).status).toBe(200);
    await killed.replaced();
    const texts = [(await ask()).text, (await ask()).text];
    expect(texts.sort()).toEqual(['1', '2']);
    const text = await metrics();
    expect(readValue(text, series)).toBe(7);
    expect(readValue(text, 'gateway_worker_restarts_total{reason="ended"}')).toBe(1);
  });

  it('by an error that nothing catches says so in the log', async () => {
    const { ask, gateway } = await startWorkerPool(telling, { 'code.mjs': TELLING });
    await ask('/throw').catch(() => 'broken');
    const crash = await gateway.line('an error that nothing caught ends the process');
    expect(crash).toMatchObject({ level: 50, err: { message: 'lost' }, origin: 'uncaughtException' });
    const end = await gateway.line('a worker ended; another one takes its place');
    expect(end).toMatchObject({ worker: crash.worker, code: 1 });
    expect((await ask()).status).toBe(200);
  });

  it('again and again is tried less and less often, while the others go on', async () => {
    const failing = policyCode(`
      if (worker === 1 && existsSync(beside('./broken'))) process.exit(7);
      return { onRequest: () => ({ status: 200, body: String(worker) }) };`);
    const { ask, kill, gateway, admin } = await startWorkerPool(telling, { 'code.mjs': failing });
    writeFileSync(join(gateway.folder, 'broken'), '');
    const killed = kill(1);
    await gateway.line('a worker could not start', ({ restartInMs }) => restartInMs === 2000);
    expect((await ask()).text).toBe('2');
    const ready = await admin('/readyz');
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({ details: ['1 of 2 workers serve'] });
    rmSync(join(gateway.folder, 'broken'));
    await killed.replaced();
    expect([(await ask()).text, (await ask()).text].sort()).toEqual(['1', '2']);
  });

  it('since it hangs, is killed and replaced', async () => {
    const { ask, gateway } = await startWorkerPool(telling, { 'code.mjs': TELLING });
    const hanging = ask('/hang').catch(() => 'broken');
    const { worker, pid } = await gateway.line('a worker hangs; it is killed');
    expect(await hanging).toBe('broken');
    await gateway.line('worker started', (line) => line.worker === worker && line.pid !== pid);
    expect([(await ask()).text, (await ask()).text].sort()).toEqual(['1', '2']);
  });
});
