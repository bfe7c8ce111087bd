import { lookup as lookUpByNode } from 'node:dns';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import {
  type AddressAnswer,
  AddressQuery,
  type AddressQuerySettings,
  type LookupAddress,
} from '../../../src/core/network/address-query.ts';
import { NameLookup } from '../../../src/core/network/name-lookup.ts';
import { namesToQuery, parseHosts, parseSearchRules } from '../../../src/core/network/resolver-files.ts';
import { StubClock } from '../../observability/stub-clock.ts';
import { Dnsmasq, type DnsZone } from '../../support/dnsmasq.ts';
import { until } from '../../support/until.ts';

const ipv4 = (address: string): LookupAddress => ({ address, family: 4 });

async function startDns(zone: DnsZone): Promise<Dnsmasq> {
  const server = await Dnsmasq.start(zone);
  onTestFinished(() => server.close());
  return server;
}

async function files(hosts: string, resolvConf: string) {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-names-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const [hostsFile, conf] = [join(folder, 'hosts'), join(folder, 'resolv.conf')];
  await Promise.all([writeFile(hostsFile, hosts), writeFile(conf, resolvConf)]);
  return { hostsFile, resolvConf: conf };
}

async function query(
  zone: DnsZone,
  settings: Partial<AddressQuerySettings> = {},
  hosts = '',
  resolvConf = '',
) {
  const server = await startDns(zone);
  const asked: string[] = [];
  const querySystem = async (name: string) => {
    asked.push(name);
    throw Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' });
  };
  const all = {
    clock: systemClock,
    servers: [server.server],
    querySystem,
    ...(await files(hosts, resolvConf)),
    ...settings,
  };
  return { server, asked, query: new AddressQuery(all), hostsFile: all.hostsFile };
}

/** Answers as it is told, one question after the other. */
class ScriptedQuery {
  readonly asked: string[] = [];
  private waiting: ((answer: AddressAnswer) => void)[] = [];

  ask(name: string): Promise<AddressAnswer> {
    this.asked.push(name);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  answer(...addresses: string[]): void {
    this.settle({ kind: 'found', addresses: addresses.map(ipv4), ttlMs: 5000 });
  }

  settle(answer: AddressAnswer): void {
    this.waiting.shift()?.(answer);
  }
}

function scripted() {
  const clock = new StubClock();
  const script = new ScriptedQuery();
  return { clock, script, names: new NameLookup({ clock }, script) };
}

describe('looking names up', () => {
  it('asks once at a time for a name, whoever wants it, and again when the answer has grown old', async () => {
    const { clock, script, names } = scripted();
    const all = [names.find('a.test'), names.find('a.test'), names.find('a.test')];
    script.answer('192.0.2.1');
    expect(await Promise.all(all)).toEqual([[ipv4('192.0.2.1')], [ipv4('192.0.2.1')], [ipv4('192.0.2.1')]]);
    clock.advance(4999);
    await names.find('a.test');
    expect(script.asked).toEqual(['a.test']);
    clock.advance(1);
    const later = names.find('a.test');
    script.answer('192.0.2.2');
    expect(await later).toEqual([ipv4('192.0.2.2')]);
  });

  it('keeps the last good addresses while no name server answers, at once after the first time', async () => {
    const { clock, script, names } = scripted();
    const first = names.find('a.test');
    script.answer('192.0.2.1');
    await first;
    clock.advance(5000);
    const waits = names.find('a.test');
    clock.advance(250);
    expect(await waits).toEqual([ipv4('192.0.2.1')]);
    script.settle({ kind: 'unanswered', code: 'ETIMEOUT' });
    await until(() => names.unanswered.length === 1);
    for (let i = 0; i < 5; i++) {
      clock.advance(1000);
      expect(await names.find('a.test')).toEqual([ipv4('192.0.2.1')]);
    }
    expect(script.asked).toHaveLength(3);
    script.answer('192.0.2.9');
    await until(() => names.unanswered.length === 0);
    expect(await names.find('a.test')).toEqual([ipv4('192.0.2.9')]);
  });

  it('believes DNS that a name is gone', async () => {
    const { clock, script, names } = scripted();
    const first = names.find('a.test');
    script.answer('192.0.2.1');
    await first;
    clock.advance(5000);
    const gone = names.find('a.test');
    script.settle({ kind: 'absent' });
    await expect(gone).rejects.toMatchObject({ code: 'ENOTFOUND', hostname: 'a.test' });
  });

  it('fails for a name of which nothing is known where nobody answers', async () => {
    const { script, names } = scripted();
    const asked = names.find('a.test');
    script.settle({ kind: 'unanswered', code: 'ETIMEOUT' });
    await expect(asked).rejects.toThrow('getaddrinfo EAI_AGAIN a.test');
  });

  it('answers as dns.lookup does, for one address or all, of one family or both', async () => {
    const addresses = [ipv4('192.0.2.1'), { address: '2001:db8::1', family: 6 }];
    const names = new NameLookup({}, { ask: async () => ({ kind: 'found', addresses, ttlMs: 1000 }) });
    const ask = (name: string, options: object) =>
      new Promise((resolve) => names.lookup(name, options, (...given) => resolve(given)));
    expect(await ask('a.test', { all: true })).toEqual([null, addresses]);
    expect(await ask('a.test', {})).toEqual([null, '192.0.2.1', 4]);
    expect(await ask('a.test', { family: 6 })).toEqual([null, '2001:db8::1', 6]);
    expect(await ask('192.0.2.7', {})).toEqual([null, '192.0.2.7', 4]);
    expect(lookUpByNode).toBeTypeOf('function');
  });
});

describe('the question for addresses', () => {
  it('is answered by DNS, with its TTL', async () => {
    const { query: dns } = await query({ records: ['a.test,127.0.0.2,60'] });
    expect(await dns.ask('a.test')).toEqual({ kind: 'found', addresses: [ipv4('127.0.0.2')], ttlMs: 60_000 });
  });

  it('is answered by the hosts file first, which may change, and for localhost in any case', async () => {
    const clock = new StubClock();
    const { query: dns, hostsFile } = await query(
      { records: ['a.test,127.0.0.2'] },
      { clock },
      '127.0.0.3 A.test # ours\n',
    );
    expect(await dns.ask('a.test')).toMatchObject({ addresses: [ipv4('127.0.0.3')] });
    await writeFile(hostsFile, '127.0.0.44 a.test b.test\n');
    clock.advance(1000);
    expect(await dns.ask('a.test')).toMatchObject({ addresses: [ipv4('127.0.0.44')] });
    expect(await dns.ask('localhost')).toMatchObject({
      addresses: [ipv4('127.0.0.1'), { address: '::1', family: 6 }],
    });
  });

  it('goes through the search domains, and to the system only where DNS knows none of them', async () => {
    const zone = { records: ['orders.ns.svc.test,127.0.0.5', 'a.b.test,127.0.0.6'] };
    const { query: dns, asked } = await query(zone, {}, '', 'search ns.svc.test svc.test\noptions ndots:5\n');
    expect(await dns.ask('orders')).toMatchObject({ addresses: [ipv4('127.0.0.5')] });
    expect(await dns.ask('a.b.test')).toMatchObject({ addresses: [ipv4('127.0.0.6')] });
    expect(asked).toEqual([]);
    expect(await dns.ask('nobody.test')).toEqual({ kind: 'absent' });
    expect(await dns.ask('orders.')).toEqual({ kind: 'absent' });
    expect(asked).toEqual(['nobody.test', 'orders.']);
  });

  it('takes at most two threads of the system, and none where the name server is silent', async () => {
    const inSystem: ((addresses: LookupAddress[]) => void)[] = [];
    const querySystem = () => new Promise<LookupAddress[]>((resolve) => inSystem.push(resolve));
    const { query: dns, server } = await query({ records: ['a.test,127.0.0.2'] }, { querySystem });
    const unknown = ['x', 'y', 'z'].map((name) => dns.ask(`${name}.test`));
    await until(() => inSystem.length === 2);
    expect(await dns.ask('a.test')).toMatchObject({ kind: 'found' });
    expect(inSystem).toHaveLength(2);
    for (let i = 0; i < 3; i++) {
      await until(() => inSystem.length > i);
      inSystem[i]?.([ipv4('127.0.0.9')]);
    }
    expect(await Promise.all(unknown)).toHaveLength(3);
    server.freeze();
    expect(await dns.ask('a.test')).toEqual({ kind: 'unanswered', code: 'ETIMEOUT' });
    expect(inSystem).toHaveLength(3);
  });
});

describe('the files of the resolver', () => {
  it('are read as hosts(5) and resolv.conf(5) say', () => {
    const hosts = parseHosts(
      '# all\n127.0.0.1\tlocalhost one # more\n::1 localhost\nnonsense x\n127.0.0.1 one\n',
    );
    expect([...hosts]).toEqual([
      ['localhost', ['127.0.0.1', '::1']],
      ['one', ['127.0.0.1']],
    ]);
    expect(parseSearchRules('domain a.test\nsearch b.test c.test. # ours\noptions edns0 ndots:99\n')).toEqual(
      {
        search: ['b.test', 'c.test'],
        ndots: 15,
      },
    );
    expect(parseSearchRules('')).toEqual({ search: [], ndots: 1 });
  });

  it('say in which order names are asked for', () => {
    const rules = { search: ['ns.test', 'test'], ndots: 2 };
    expect(namesToQuery('orders', rules)).toEqual(['orders.ns.test', 'orders.test', 'orders']);
    expect(namesToQuery('a.b.c', rules)).toEqual(['a.b.c', 'a.b.c.ns.test', 'a.b.c.test']);
    expect(namesToQuery('a.', rules)).toEqual(['a']);
  });
});
