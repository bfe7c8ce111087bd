import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { DiscoveryConfig } from '../../../src/config/schema/discovery-schema.ts';
import { createDiscovery } from '../../../src/upstream/discovery/create-discovery.ts';
import type { DiscoveredTarget } from '../../../src/upstream/discovery/discovery.ts';
import { Dnsmasq } from '../../support/dnsmasq.ts';
import { EventQueue } from '../../support/event-queue.ts';
import { LOOPBACK } from '../../support/loopback.ts';
import { ManualClock } from './manual-clock.ts';

function start(settings: DiscoveryConfig) {
  const clock = new ManualClock();
  const sets = new EventQueue<readonly DiscoveredTarget[]>();
  const logged = new EventQueue<object>();
  const write = (fields: object, message: string): void => logged.push({ ...fields, message });
  const discovery = createDiscovery('orders', settings, {
    clock,
    random: () => 0,
    log: { debug: write, info: write, warn: write, error: write },
    metrics: { counter: () => ({ add() {} }), gauge: () => () => {} },
  });
  onTestFinished(() => discovery.close());
  discovery.start((targets) => sets.push(targets));
  return { clock, sets, logged, discovery };
}

describe('the discovery of an upstream', () => {
  it('keeps the targets of DNS through an outage, says so, and goes on when it is over', async () => {
    const dns = await Dnsmasq.start({ hosts: ['127.0.0.2 orders.test'] });
    onTestFinished(() => dns.close());
    const { clock, sets, logged, discovery } = start({
      dns: { name: 'orders.test', type: 'A', port: 80, servers: [dns.server] },
    });
    expect(await sets.next()).toMatchObject([{ host: '127.0.0.2' }]);
    expect(discovery.status()).toEqual({ ok: true });
    await dns.stop();
    await clock.pass(5000);
    expect(await logged.next()).toMatchObject({ upstream: 'orders', message: 'discovery finds no targets' });
    expect(discovery.status()).toEqual({
      ok: false,
      detail: expect.stringContaining('the last known stay in use (1)'),
    });
    await clock.until(1000);
    await dns.resume({ hosts: ['127.0.0.3 orders.test'] });
    clock.advance(1000);
    expect(await sets.next()).toMatchObject([{ host: '127.0.0.3' }]);
    expect(await logged.next()).toMatchObject({ message: 'discovery finds targets again' });
    expect(discovery.status()).toEqual({ ok: true });
  });

  it('keeps the services of a name server that falls silent, and goes on when it speaks again', async () => {
    const zone = { records: ['a.test,127.0.0.2,3600'], ttl: 5 };
    const name = '_http._tcp.orders.test';
    const dns = await Dnsmasq.start({ ...zone, services: [`${name},a.test,8001,1,1`] });
    onTestFinished(() => dns.close());
    const { clock, sets, logged, discovery } = start({ dns: { name, type: 'SRV', servers: [dns.server] } });
    expect(await sets.next()).toMatchObject([{ host: '127.0.0.2', port: 8001 }]);
    dns.freeze();
    await clock.pass(5000);
    for (let i = 0; i < 2; i++) await clock.pass(2000);
    expect(await logged.next()).toMatchObject({
      message: 'discovery finds no targets',
      detail: expect.stringContaining(`DNS does not respond for ${name} (ETIMEOUT)`),
    });
    expect(discovery.status()).toMatchObject({
      ok: false,
      detail: expect.stringContaining('the last known stay in use (1)'),
    });
    expect(sets.pending).toEqual([]);
    await clock.until(1000);
    await dns.resume({ ...zone, services: [`${name},a.test,8002,1,1`] });
    clock.advance(1000);
    expect(await sets.next()).toMatchObject([{ port: 8002 }]);
    expect(discovery.status()).toEqual({ ok: true });
  });

  it('keeps the targets when DNS no longer knows the name', async () => {
    const dns = await Dnsmasq.start({ hosts: ['127.0.0.2 orders.test'] });
    onTestFinished(() => dns.close());
    const { clock, sets, logged } = start({
      dns: { name: 'orders.test', type: 'A', port: 80, servers: [dns.server] },
    });
    await sets.next();
    await clock.until(5000);
    await dns.resume({});
    clock.advance(5000);
    expect(await logged.next()).toMatchObject({
      detail: expect.stringContaining('DNS does not know orders.test'),
    });
    expect(sets.pending).toEqual([]);
  });

  it('may be a file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-discovery-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'targets.yaml'), 'targets: ["http://10.0.0.1:80"]');
    const { sets } = start({ file: join(folder, 'targets.yaml') });
    expect(await sets.next()).toEqual([{ host: '10.0.0.1', port: 80, isSecure: false }]);
  });

  it('may be Consul', async () => {
    const body = JSON.stringify([{ Service: { Address: '10.0.0.1', Port: 80 } }]);
    const server = createServer((_, response) => void response.end(body)).listen(0, LOOPBACK);
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { sets } = start({ consul: { url: `http://${LOOPBACK}:${port}`, service: 'orders' } });
    expect(await sets.next()).toEqual([{ host: '10.0.0.1', port: 80 }]);
  });

  it('may be Kubernetes, which is told when it is not there', async () => {
    const { logged } = start({
      kubernetes: { namespace: 'shop', service: 'orders', port: 'http', kubeconfig: '/gone' },
    });
    expect(await logged.next()).toMatchObject({
      detail: expect.stringContaining('Kubernetes service shop/orders: /gone cannot be read (ENOENT)'),
    });
  });
});
