import dns, { getDefaultResultOrder } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../clock.ts';
import { namesToQuery, parseHosts, parseSearchRules, WatchedText } from './resolver-files.ts';

export interface LookupAddress {
  readonly address: string;
  readonly family: number;
}

export type AddressAnswer =
  | { readonly kind: 'found'; readonly addresses: readonly LookupAddress[]; readonly ttlMs: number }
  /** There is no such name. */
  | { readonly kind: 'absent' }
  /** Nobody says whether there is. */
  | { readonly kind: 'unanswered'; readonly code: string };

export interface AddressQuerySettings {
  readonly clock: Clock;
  /** Name servers, as `address` or `address:port`. Default: the system's. */
  readonly servers?: readonly string[];
  /** Default: `/etc/hosts`. */
  readonly hostsFile?: string;
  /** Default: `/etc/resolv.conf`. */
  readonly resolvConf?: string;
  /** Asks the system, which knows of other ways than DNS. Default: getaddrinfo. */
  readonly querySystem?: (name: string) => Promise<readonly LookupAddress[]>;
}

const TIMEOUT_MS = 1500;
const TRIES = 2;
/** How long a family waits for the other one. */
const OTHER_FAMILY_MS = 250;
/** How many threads of the four that wait for files, too, may wait for the system's answer. */
const MOST_SYSTEM_QUERIES = 2;
/** How long a response is good that does not say how long it is. */
const UNKNOWN_TTL_MS = 1000;
/** As it is now: this process may take it over. */
const lookUpBySystem = dns.lookup;
const LOCALHOST = ['127.0.0.1', '::1'];

/**
 * Looks a name up as getaddrinfo does, but without one of the few threads that wait for files: in the hosts file, then
 * by DNS with the search domains. Only what DNS does not know goes to getaddrinfo, a few names at a time, since there
 * may be other ways to it (mDNS, LDAP). A name server that is silent so holds up nothing else.
 */
export class AddressQuery {
  private readonly settings: AddressQuerySettings;
  private readonly hosts: WatchedText<ReadonlyMap<string, readonly string[]>>;
  private readonly resolving: WatchedText<Resolving>;
  private systemQueries = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(settings: AddressQuerySettings) {
    const { clock, hostsFile = '/etc/hosts', resolvConf = '/etc/resolv.conf' } = settings;
    this.settings = settings;
    this.hosts = new WatchedText(hostsFile, clock, parseHosts);
    // One for each state of the file: it reads the list of servers when it is made.
    this.resolving = new WatchedText(resolvConf, clock, (text) => ({
      rules: parseSearchRules(text),
      resolver: undefined,
    }));
  }

  /** Never rejects. */
  async ask(name: string): Promise<AddressAnswer> {
    const plain = name.toLowerCase().replace(/\.$/, '');
    const inFile = (await this.hosts.read()).get(plain) ?? (isLocal(plain) ? LOCALHOST : undefined);
    if (inFile !== undefined) return found(inFile.map(toAddress), UNKNOWN_TTL_MS);
    const answer = await this.queryDns(name);
    // Where servers are silent or in trouble, the system would wait for them as long.
    if (answer.kind === 'found') return answer;
    if (answer.kind === 'unanswered' && PROBLEMS.has(answer.code)) return answer;
    return this.querySystem(name);
  }

  private async queryDns(name: string): Promise<AddressAnswer> {
    const resolving = await this.resolving.read();
    resolving.resolver ??= this.createResolver();
    let answer: AddressAnswer = { kind: 'absent' };
    for (const each of namesToQuery(name, resolving.rules)) {
      const next = await this.queryOne(each, resolving.resolver);
      if (next.kind === 'found') return next;
      if (next.kind === 'unanswered') answer = next;
      if (next.kind === 'unanswered' && next.code !== 'ESERVFAIL' && next.code !== 'EREFUSED') return next;
    }
    return answer;
  }

  private createResolver(): Resolver {
    const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
    if (this.settings.servers !== undefined) resolver.setServers(this.settings.servers);
    return resolver;
  }

  /** Asks for both families at a time. The one that is there does not wait long for the other. */
  private async queryOne(name: string, resolver: Resolver): Promise<AddressAnswer> {
    const ipv4 = settle(resolver.resolve4(name, { ttl: true }));
    const ipv6 = settle(resolver.resolve6(name, { ttl: true }));
    const first = await Promise.race([ipv4, ipv6]);
    const isEnough = typeof first !== 'string' && first.length > 0;
    const both = Promise.all([ipv4, ipv6]);
    const settled = isEnough ? await Promise.race([both, this.after(OTHER_FAMILY_MS, [first])]) : await both;
    const records = settled.flatMap((each) => (typeof each === 'string' ? [] : each));
    if (records.length > 0) {
      const ttlMs = Math.min(...records.map(({ ttl }) => ttl)) * 1000;
      return found(inOrder(records.map(({ address }) => toAddress(address))), ttlMs);
    }
    const code = settled.find((each) => typeof each === 'string' && !ABSENCES.has(each));
    return typeof code === 'string' ? { kind: 'unanswered', code } : { kind: 'absent' };
  }

  private after<T>(ms: number, value: T): Promise<T> {
    return new Promise((resolve) => void this.settings.clock.after(ms, () => resolve(value)));
  }

  private async querySystem(name: string): Promise<AddressAnswer> {
    if (this.systemQueries >= MOST_SYSTEM_QUERIES)
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.systemQueries++;
    try {
      const addresses = await (this.settings.querySystem ?? queryGetaddrinfo)(name);
      return found(addresses, UNKNOWN_TTL_MS);
    } catch (error) {
      const code = String((error as NodeJS.ErrnoException).code);
      return code === 'ENOTFOUND' ? { kind: 'absent' } : { kind: 'unanswered', code };
    } finally {
      // Whoever waits takes over the place.
      const next = this.waiting.shift();
      if (next === undefined) this.systemQueries--;
      else next();
    }
  }
}

interface Resolving {
  readonly rules: ReturnType<typeof parseSearchRules>;
  resolver: Resolver | undefined;
}

/** Where there is more than one server, others were asked by then. */
const PROBLEMS: ReadonlySet<string> = new Set(['ETIMEOUT', 'ESERVFAIL']);

/** Responses of DNS that say that there is nothing; a name that cannot be one is nowhere either. */
const ABSENCES: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME', 'EBADQUERY']);

type Records = readonly { readonly address: string; readonly ttl: number }[];

/** Gives the records, or the code of what came instead. */
function settle(question: Promise<Records>): Promise<Records | string> {
  return question.catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
}

function found(addresses: readonly LookupAddress[], ttlMs: number): AddressAnswer {
  return addresses.length === 0 ? { kind: 'absent' } : { kind: 'found', addresses, ttlMs };
}

function toAddress(address: string): LookupAddress {
  return { address, family: isIP(address) };
}

/** The names below `localhost` never leave the machine (RFC 6761 §6.3). */
function isLocal(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

/**
 * The family that this machine rather has comes first, as RFC 6724 would have it, or as Node was told. IPv6 is left out
 * where the machine has none and there is something else (AI_ADDRCONFIG).
 */
function inOrder(addresses: readonly LookupAddress[]): readonly LookupAddress[] {
  const order = getDefaultResultOrder();
  const hasIpv6 = hasGlobalIpv6();
  const ipv4 = addresses.filter(({ family }) => family === 4);
  if (!hasIpv6 && ipv4.length > 0) return ipv4;
  const ipv6 = addresses.filter(({ family }) => family === 6);
  return order === 'ipv4first' ? [...ipv4, ...ipv6] : [...ipv6, ...ipv4];
}

function hasGlobalIpv6(): boolean {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return all.some(
    ({ family, internal, address }) => family === 'IPv6' && !internal && !address.startsWith('fe80:'),
  );
}

function queryGetaddrinfo(name: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) =>
    lookUpBySystem(name, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses))),
  );
}
