import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createDnsSource, type DnsSettings } from '../../../src/upstream/discovery/dns-source.ts';
import { Dnsmasq, type DnsZone } from '../../support/dnsmasq.ts';
import { LOOPBACK } from '../../support/loopback.ts';
import { ManualClock } from './manual-clock.ts';
import { ObservedSource } from './observed-source.ts';

const stops: (() => unknown)[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function startDns(zone: DnsZone): Promise<Dnsmasq> {
  const dns = await Dnsmasq.start(zone);
  stops.push(() => dns.close());
  return dns;
}

function discover(server: string, settings: Omit<DnsSettings, 'servers'>, chance = 0) {
  const clock = new ManualClock();
  const source = new ObservedSource(
    createDnsSource({ ...settings, servers: [server] }, { clock, random: () => chance }),
  );
  stops.push(() => source.close());
  return { clock, source };
}

const ORDERS = { name: 'orders.test', type: 'A', port: 9001 } as const;
const SERVICE = { name: '_http._tcp.orders.test', type: 'SRV' } as const;

describe('DNS discovery of addresses', () => {
  it('finds all A records, with the port of the settings', async () => {
    const dns = await startDns({ hosts: ['127.0.0.2 orders.test', '127.0.0.3 orders.test'] });
    const { source } = discover(dns.server, ORDERS);
    expect(await source.nextHosts()).toEqual(['127.0.0.2:9001', '127.0.0.3:9001']);
  });

  it('finds AAAA records', async () => {
    const dns = await startDns({ hosts: ['127.0.0.2 orders.test', 'fd00::2 orders.test'] });
    const { source } = discover(dns.server, { ...ORDERS, type: 'AAAA' });
    expect(await source.next()).toEqual({ found: [{ host: 'fd00::2', port: 9001, name: 'orders.test' }] });
  });

  it('asks again when the TTL has passed, and not before', async () => {
    const dns = await startDns({ hosts: ['127.0.0.2 orders.test'], ttl: 7 });
    const { clock, source } = discover(dns.server, ORDERS);
    await source.next();
    await clock.until(7000);
    await dns.resume({ hosts: ['127.0.0.3 orders.test'], ttl: 7 });
    clock.advance(6999);
    expect(clock.planned()).toEqual([7000]);
    clock.advance(1);
    expect(await source.nextHosts()).toEqual(['127.0.0.3:9001']);
  });

  it.each([
    ['a second after a TTL of 0', 0, {}, 1000],
    ['five minutes after a TTL of a day', 86_400, {}, 300_000],
    ['as often as the settings say when the TTL is longer', 60, { refresh: 15_000 }, 15_000],
    ['when the TTL says so though the settings allow longer', 4, { refresh: 15_000 }, 4000],
  ])('asks again %s', async (_, ttl, settings, delayMs) => {
    const dns = await startDns({ hosts: ['127.0.0.2 orders.test'], ttl });
    const { clock, source } = discover(dns.server, { ...ORDERS, ...settings });
    await source.next();
    await clock.until(delayMs);
  });

  it('asks later by up to a tenth, so that many gateways do not ask at once', async () => {
    const dns = await startDns({ hosts: ['127.0.0.2 orders.test'], ttl: 10 });
    const { clock, source } = discover(dns.server, ORDERS, 0.5);
    await source.next();
    await clock.until(10_500);
  });

  it('tells a name that does not exist from one without such a record', async () => {
    const dns = await startDns({ hosts: ['127.0.0.2 orders.test'] });
    const missing = discover(dns.server, { ...ORDERS, name: 'gone.test' });
    expect(await missing.source.next()).toEqual({ failed: 'DNS does not know gone.test — check the name' });
    const other = discover(dns.server, { ...ORDERS, type: 'AAAA' });
    expect(await other.source.next()).toEqual({
      failed: 'DNS has no AAAA record for orders.test — check the name and the type',
    });
  });

  it('asks with growing pauses while the server is away, and finds what it says when it is back', async () => {
    const dns = await startDns({ hosts: ['127.0.0.2 orders.test'], ttl: 5 });
    const { clock, source } = discover(dns.server, ORDERS);
    await source.nextHosts();
    await dns.stop();
    await clock.pass(5000);
    expect(await source.next()).toEqual({
      failed: 'DNS does not respond for orders.test (ECONNREFUSED) — check that its servers can be reached',
    });
    await clock.pass(1000);
    await source.nextFailure();
    await clock.until(2000);
    await dns.resume({ hosts: ['127.0.0.3 orders.test'], ttl: 5 });
    clock.advance(2000);
    expect(await source.nextHosts()).toEqual(['127.0.0.3:9001']);
    await clock.until(5000);
    await dns.stop();
    clock.advance(5000);
    await source.nextFailure();
    await clock.until(1000);
  });
});

describe('DNS discovery of services', () => {
  it('finds the addresses, ports and weights of SRV records', async () => {
    const dns = await startDns({
      hosts: ['127.0.0.2 a.test', '127.0.0.3 b.test', 'fd00::4 c.test'],
      services: [
        `${SERVICE.name},a.test,8001,1,3`,
        `${SERVICE.name},b.test,8002,1,0`,
        `${SERVICE.name},c.test,8003,1,5`,
      ],
    });
    const { source } = discover(dns.server, SERVICE);
    const report = await source.next();
    expect(report).toEqual({
      found: expect.arrayContaining([
        { host: '127.0.0.2', port: 8001, weight: 3, name: 'a.test' },
        { host: '127.0.0.3', port: 8002, weight: 1, name: 'b.test' },
        { host: 'fd00::4', port: 8003, weight: 5, name: 'c.test' },
      ]),
    });
  });

  it('uses the lowest priority alone', async () => {
    const dns = await startDns({
      hosts: ['127.0.0.2 a.test', '127.0.0.3 b.test'],
      services: [`${SERVICE.name},a.test,8001,20,1`, `${SERVICE.name},b.test,8002,10,1`],
    });
    const { source } = discover(dns.server, SERVICE);
    expect(await source.nextHosts()).toEqual(['127.0.0.3:8002']);
  });

  it('leaves out a record with port 0, and says so', async () => {
    const dns = await startDns({
      hosts: ['127.0.0.2 a.test', '127.0.0.3 b.test'],
      services: [`${SERVICE.name},a.test,8001,1,1`, `${SERVICE.name},b.test,0,1,1`],
    });
    const { source } = discover(dns.server, SERVICE);
    expect(await source.next()).toEqual({
      found: [{ host: '127.0.0.2', port: 8001, weight: 1, name: 'a.test' }],
      remark: 'the SRV record of b.test has port 0 — correct it',
    });
  });

  it.each([
    ['port 0', `${SERVICE.name},b.test,0,1,1`, 'the SRV record of b.test has port 0 — correct it'],
    ['no service', SERVICE.name, "the SRV record says '.', that is not a service — correct it"],
    [
      'a name without address',
      `${SERVICE.name},x.test,80,1,1`,
      'x.test has no address — add an A or AAAA record',
    ],
  ])('fails when there is nothing but a record for %s', async (_, record, reason) => {
    const dns = await startDns({ hosts: ['127.0.0.3 b.test'], services: [record] });
    const { clock, source } = discover(dns.server, SERVICE);
    expect(await source.next()).toEqual({ failed: reason });
    await clock.until(1000);
  });

  it('asks again when the records expire, though their addresses are good for longer, and not before', async () => {
    const zone = { records: ['a.test,127.0.0.2,3600', 'b.test,127.0.0.3,3600'], ttl: 7 };
    const dns = await startDns({ ...zone, services: [`${SERVICE.name},a.test,8001,1,1`] });
    const { clock, source } = discover(dns.server, SERVICE);
    expect(await source.nextHosts()).toEqual(['127.0.0.2:8001']);
    await clock.until(7000);
    await dns.resume({ ...zone, services: [`${SERVICE.name},b.test,8001,1,1`] });
    clock.advance(6999);
    expect(clock.planned()).toEqual([7000]);
    clock.advance(1);
    expect(await source.nextHosts()).toEqual(['127.0.0.3:8001']);
  });

  it.each([
    ['when the addresses expire, though the records are good for longer', 4, 3600, {}, 4000],
    ['not before the records expire, however long that takes', 86_400, 120, {}, 120_000],
    ['five minutes after a TTL of a day', 86_400, 86_400, {}, 300_000],
    ['a second after a TTL of 0', 60, 0, {}, 1000],
    ['as often as the settings say when the TTL is longer', 60, 60, { refresh: 15_000 }, 15_000],
  ])('asks again %s', async (_, addressTtl, ttl, settings, delayMs) => {
    const dns = await startDns({
      records: [`a.test,127.0.0.2,${addressTtl}`],
      services: [`${SERVICE.name},a.test,8001,1,1`],
      ttl,
    });
    const { clock, source } = discover(dns.server, { ...SERVICE, ...settings });
    await source.next();
    await clock.until(delayMs);
  });

  it('tells a name that does not exist from one without such a record', async () => {
    const dns = await startDns({ hosts: [`127.0.0.2 ${SERVICE.name}`] });
    const missing = discover(dns.server, { ...SERVICE, name: '_gone._tcp.orders.test' });
    expect(await missing.source.next()).toEqual({
      failed: 'DNS does not know _gone._tcp.orders.test — check the name',
    });
    const { source } = discover(dns.server, SERVICE);
    expect(await source.next()).toEqual({
      failed: `DNS has no SRV record for ${SERVICE.name} — check the name and the type`,
    });
  });
});

describe('DNS discovery that is closed', () => {
  it('plans nothing more', async () => {
    const dns = await startDns({ hosts: ['127.0.0.2 orders.test'] });
    const { clock, source } = discover(dns.server, ORDERS);
    await source.next();
    await clock.until(5000);
    source.close();
    expect(clock.planned()).toEqual([]);
  });

  it('drops a question for addresses under way without a report', async () => {
    // A server that takes the question and never answers it.
    const silent = createSocket('udp4');
    silent.bind(0, LOOPBACK);
    await once(silent, 'listening');
    stops.push(() => silent.close());
    const { clock, source } = discover(`${LOOPBACK}:${silent.address().port}`, ORDERS);
    await once(silent, 'message');
    // Its socket shows nowhere else.
    const cancel = vi.spyOn(Resolver.prototype, 'cancel');
    source.close();
    expect(cancel).toHaveBeenCalledOnce();
    await new Promise(setImmediate);
    expect(source.reports.pending).toEqual([]);
    expect(clock.planned()).toEqual([]);
  });

  it('drops a question for services under way without a report, and its timer', async () => {
    const dns = await startDns({ services: [`${SERVICE.name},a.test,8001,1,1`] });
    dns.freeze();
    const { clock, source } = discover(dns.server, SERVICE);
    await clock.until(2000);
    source.close();
    await new Promise(setImmediate);
    expect(source.reports.pending).toEqual([]);
    expect(clock.planned()).toEqual([]);
  });
});
