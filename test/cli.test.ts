import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { isPassword, parseHash } from '../src/policies/basic/password-hash.ts';
import { policyCode } from './supervisor/code.ts';
import { CLI } from './support/bundled-gateway.ts';
import { makeCertificates } from './support/certificates.ts';
import { LOOPBACK } from './support/loopback.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'sallyport-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describe('sallyport check', () => {
  it('exits 0 with a summary when all is well', () => {
    const file = write(
      'good.yaml',
      'listeners: [{ port: 8080 }]\nroutes: [{ id: r, path: /x, respond: {} }]\n',
    );
    expect(run('check', '--config', file)).toEqual({
      status: 0,
      stdout: `${file} is good: 1 listener, 1 route, 0 upstreams.\n`,
      stderr: '',
    });
  });

  it('exits 1 with every problem on standard error, one a line', () => {
    const file = write('bad.yaml', 'listeners:\n  - prot: 8080\nmetrics: maybe\n');
    expect(run('check', '--config', file)).toEqual({
      status: 1,
      stdout: '',
      stderr: [
        `${file}:2:5 listeners[0].port: is missing — add 'port'`,
        `${file}:2:5 listeners[0].prot: there is no setting 'prot' here — did you mean 'port'?`,
        `${file}:3:10 metrics: is text where true or false is due — write true or false`,
        '',
      ].join('\n'),
    });
  });

  it('lets modules far from any node_modules import what the gateway ships, by its names, in one copy', () => {
    write(
      'far-policy.mjs',
      `import { definePolicy, GatewayError } from 'sallyport';
       import fastify from 'fastify';
       import { z } from 'zod';
       if (typeof fastify !== 'function' || new GatewayError('GW_FORBIDDEN').status !== 403) throw new Error('no');
       export const p = definePolicy({ name: 'far/policy', options: z.strictObject({ a: z.int() }), create: () => ({}) });`,
    );
    const file = write(
      'far.ts',
      `import { defineGateway, requestId } from 'sallyport';
       export default defineGateway({
         listeners: [{ port: 8080 }],
         customPolicies: { 'far/policy': './far-policy.mjs' },
         policies: [requestId()],
         routes: [{ id: 'r', path: '/x', respond: {}, policies: [{ 'far/policy': { a: 1 } }] }],
       });`,
    );
    expect(run('check', file)).toMatchObject({ status: 0, stderr: '' });
  });

  it('takes the file as its argument as well, but not two of them', () => {
    const text = 'listeners: [{ port: 8080 }]\nroutes: [{ id: r, path: /x, respond: {} }]\n';
    const file = write('argument.yaml', text);
    expect(run('check', file)).toMatchObject({ status: 0, stderr: '' });
    expect(run('check', file, '--config', 'b.yaml')).toMatchObject({
      status: 1,
      stderr: `There are two configurations, ${file} and b.yaml. Name one of them.\n`,
    });
  });

  it('says so when there is no configuration', () => {
    const { status, stderr } = run('check');
    expect(status).toBe(1);
    expect(stderr).toContain('run: sallyport init');
  });
});

describe('sallyport check of certificates', () => {
  const withTls = (name: string, tls: string) =>
    write(name, `listeners:\n  - port: 0\n  - { port: 0, tls: ${tls} }\nroutes: []\n`);
  const pair = (certFile: string, keyFile: string) => `{ certFile: "${certFile}", keyFile: "${keyFile}" }`;

  it('is content with those that start would take', async () => {
    const { certFile, keyFile } = await (await makeCertificates()).issue();
    const file = withTls('tls-good.yaml', `{ certificates: [${pair(certFile, keyFile)}] }`);
    expect(run('check', file)).toMatchObject({ status: 0, stderr: '' });
  });

  it('names the place and the file of each that start would refuse', async () => {
    const authority = await makeCertificates();
    const [one, other] = [await authority.issue(), await authority.issue({ fresh: true })];
    const junk = write('junk.pem', 'junk\n');
    const noAuthority = write('no-authority.pem', 'junk\n');
    const file = withTls(
      'tls-bad.yaml',
      `{ certificates: [${pair(one.certFile, other.keyFile)}, ${pair(junk, one.keyFile)}], clientCertificates: { caFile: "${noAuthority}" } }`,
    );
    const { status, stdout, stderr } = run('check', file);
    expect([status, stdout]).toEqual([1, '']);
    const place = `${file} listeners[1].tls`;
    expect(stderr).toContain(
      `${place}.certificates[0].keyFile: ${other.keyFile}: is not the key of the first certificate in ${one.certFile} — name the key`,
    );
    expect(stderr).toContain(`${place}.certificates[1].certFile: ${junk}: holds no readable certificate`);
    expect(stderr).toContain(
      `${place}.clientCertificates.caFile: ${noAuthority}: holds no readable authority`,
    );
  });

  it('does not show a file whose name came out of a reference', async () => {
    const authority = await makeCertificates();
    const [one, other] = [await authority.issue(), await authority.issue({ fresh: true })];
    const names = write('names.txt', path.dirname(one.certFile));
    const inFolder = (name: string) => `\${file:${names}}/${path.basename(name)}`;
    const file = withTls(
      'tls-named.yaml',
      `{ certificates: [${pair(inFolder(one.certFile), inFolder(other.keyFile))}] }`,
    );
    const { status, stderr } = run('check', file);
    expect(status).toBe(1);
    expect(stderr).toContain(
      `${file} listeners[1].tls.certificates[0].keyFile: is not the key of the first certificate in certFile — name`,
    );
    expect(stderr).not.toContain(path.dirname(one.certFile));
  });

  it('warns of one that has ended, since start takes it', async () => {
    const { certFile, keyFile } = await (await makeCertificates()).issue({ expired: true });
    const file = withTls('tls-ended.yaml', `{ certificates: [${pair(certFile, keyFile)}] }`);
    const { status, stderr } = run('check', file);
    expect(status).toBe(0);
    expect(stderr).toContain(
      `warning: ${file} listeners[1].tls.certificates[0].certFile: ${certFile}: ended on `,
    );
  });
});

describe('sallyport', () => {
  it('prints its version', () => {
    const { version } = JSON.parse(readFileSync(path.join(CLI, '../../package.json'), 'utf8'));
    expect(run('--version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  });
});

describe('sallyport init', () => {
  it('writes a configuration that passes the check, found by its default name', () => {
    expect(run('init')).toMatchObject({ status: 0, stderr: '' });
    expect(run('check')).toMatchObject({ status: 0, stderr: '' });
  });

  it('tells editors where the JSON Schema is', () => {
    run('init', 'with-schema.yaml');
    const text = readFileSync(path.join(folder, 'with-schema.yaml'), 'utf8');
    const [, schema = ''] = /^# yaml-language-server: \$schema=(.+)$/m.exec(text) ?? [];
    expect(JSON.parse(readFileSync(path.join(folder, schema), 'utf8'))).toMatchObject({ type: 'object' });
  });

  it('leaves a file that is there as it is', () => {
    const file = write('mine.yaml', 'mine\n');
    expect(run('init', file)).toMatchObject({
      status: 1,
      stderr: `${file} is there already; it was left as it is\n`,
    });
    expect(readFileSync(file, 'utf8')).toBe('mine\n');
  });

  it('says what to do where it cannot write', () => {
    const file = path.join(folder, 'nowhere', 'a.yaml');
    expect(run('init', file)).toMatchObject({
      status: 1,
      stderr: `${file} cannot be written (ENOENT): make its folder first\n`,
    });
  });

  it('writes nothing but YAML', () => {
    expect(run('init', 'sallyport.json')).toMatchObject({ status: 1 });
  });
});

describe('sallyport start', () => {
  it('exits 1 with every problem on standard error', () => {
    const file = write('unusable.yaml', 'listeners: []\nmetrics: 1\n');
    const { status, stderr } = run('start', '--config', file);
    expect(status).toBe(1);
    expect(stderr).toMatch(/:1:1 listeners: is empty .+\n.+:2:10 metrics: /);
  });

  it('serves with several workers when asked to, whatever the file says', async () => {
    const file = write(
      'workers.yaml',
      'listeners: [{ port: 0, host: 127.0.0.1 }]\nadmin: { port: 0, token: for-tests }\nworkers: 1\nroutes: []\ndrain: { delay: 0s }\n',
    );
    const gateway = spawn(process.execPath, [CLI, 'start', '--config', file, '--workers', '2']);
    const output = new Output(gateway);
    await output.waitFor(/"workers":2,"msg":"gateway started"/);
    gateway.kill('SIGTERM');
    expect(await once(gateway, 'exit')).toEqual([0, null]);
  });

  it.each(['0', '-1', 'many', '1.5', '257', '9999999'])('takes no %s for a number of workers', (workers) => {
    expect(run('start', `--workers=${workers}`)).toEqual({
      status: 1,
      stdout: '',
      stderr: `--workers ${workers} is not a number of workers: write a whole number from 1 to 256, or auto\n`,
    });
  });

  it('reloads at SIGHUP and ends with 0 after SIGTERM', async () => {
    const text = (drain: string) =>
      `listeners: [{ port: 0, host: ${LOOPBACK} }]\nadmin: { host: ${LOOPBACK}, port: 0, token: for-tests }\nroutes: [{ id: r, path: /x, respond: {} }]\ndrain: { delay: 0s, timeout: ${drain} }\n`;
    const file = write('running.yaml', text('1s'));
    const gateway = spawn(process.execPath, [CLI, 'start', '--config', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = new Output(gateway);
    await output.waitFor(/gateway started/);
    writeFileSync(file, text('nonsense'));
    gateway.kill('SIGHUP');
    await output.waitFor(/is not a duration/);
    gateway.kill('SIGTERM');
    expect(await once(gateway, 'exit')).toEqual([0, null]);
  });
});

describe('an error that nothing catches', () => {
  it('ends the process with 1 and a line of the log', () => {
    const failing = `setTimeout(() => { throw new Error('lost, Bearer s3cr3tvalue'); }, 0)`;
    write('crash.mjs', policyCode(`${failing}; return {};`));
    const file = write(
      'crash.yaml',
      `listeners: [{ port: 0, host: ${LOOPBACK} }]\nadmin: { host: ${LOOPBACK}, port: 0, token: for-tests }\ncustomPolicies: { test/code: ./crash.mjs }\nroutes: [{ id: r, path: /x, policies: [{ test/code: {} }], respond: {} }]\n`,
    );
    const { status, stdout, stderr } = run('start', '--config', file);
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' });
    expect(stdout).not.toContain('s3cr3tvalue');
    const lines = stdout.trim().split('\n');
    expect(lines.map((line) => JSON.parse(line)).filter(({ level }) => level >= 50)).toEqual([
      {
        level: 50,
        time: expect.any(Number),
        origin: 'uncaughtException',
        err: {
          type: 'Error',
          message: 'lost, Bearer [redacted]',
          stack: expect.stringContaining('crash.mjs'),
        },
        msg: 'an error that nothing caught ends the process',
      },
    ]);
  });
});

describe('a promise that is rejected and that nobody awaits', () => {
  it('is a line of the log, and the process goes on', async () => {
    write('lost.mjs', policyCode(`Promise.reject(new Error('lost, Bearer s3cr3tvalue')); return {};`));
    const file = write(
      'lost.yaml',
      `listeners: [{ port: 0, host: ${LOOPBACK} }]\nadmin: { host: ${LOOPBACK}, port: 0, token: for-tests }\ncustomPolicies: { test/code: ./lost.mjs }\nroutes: [{ id: r, path: /x, policies: [{ test/code: {} }], respond: {} }]\ndrain: { delay: 0s }\n`,
    );
    const gateway = spawn(process.execPath, [CLI, 'start', '--config', file]);
    const output = new Output(gateway);
    await output.waitFor(/lost, Bearer \[redacted\].*a promise was rejected that was not awaited/);
    await output.waitFor(/gateway started/);
    gateway.kill('SIGTERM');
    expect(await once(gateway, 'exit')).toEqual([0, null]);
  });
});

describe('an older Node', () => {
  it('is told which one is needed, before anything else is loaded', () => {
    const pretend = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '20.11.1' })`;
    const args = [
      '--import',
      pretend,
      '--input-type=module',
      '-e',
      `await import(${JSON.stringify(pathToFileURL(CLI).href)})`,
    ];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(stderr).toBe(
      'Sallyport needs Node.js 22.19 or later, but this is 20.11.1. Install a newer one.\n',
    );
    expect(status).toBe(1);
  });
});

/** What a process writes, to be waited for. */
class Output {
  private text = '';
  private check: () => void = () => {};

  constructor(child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        this.text += chunk;
        this.check();
      });
    }
  }

  waitFor(pattern: RegExp): Promise<void> {
    return new Promise((resolve) => {
      this.check = () => {
        if (pattern.test(this.text)) resolve();
      };
      this.check();
    });
  }
}

describe('sallyport hash-password', () => {
  const hash = (input: string) =>
    spawnSync(process.execPath, [CLI, 'hash-password'], { input, encoding: 'utf8', cwd: folder });

  it('prints what the policy basic takes for the password on standard input', async () => {
    const { status, stdout } = hash('correct horse\nignored\n');
    expect(status).toBe(0);
    expect(await isPassword('correct horse', parseHash(stdout.trim()))).toBe(true);
    expect(stdout).not.toContain('horse');
  });

  it('wants a password', () => {
    expect(hash('')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: 'There is no password on standard input.\n',
    });
  });
});
