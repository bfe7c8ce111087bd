import { writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makeCertificates } from '../support/certificates.ts';
import type { TestConfig } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { until } from '../support/until.ts';
import { policyCode } from './code.ts';
import { gone, type PoolUnderTest, readValue, startWorkerPool } from './pool-of.ts';

function answering(text: string, more: Partial<TestConfig> = {}): TestConfig {
  return { routes: [{ id: 'all', path: '/*', respond: { status: 200, body: text } }], ...more };
}

function withCode(options: object): TestConfig {
  return {
    customPolicies: { 'test/code': './code.mjs' },
    routes: [{ id: 'all', path: '/*', policies: [{ 'test/code': options }], respond: { status: 204 } }],
  };
}

/** Asks each of the two workers. */
async function askBoth({ ask }: PoolUnderTest): Promise<string[]> {
  return [(await ask()).text, (await ask()).text].sort();
}

describe('a reload of several workers', () => {
  it('reaches all of them, at SIGHUP, by the admin API and by itself', async () => {
    const pool = await startWorkerPool(answering('one'));
    const configVersion = async (): Promise<number> =>
      ((await (await pool.admin('/api/status')).json()) as { configVersion: number }).configVersion;
    expect(await askBoth(pool)).toEqual(['one', 'one']);
    await pool.rewrite(answering('two'));
    await pool.gateway.line('configuration reloaded', ({ version }) => version === 2);
    expect(await askBoth(pool)).toEqual(['two', 'two']);
    await pool.rewrite(answering('three'));
    pool.gateway.signal('SIGHUP');
    await pool.gateway.line('configuration reloaded', ({ version }) => version === 3);
    await pool.rewrite(answering('four'));
    expect(await (await pool.admin('/api/reload', 'POST')).json()).toEqual({ configVersion: 4 });
    expect(await (await pool.admin('/api/reload', 'POST')).json()).toEqual({ configVersion: 4 });
    expect(await askBoth(pool)).toEqual(['four', 'four']);
    expect(await configVersion()).toBe(4);
    expect(readValue(await pool.metrics(), 'gateway_config_version')).toBe(4);
    expect(pool.gateway.lines.filter(({ msg }) => msg === 'worker started')).toHaveLength(2);
  });

  it('changes nothing anywhere where one of them cannot take it up, and says why', async () => {
    const code = policyCode(`
      if (options.fails === worker) throw new Error('worker ' + worker + ' will not');
      return { onRequest: () => ({ status: 200, body: options.text }) };`);
    const pool = await startWorkerPool(withCode({ text: 'one' }), { 'code.mjs': code });
    for (const fails of [1, 2]) {
      await pool.rewrite(withCode({ text: 'two', fails }));
      const answer = await pool.admin('/api/reload', 'POST');
      expect(answer.status).toBe(422);
      expect(await answer.json()).toMatchObject({ problems: [`worker ${fails} will not`] });
      expect(await askBoth(pool)).toEqual(['one', 'one']);
    }
    const ready = await pool.admin('/readyz');
    expect(await ready.json()).toMatchObject({
      details: ['the last reload was rejected; the configuration before it runs'],
    });
    await pool.rewrite(withCode({ text: 'three' }));
    await (await pool.admin('/api/reload', 'POST')).text();
    expect(await askBoth(pool)).toEqual(['three', 'three']);
  });

  it('of a bad file is refused with all that is wrong', async () => {
    const pool = await startWorkerPool(answering('one'));
    await writeFile(pool.gateway.configFile, '{ "listeners": [], "rotues": [] }');
    const answer = await pool.admin('/api/reload', 'POST');
    expect(answer.status).toBe(422);
    expect(JSON.stringify(await answer.json())).toContain("did you mean 'routes'?");
    expect(await askBoth(pool)).toEqual(['one', 'one']);
  });

  it('that kills a worker costs one, and is refused', async () => {
    const code = policyCode(`
      if (options.text === 'two') process.exit(9);
      return { onRequest: () => ({ status: 200, body: options.text }) };`);
    const pool = await startWorkerPool(withCode({ text: 'one' }), { 'code.mjs': code });
    const former = pool.pids().get(1);
    await pool.rewrite(withCode({ text: 'two' }));
    const { problems } = await pool.gateway.line(
      'the configuration was not reloaded; the one before it goes on',
    );
    expect(problems).toEqual(['worker 1 ended by itself, with exit code 9']);
    await pool.gateway.line('worker started', ({ worker, pid }) => worker === 1 && pid !== former);
    expect(await askBoth(pool)).toEqual(['one', 'one']);
    expect(pool.gateway.lines.filter(({ msg }) => String(msg).startsWith('a worker ended'))).toHaveLength(1);
  });

  it('is one that runs and one that waits for forty that ask at once, and a worker that ends meanwhile is replaced', async () => {
    const code = policyCode(`return { onRequest: () => ({ status: 200, body: 'x' }) };`);
    const pool = await startWorkerPool(withCode({}), { 'code.mjs': code });
    for (let i = 0; i < 40; i++) pool.gateway.signal('SIGHUP');
    const asked = Array.from({ length: 40 }, () => pool.admin('/api/reload', 'POST'));
    const killed = pool.kill(2);
    const versions = await Promise.all(
      asked.map(async (answer) => ((await (await answer).json()) as { configVersion: number }).configVersion),
    );
    await killed.replaced();
    // The signals may come one by one before the others, or together with them.
    expect(Math.max(...versions)).toBeLessThanOrEqual(4);
    expect(await askBoth(pool)).toEqual(['x', 'x']);
  });

  it('is what a worker starts with that was away meanwhile', async () => {
    const pool = await startWorkerPool(answering('one'));
    const killed = pool.kill(2);
    await pool.rewrite(answering('two'));
    await (await pool.admin('/api/reload', 'POST')).text();
    await killed.replaced();
    expect(await askBoth(pool)).toEqual(['two', 'two']);
  });

  it('leaves until the next start what a worker that is started later could not share', async () => {
    const pool = await startWorkerPool(answering('one'));
    await pool.rewrite({ ...answering('two'), dataDir: './other' });
    const { settings } = await pool.gateway.line('some changed settings take effect at the next start');
    expect(settings).toEqual(['dataDir']);
    await pool.kill(1).replaced();
    expect(await askBoth(pool)).toEqual(['two', 'two']);
  });

  it('forgets what ended workers counted of routes that are no more', async () => {
    const pool = await startWorkerPool(answering('one'));
    await askBoth(pool);
    expect(await pool.metrics()).toContain('route="all"');
    const killed = pool.kill(1);
    await killed.replaced();
    expect(await pool.metrics()).toContain('route="all"');
    await pool.rewrite({ routes: [{ id: 'other', path: '/*', respond: { status: 200 } }] });
    await (await pool.admin('/api/reload', 'POST')).text();
    expect(await pool.metrics()).not.toContain('route="all"');
  });
});

describe('a reload that changes code', () => {
  const answeringCode = (text: string): string =>
    policyCode(`return { onRequest: () => ({ status: 200, body: '${text}' }) };`);

  it('replaces the workers without a failed request', async () => {
    const pool = await startWorkerPool(withCode({}), { 'code.mjs': answeringCode('old') });
    const former = [...pool.pids().values()];
    const load = startLoad(pool);
    await load.answered(200);
    await writeFile(join(pool.gateway.folder, 'code.mjs'), answeringCode('new'));
    const reloading = pool.admin('/api/reload', 'POST');
    expect(await (await reloading).json()).toEqual({ configVersion: 2 });
    expect(await askBoth(pool)).toEqual(['new', 'new']);
    for (const pid of former) await gone(pid);
    await load.answered(200);
    expect(await load.stop()).toEqual([]);
    expect([...pool.pids().values()]).not.toEqual(expect.arrayContaining(former));
    expect((await pool.metrics()).match(/^gateway_worker_restarts_total.* [^0]/gm)).toBe(null);
  });

  it('changes nothing where the new code does not run', async () => {
    const pool = await startWorkerPool(withCode({}), { 'code.mjs': answeringCode('old') });
    await writeFile(join(pool.gateway.folder, 'code.mjs'), policyCode(`throw new Error('not ready yet');`));
    const answer = await pool.admin('/api/reload', 'POST');
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({ problems: ['not ready yet'] });
    expect(await askBoth(pool)).toEqual(['old', 'old']);
  });
});

describe('TLS with several workers', () => {
  it('resumes at one a session that began at another', async () => {
    const { certFile, keyFile } = await (await makeCertificates()).issue();
    const code = policyCode(`return { onRequest: () => ({ status: 200, body: String(worker) }) };`);
    const pool = await startWorkerPool(
      {
        ...withCode({}),
        listeners: [{ host: LOOPBACK, port: 0, tls: { certificates: [{ certFile, keyFile }] } }],
      },
      { 'code.mjs': code },
    );
    const first = await requestOverHttps(pool.gateway.port, undefined);
    const second = await requestOverHttps(pool.gateway.port, first.session);
    expect([first.worker, second.worker].sort()).toEqual(['1', '2']);
    expect([first.isReused, second.isReused]).toEqual([false, true]);
  });
});

interface SecureAnswer {
  readonly worker: string;
  readonly isReused: boolean;
  readonly session: Buffer | undefined;
}

function requestOverHttps(port: number, session: Buffer | undefined): Promise<SecureAnswer> {
  return new Promise((resolve, reject) => {
    const options = { host: LOOPBACK, port, rejectUnauthorized: false, ...(session && { session }) };
    let received = '';
    let ticket: Buffer | undefined;
    const socket: TLSSocket = connect(options, () =>
      socket.write('GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n'),
    );
    socket.setEncoding('utf8').on('data', (text: string) => {
      received += text;
    });
    socket.on('session', (received) => {
      ticket = received;
    });
    socket.once('error', reject).once('end', () => {
      const worker = received.slice(received.indexOf('\r\n\r\n') + 4);
      resolve({ worker, isReused: socket.isSessionReused(), session: ticket });
      socket.destroy();
    });
  });
}

/** Clients that ask all the time, some on connections that they keep. */
function startLoad({ gateway }: PoolUnderTest) {
  const failures: string[] = [];
  let isStopped = false;
  let answers = 0;
  const client = async (keepAlive: boolean): Promise<void> => {
    const agent = new Agent({ keepAlive, maxSockets: 1 });
    while (!isStopped) {
      await askWith(agent, gateway.port).catch((error: unknown) => failures.push(String(error)));
      answers++;
    }
    agent.destroy();
  };
  const clients = [true, true, true, true, false, false].map(client);
  const stop = async (): Promise<string[]> => {
    isStopped = true;
    await Promise.all(clients);
    return failures;
  };
  onTestFinished(async () => void (await stop()));
  return {
    stop,
    /** Waits for so many more answers. */
    answered: (count: number) => {
      const enough = answers + count;
      return until(() => answers >= enough);
    },
  };
}

function askWith(agent: Agent, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    request({ host: LOOPBACK, port, agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
      response.resume().once('error', reject).once('end', resolve);
    })
      .once('error', reject)
      .end();
  });
}
