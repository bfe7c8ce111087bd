import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findCommand } from '../../scripts/ensure-packages.ts';
import { LOOPBACK, reservePort } from './loopback.ts';

/** What the name server knows, all of it below `test.` */
export interface DnsZone {
  /** Lines of a hosts file: an address and names. */
  readonly hosts?: readonly string[];
  /** Names with an address and a TTL of their own: `a.test,127.0.0.2,60`. */
  readonly records?: readonly string[];
  /** As dnsmasq writes them: `_http._tcp.orders.test,target,port,priority,weight`. */
  readonly services?: readonly string[];
  /** Seconds that answers are good for. Default: 5. */
  readonly ttl?: number;
}

/** A real name server (dnsmasq) on a port of loopback. */
export class Dnsmasq {
  /** Address and port, as a resolver takes them. */
  readonly server: string;
  private readonly port: number;
  private readonly folder: string;
  private child: ChildProcess | undefined = undefined;

  private constructor(port: number, folder: string) {
    this.server = `${LOOPBACK}:${port}`;
    this.port = port;
    this.folder = folder;
  }

  static async start(zone: DnsZone): Promise<Dnsmasq> {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-dnsmasq-'));
    const dns = new Dnsmasq(await reservePort(), folder);
    await dns.run(zone);
    return dns;
  }

  /** Starts it on the same port, after `stop` or with another zone. */
  async resume(zone: DnsZone): Promise<void> {
    await this.stop();
    await this.run(zone);
  }

  private async run(zone: DnsZone): Promise<void> {
    const hosts = join(this.folder, 'hosts');
    writeFileSync(hosts, (zone.hosts ?? []).map((line) => `${line}\n`).join(''));
    const child = spawn(findCommand('dnsmasq') ?? 'dnsmasq', [
      '--no-daemon',
      '--conf-file=/dev/null',
      '--pid-file=',
      '--no-resolv',
      '--no-hosts',
      '--local=/test/',
      '--bind-interfaces',
      `--listen-address=${LOOPBACK}`,
      `--port=${this.port}`,
      `--addn-hosts=${hosts}`,
      `--local-ttl=${zone.ttl ?? 5}`,
      ...(zone.records ?? []).map((record) => `--host-record=${record}`),
      ...(zone.services ?? []).map((service) => `--srv-host=${service}`),
      // As root it would become a user that may not read the hosts file.
      ...(process.getuid?.() === 0 ? ['--user=root'] : []),
    ]);
    this.child = child;
    // A test run that is broken off leaves no server behind.
    const kill = (): void => void child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.removeListener('exit', kill));
    await once(child, 'spawn');
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stderr })) {
      lines.push(line);
      if (!/: read .*hosts/.test(line)) continue;
      child.stderr.resume();
      return;
    }
    throw new Error(`dnsmasq does not start on ${this.server}:\n${lines.join('\n')}`);
  }

  /** Keeps it from running: it takes questions and answers none. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  /** Stops it; what asks then is refused. */
  async stop(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
