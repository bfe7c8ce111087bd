import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { findFreePort } from '../process.ts';
import { writeInto } from '../workplace.ts';
import type { Services } from './subject.ts';

const PLAIN = 3;
const NAMED = 2;

/** One service, a process that may be killed, stopped and started again on the same port. */
class Service {
  readonly address: string;
  private readonly host: string;
  private readonly port: number;
  private readonly journal: string;
  private child: ChildProcess | undefined = undefined;

  constructor(host: string, port: number, journal: string) {
    this.host = host;
    this.port = port;
    this.journal = journal;
    this.address = `${host}:${port}`;
  }

  async start(): Promise<void> {
    const file = path.join(import.meta.dirname, 'target.ts');
    this.child = fork(file, [this.host, String(this.port), this.journal]);
    await once(this.child, 'message');
  }

  signal(name: NodeJS.Signals): void {
    this.child?.kill(name);
  }

  /** Ends it and waits for that; with SIGTERM it finishes what it has. */
  async stop(name: NodeJS.Signals): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined) return;
    const exited = once(child, 'exit');
    child.kill(name);
    await exited;
  }

  /** The ids of the requests that it was given and had not answered, and of those that it was given. */
  read(): { readonly held: Set<string>; readonly given: string[] } {
    const held = new Set<string>();
    const given: string[] = [];
    for (const line of readFileSync(this.journal, 'utf8').split('\n')) {
      const [mark, method, id = ''] = line.split(' ');
      if (mark === 'began') held.add(id);
      if (mark === 'began' && method !== 'GET') given.push(id);
      if (mark === 'ended') held.delete(id);
    }
    return { held, given };
  }
}

/** The services behind one subject. */
export class Fleet {
  readonly plain: readonly Service[];
  readonly named: readonly Service[];

  private constructor(plain: readonly Service[], named: readonly Service[]) {
    this.plain = plain;
    this.named = named;
  }

  static async start(folder: string): Promise<Fleet> {
    const make = (host: string, port: number, name: string): Service =>
      new Service(host, port, writeInto(folder, name, ''));
    const plainPorts = await Promise.all(Array.from({ length: PLAIN }, findFreePort));
    // They differ in their addresses alone.
    const namedPort = await findFreePort();
    const fleet = new Fleet(
      plainPorts.map((port, i) => make('127.0.0.1', port, `plain-${i}`)),
      Array.from({ length: NAMED }, (_, i) => make(`127.0.0.${i + 2}`, namedPort, `named-${i}`)),
    );
    await Promise.all(fleet.all.map((service) => service.start()));
    return fleet;
  }

  get all(): readonly Service[] {
    return [...this.plain, ...this.named];
  }

  get services(): Services {
    return {
      plain: this.plain.map(({ address }) => address),
      named: this.named.map(({ address }) => address),
    };
  }

  /** The ids of requests that must not be repeated and that were given to services more than once. */
  findDoubled(): string[] {
    const seen = new Set<string>();
    return this.all
      .flatMap((service) => service.read().given)
      .filter((id) => seen.size === seen.add(id).size);
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((service) => service.stop('SIGKILL')));
  }
}

export type { Service };
