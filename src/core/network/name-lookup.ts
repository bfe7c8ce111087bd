import dns, { type LookupOptions } from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { isIP, type LookupFunction } from 'node:net';
import { type Clock, systemClock } from '../clock.ts';
import { AddressQuery, type AddressQuerySettings, type LookupAddress } from './address-query.ts';

/** What is known of a name. */
interface KnownName {
  addresses: readonly LookupAddress[];
  freshUntil: number;
  /** Since when nobody says what its addresses are. */
  failingSince: number | undefined;
  retryAt: number;
}

/** A response is good for its TTL within these bounds, so that a change of addresses is noticed soon. */
const SHORTEST_MS = 1000;
const LONGEST_MS = 30_000;
/** How long the addresses from before wait for those of now. */
const PATIENCE_MS = 250;
const RETRY_MS = 1000;
const MOST_NAMES = 1000;

type Callback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

/**
 * Looks names up for connections: each name once at a time, whoever wants it. The last good addresses are kept while no
 * name server answers, and go on being used then. A name that DNS says is gone is gone.
 */
export class NameLookup {
  private readonly clock: Clock;
  private readonly query: Pick<AddressQuery, 'ask'>;
  private readonly known = new Map<string, KnownName>();
  private readonly asking = new Map<string, Promise<KnownName | Error>>();

  constructor(settings: Partial<AddressQuerySettings> = {}, query?: Pick<AddressQuery, 'ask'>) {
    this.clock = settings.clock ?? systemClock;
    this.query = query ?? new AddressQuery({ ...settings, clock: this.clock });
  }

  /** Names for which nobody answers, so that their last good addresses are used. */
  get unanswered(): readonly string[] {
    return [...this.known].filter(([, { failingSince }]) => failingSince !== undefined).map(([name]) => name);
  }

  /** Does what `dns.lookup` does, for `net.connect`. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    const done = callback as unknown as Callback;
    const family = isIP(hostname);
    if (family !== 0)
      return process.nextTick(() => give(hostname, [{ address: hostname, family }], options, done));
    this.find(hostname).then(
      (addresses) => give(hostname, addresses, options, done),
      (error: NodeJS.ErrnoException) => done(error, ''),
    );
  };

  /** Finds the addresses of a name. Rejects with an error in the manner of getaddrinfo. */
  async find(name: string): Promise<readonly LookupAddress[]> {
    const known = this.known.get(name);
    const now = this.clock.monotonic();
    if (known === undefined) return addressesOf(await this.queryOnce(name));
    if (now < known.freshUntil) return known.addresses;
    if (known.failingSince !== undefined && now < known.retryAt) return known.addresses;
    const asking = this.queryOnce(name);
    if (known.failingSince !== undefined) return known.addresses;
    return addressesOf(await Promise.race([asking, this.afterPatience(known)]));
  }

  private afterPatience(known: KnownName): Promise<KnownName> {
    return new Promise((resolve) => void this.clock.after(PATIENCE_MS, () => resolve(known)));
  }

  private queryOnce(name: string): Promise<KnownName | Error> {
    let asking = this.asking.get(name);
    if (asking === undefined) {
      asking = this.ask(name).finally(() => this.asking.delete(name));
      this.asking.set(name, asking);
    }
    return asking;
  }

  private async ask(name: string): Promise<KnownName | Error> {
    const answer = await this.query.ask(name);
    const now = this.clock.monotonic();
    const former = this.known.get(name);
    this.known.delete(name);
    if (answer.kind === 'absent') return lookupError('ENOTFOUND', name);
    if (answer.kind === 'found') {
      const goodForMs = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, answer.ttlMs));
      const { addresses } = answer;
      return this.remember(name, {
        addresses,
        freshUntil: now + goodForMs,
        failingSince: undefined,
        retryAt: 0,
      });
    }
    if (former === undefined) return lookupError('EAI_AGAIN', name);
    return this.remember(name, {
      ...former,
      failingSince: former.failingSince ?? now,
      retryAt: now + RETRY_MS,
    });
  }

  private remember(name: string, known: KnownName): KnownName {
    const [oldest] = this.known.keys();
    if (this.known.size >= MOST_NAMES && oldest !== undefined) this.known.delete(oldest);
    this.known.set(name, known);
    return known;
  }
}

function addressesOf(known: KnownName | Error): readonly LookupAddress[] {
  if (known instanceof Error) throw known;
  return known.addresses;
}

function give(name: string, all: readonly LookupAddress[], options: LookupOptions, done: Callback): void {
  const wanted = options.family === 'IPv4' ? 4 : options.family === 'IPv6' ? 6 : (options.family ?? 0);
  const addresses = wanted === 0 ? all : all.filter(({ family }) => family === wanted);
  const [first] = addresses;
  if (first === undefined) done(lookupError('ENOTFOUND', name), '');
  else if (options.all === true) done(null, [...addresses]);
  else done(null, first.address, first.family);
}

function lookupError(code: string, hostname: string): Error {
  return Object.assign(new Error(`getaddrinfo ${code} ${hostname}`), {
    code,
    syscall: 'getaddrinfo',
    hostname,
  });
}

let current: NameLookup | undefined;

/** The one that all connections of this process share. */
export function systemLookup(): NameLookup {
  current ??= new NameLookup();
  return current;
}

/** Makes `lookup` the one that all connections share; for tests. Returns a function that takes that back. */
export function replaceSystemLookup(lookup: NameLookup): () => void {
  const former = current;
  current = lookup;
  return () => {
    current = former;
  };
}

/** Does what `dns.lookup` does, by the names that this process shares. For `net.connect` and its like. */
export const lookUpName: LookupFunction = (hostname, options, callback) =>
  systemLookup().lookup(hostname, options, callback);

/**
 * Has everything in this process look names up so, what policies of users and libraries connect to included: with Node's
 * own `dns.lookup` four names of a silent server are enough to keep every file from being read. Only for a process
 * that is the gateway's own.
 */
export function takeOverLookups(): void {
  const original = dns.lookup;
  const replaced = (hostname: string, options: unknown, callback?: unknown): void => {
    const given =
      typeof options === 'function' ? {} : typeof options === 'number' ? { family: options } : options;
    const done = typeof options === 'function' ? options : callback;
    const { hints = 0 } = (given ?? {}) as LookupOptions;
    // Who connects wants the families that the machine has, as it gets them here.
    const isUsual = typeof done === 'function' && (hints & ~dns.ADDRCONFIG) === 0;
    if (!isUsual || typeof hostname !== 'string' || hostname === '')
      return (original as (...args: unknown[]) => void)(hostname, options, callback);
    lookUpName(hostname, (given ?? {}) as LookupOptions, done as Parameters<LookupFunction>[2]);
  };
  dns.lookup = Object.assign(replaced, original) as unknown as typeof dns.lookup;
  syncBuiltinESMExports();
}
