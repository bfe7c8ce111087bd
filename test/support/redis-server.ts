import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createClient } from '@redis/client';
import { findCommand } from '../../scripts/ensure-packages.ts';
import { LOOPBACK, reservePort } from './loopback.ts';

export interface RedisServerOptions {
  /** Lines of its configuration file, beyond address, port and folder. */
  readonly config?: readonly string[];
  readonly isSentinel?: boolean;
  /** Listens for TLS only. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile: string };
}

/** A real Redis on an address of this process alone, so that nobody else can get its port while it is stopped. */
export class RedisServer {
  readonly host = LOOPBACK;
  readonly port: number;
  readonly url: string;
  /** The file of its socket. */
  readonly socketPath: string;
  private readonly folder: string;
  private readonly options: RedisServerOptions;
  private child: ChildProcess | undefined = undefined;

  private constructor(port: number, folder: string, options: RedisServerOptions) {
    this.port = port;
    this.folder = folder;
    this.options = options;
    this.socketPath = join(folder, 'redis.sock');
    this.url = `${options.tls === undefined ? 'redis' : 'rediss'}://${LOOPBACK}:${port}`;
    writeFileSync(join(folder, 'redis.conf'), this.configText());
  }

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-redis-'));
    const server = new RedisServer(await reservePort(), folder, options);
    await server.resume();
    return server;
  }

  /** Starts it, or starts it again: with nothing of what it knew, since it saves nothing. */
  async resume(): Promise<void> {
    const mode = this.options.isSentinel === true ? ['--sentinel'] : [];
    const file = join(this.folder, 'redis.conf');
    const child = spawn(findCommand('redis-server') ?? 'redis-server', [file, ...mode], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.child = child;
    // A test run that is broken off leaves no server behind.
    const kill = (): void => void child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.removeListener('exit', kill));
    const output: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      output.push(line);
      if (!/Ready to accept connections|Sentinel ID is/.test(line)) continue;
      child.stdout.resume();
      return;
    }
    throw new Error(`redis-server does not start:\n${output.join('\n')}`);
  }

  /** Kills it, as a crash would. */
  async kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Stops it in its tracks: connections stay, nothing is answered. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  /** Sends one command over a connection of its own. */
  async command(...args: string[]): Promise<unknown> {
    const client = createClient({ socket: { path: this.socketPath, tls: false } });
    client.on('error', () => {});
    await client.connect();
    try {
      return await client.sendCommand(args);
    } finally {
      client.destroy();
    }
  }

  async close(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private configText(): string {
    const { config = [], tls } = this.options;
    const listening =
      tls === undefined
        ? [`port ${this.port}`]
        : [
            'port 0',
            `tls-port ${this.port}`,
            `tls-cert-file ${tls.certFile}`,
            `tls-key-file ${tls.keyFile}`,
            `tls-ca-cert-file ${tls.caFile}`,
          ];
    return [
      `bind ${LOOPBACK}`,
      ...listening,
      `unixsocket ${this.socketPath}`,
      `dir ${this.folder}`,
      'protected-mode no',
      // What it connects to would take it for 127.0.0.1, where it does not listen.
      ...(this.options.isSentinel === true
        ? [`sentinel announce-ip ${LOOPBACK}`]
        : [
            'save ""',
            `replica-announce-ip ${LOOPBACK}`,
            `cluster-announce-ip ${LOOPBACK}`,
            'repl-diskless-sync-delay 0',
          ]),
      ...config,
      '',
    ].join('\n');
  }
}
