import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { CLI } from './bundled-gateway.ts';
import { ADMIN_TOKEN, type TestConfig } from './harness.ts';
import { LOOPBACK } from './loopback.ts';

export interface GatewayProcessOptions {
  /** How many files it may have open. */
  readonly openFiles?: number;
  /** What Node is told, made from the folder of the configuration. */
  readonly nodeFlags?: (folder: string) => readonly string[];
  /** Where its log goes instead of to the test. */
  readonly stdout?: number;
}

/** A gateway in a process of its own, which gets signals. Ends with its test. */
export class GatewayProcess {
  readonly configFile: string;
  private readonly child: ChildProcess;
  /** What it and its workers wrote to standard error. */
  errors = '';
  private output = '';
  private waiting: (() => void)[] = [];

  /**
   * Starts the command line's gateway on `config` and waits until it listens. `files` lie beside the configuration:
   * from the name to the content.
   */
  static async start(
    config: TestConfig,
    files: Readonly<Record<string, string>> = {},
    options: GatewayProcessOptions = {},
  ): Promise<GatewayProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-test-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const configFile = join(folder, 'sallyport.json');
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    await write(configFile, config);
    const started = new GatewayProcess(configFile, options);
    await started.line('gateway started');
    return started;
  }

  private constructor(configFile: string, { openFiles, stdout, nodeFlags }: GatewayProcessOptions) {
    this.configFile = configFile;
    const limits = openFiles === undefined ? [] : ['prlimit', `--nofile=${openFiles}:${openFiles}`];
    const node = [process.execPath, ...(nodeFlags?.(dirname(configFile)) ?? [])];
    const [command, ...args] = [...limits, ...node, CLI, 'start', '--config', configFile];
    this.child = spawn(command as string, args, { stdio: ['ignore', stdout ?? 'pipe', 'pipe'] });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
      process.stderr.write(text);
    });
    onTestFinished(() => void this.child.kill('SIGKILL'));
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.hear(text));
    this.child.once('exit', () => this.hear(''));
  }

  /** The lines of its log so far. */
  get lines(): Record<string, unknown>[] {
    const whole = this.output.slice(0, this.output.lastIndexOf('\n') + 1);
    return whole
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }

  get port(): number {
    const started = this.lines.find(({ msg }) => msg === 'gateway started') as { ports: number[] };
    return started.ports[0] as number;
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** Where the configuration file is, and what it names. */
  get folder(): string {
    return dirname(this.configFile);
  }

  /** Waits for a line of its log, the first one unless `isMeant` says which. */
  async line(
    msg: string,
    isMeant: (line: Record<string, unknown>) => boolean = () => true,
  ): Promise<Record<string, unknown>> {
    while (true) {
      const found = this.lines.find((line) => line.msg === msg && isMeant(line));
      if (found !== undefined) return found;
      if (this.child.exitCode !== null) throw new Error(`the gateway ended without '${msg}': ${this.output}`);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  async rewrite(config: TestConfig): Promise<void> {
    await write(this.configFile, config);
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Waits for its end and returns the exit code. */
  async exit(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, 'close');
    return this.child.exitCode;
  }

  private hear(text: string): void {
    this.output += text;
    for (const wake of this.waiting.splice(0)) wake();
  }
}

function write(file: string, config: TestConfig): Promise<void> {
  const listeners = [{ host: LOOPBACK, port: 0 }];
  return writeFile(
    file,
    JSON.stringify({
      listeners,
      ...config,
      admin: { host: LOOPBACK, port: 0, token: ADMIN_TOKEN, ...config.admin },
    }),
  );
}
