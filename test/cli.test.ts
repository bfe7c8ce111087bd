import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { isPassword, parseHash } from '../src/policies/password-hash.ts';
import { LOOPBACK } from './support/loopback.ts';

const cli = path.resolve(import.meta.dirname, '../src/cli.ts');
const folder = mkdtempSync(path.join(tmpdir(), 'sallyport-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
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

  it('says so when there is no configuration', () => {
    const { status, stderr } = run('check');
    expect(status).toBe(1);
    expect(stderr).toContain('run: sallyport init');
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
    const gateway = spawn(process.execPath, [cli, 'start', '--config', file, '--workers', '2']);
    const output = new Output(gateway);
    await output.waitFor(/"workers":2,"msg":"gateway started"/);
    gateway.kill('SIGTERM');
    expect(await once(gateway, 'exit')).toEqual([0, null]);
  });

  it.each(['0', '-1', 'many', '1.5'])('takes no %s for a number of workers', (workers) => {
    expect(run('start', `--workers=${workers}`)).toEqual({
      status: 1,
      stdout: '',
      stderr: `--workers ${workers} is not a number of workers: write a whole number from 1 on, or auto\n`,
    });
  });

  it('reloads at SIGHUP and ends with 0 after SIGTERM', async () => {
    const text = (drain: string) =>
      `listeners: [{ port: 0, host: ${LOOPBACK} }]\nadmin: { host: ${LOOPBACK}, port: 0, token: for-tests }\nroutes: [{ id: r, path: /x, respond: {} }]\ndrain: { delay: 0s, timeout: ${drain} }\n`;
    const file = write('running.yaml', text('1s'));
    const gateway = spawn(process.execPath, [cli, 'start', '--config', file], {
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

describe('an older Node', () => {
  it('is told which one is needed, before anything else is loaded', () => {
    const pretend = `data:text/javascript,Object.defineProperty(process.versions, 'node', { value: '20.11.1' })`;
    const args = [
      '--import',
      pretend,
      '--input-type=module',
      '-e',
      `await import(${JSON.stringify(pathToFileURL(cli).href)})`,
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
    spawnSync(process.execPath, [cli, 'hash-password'], { input, encoding: 'utf8', cwd: folder });

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
