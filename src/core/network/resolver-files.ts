import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { Clock } from '../clock.ts';

/** How names are looked for, as `/etc/resolv.conf` says (resolv.conf(5)). */
export interface SearchRules {
  /** Domains that are tried behind a name. */
  readonly search: readonly string[];
  /** Names with at least so many dots are tried as they are first. */
  readonly ndots: number;
}

const LOOK_MS = 1000;
const MOST_NDOTS = 15;

/** Reads a file once, and again when it has changed, which is looked after once a second at most. */
export class WatchedText<T> {
  private readonly file: string;
  private readonly clock: Clock;
  private readonly parse: (text: string) => T;
  private value: T;
  private version = '';
  private reading: Promise<T> | undefined = undefined;
  private lookedAt = Number.NEGATIVE_INFINITY;

  constructor(file: string, clock: Clock, parse: (text: string) => T) {
    this.file = file;
    this.clock = clock;
    this.parse = parse;
    this.value = parse('');
  }

  /** Gives what the file holds; one that is missing is empty, and one that cannot be read is as it was. */
  read(): Promise<T> {
    this.reading ??= this.readNow().finally(() => {
      this.reading = undefined;
    });
    return this.reading;
  }

  private async readNow(): Promise<T> {
    const now = this.clock.monotonic();
    if (now - this.lookedAt < LOOK_MS) return this.value;
    this.lookedAt = now;
    try {
      const { mtimeMs, size, ino } = await stat(this.file);
      const version = `${mtimeMs} ${size} ${ino}`;
      if (version !== this.version) this.value = this.parse(await readFile(this.file, 'utf8'));
      this.version = version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') this.value = this.parse('');
      this.version = '';
    }
    return this.value;
  }
}

/** Reads a hosts file (hosts(5)): from names in small letters to addresses, in the order of the file. */
export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (isIP(address) === 0) continue;
    for (const name of names) {
      const known = hosts.get(name.toLowerCase());
      if (known === undefined) hosts.set(name.toLowerCase(), [address]);
      else if (!known.includes(address)) known.push(address);
    }
  }
  return hosts;
}

/** Reads the rules of searching. Of `search` and `domain` the last one counts, of each option the last one. */
export function parseSearchRules(text: string): SearchRules {
  let search: string[] = [];
  let ndots = 1;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'search') search = values;
    if (keyword === 'domain') search = values.slice(0, 1);
    if (keyword !== 'options') continue;
    for (const value of values) {
      const [, dots] = /^ndots:(\d+)$/.exec(value) ?? [];
      if (dots !== undefined) ndots = Math.min(MOST_NDOTS, Number(dots));
    }
  }
  const domains = search.map((domain) => domain.replace(/\.$/, '')).filter((domain) => domain !== '');
  return { search: domains, ndots };
}

/** Names to ask for, in their order. One that ends in a dot is asked for as it is. */
export function namesToQuery(name: string, { search, ndots }: SearchRules): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const found = search.map((domain) => `${name}.${domain}`);
  return name.split('.').length - 1 >= ndots ? [name, ...found] : [...found, name];
}
