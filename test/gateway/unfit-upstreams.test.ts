import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createGateway } from '../../src/gateway/create-gateway.ts';
import { MemoryDestination } from '../observability/memory-destination.ts';
import { makeCertificates } from '../support/certificates.ts';
import { Dnsmasq, type DnsZone } from '../support/dnsmasq.ts';
import { FakeKubernetes } from '../support/fake-kubernetes.ts';
import { ADMIN_TOKEN, startGateway, startTarget, type TestConfig } from '../support/harness.ts';
import { LOOPBACK, reservePort } from '../support/loopback.ts';
import { ManualClock } from '../upstream/discovery/manual-clock.ts';
import { metricsOf } from '../upstream/gateway-metrics.ts';

type DiscoveryInput = NonNullable<NonNullable<TestConfig['upstreams']>[string]['discovery']>;

/** How long a new configuration waits for the first targets. */
const FIRST_TARGETS_MS = 2000;
const SERVICE = '_http._tcp.orders.test';

/** A gateway whose upstream finds its targets, on a clock of the test's. Its start is left to the test. */
async function createDiscovering(discovery: DiscoveryInput) {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-test-'));
  const clock = new ManualClock();
  const log = new MemoryDestination();
  const configFile = join(folder, 'sallyport.json');
  const config = {
    listeners: [{ host: LOOPBACK, port: 0 }],
    admin: { host: LOOPBACK, port: 0, token: ADMIN_TOKEN },
    drain: { delay: '0s', timeout: '0s' },
    upstreams: { service: { discovery } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
  };
  await writeFile(configFile, JSON.stringify(config));
  const gateway = await createGateway({ configFile, watch: false, logDestination: log, clock });
  onTestFinished(async () => {
    const passing = setInterval(() => clock.advance(1000), 5);
    await gateway.close();
    clearInterval(passing);
    await rm(folder, { recursive: true });
  });
  const ask = (): Promise<Response> => fetch(`http://${LOOPBACK}:${gateway.ports[0]}/`);
  const readiness = async () => {
    const response = await fetch(`http://${LOOPBACK}:${gateway.operatorPorts[0]}/readyz`);
    return { status: response.status, text: await response.text() };
  };
  const said = async (message: string): Promise<void> => {
    while (logged(message).length === 0) await new Promise(setImmediate);
  };
  const logged = (message: string) => log.lines().filter(({ msg }) => msg === message);
  return { gateway, clock, log, ask, readiness, said, logged };
}

async function startDns(zone: DnsZone): Promise<Dnsmasq> {
  const dns = await Dnsmasq.start(zone);
  onTestFinished(() => dns.close());
  return dns;
}

const zoneOf = (...targets: readonly { port: number }[]): DnsZone => ({
  hosts: [`${LOOPBACK} a.test`],
  services: targets.map(({ port }) => `${SERVICE},a.test,${port},1,1`),
  ttl: 1,
});

describe('a host name that does not resolve', () => {
  it('as a target is answered 503, with the reason in the log, while others are served', async () => {
    const { url, accessLog, gateway } = await startGateway({
      upstreams: {
        // The resolver of the machine may be slow to say no, so that connecting is what takes too long.
        lost: { targets: ['http://orders.invalid:80'], timeouts: { connect: '500ms' }, retries: { max: 0 } },
        found: { targets: [(await startTarget()).url] },
      },
      routes: [
        { id: 'lost', path: '/lost', upstream: 'lost' },
        { id: 'found', path: '/found', upstream: 'found' },
      ],
    });
    const [lost, found] = await Promise.all([fetch(`${url}/lost`), fetch(`${url}/found`)]);
    expect(found.status).toBe(200);
    expect(lost.status).toBe(503);
    expect(lost.headers.get('retry-after')).toBe('1');
    expect(await lost.json()).toMatchObject({ code: 'GW_UPSTREAM_UNREACHABLE' });
    const line = accessLog().find(({ route }) => route === 'lost');
    expect(JSON.stringify(line)).toMatch(/ENOTFOUND|EAI_AGAIN|connecting took too long/);
    expect(gateway.readiness().isReady).toBe(true);
  });

  it('in DNS discovery lets the gateway start, and is said', async () => {
    const dns = await startDns({});
    const { gateway, clock, ask, readiness, said, logged } = await createDiscovering({
      dns: { name: 'orders.test', port: 80, servers: [dns.server] },
    });
    const started = gateway.start();
    await said('discovery finds no targets');
    await clock.pass(FIRST_TARGETS_MS);
    await started;
    const answer = await ask();
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ code: 'GW_UPSTREAM_UNREACHABLE' });
    expect(await readiness()).toMatchObject({
      status: 200,
      text: expect.stringContaining('DNS does not know orders.test — check the name'),
    });
    expect(await metricsOf(gateway.operatorPorts[0] as number)).toContain(
      'gateway_discovery_up{upstream="service"} 0',
    );
    expect(logged('discovery finds no targets')).toHaveLength(1);
  });

  it('any more leaves the targets that were known', async () => {
    const target = await startTarget();
    const dns = await startDns(zoneOf(target));
    const { gateway, clock, ask, readiness, said, logged } = await createDiscovering({
      dns: { name: SERVICE, type: 'SRV', servers: [dns.server] },
    });
    await gateway.start();
    expect((await ask()).status).toBe(200);
    // The clock stands, so nothing is asked meanwhile.
    await dns.resume({});
    clock.advance(1100);
    await said('discovery finds no targets');
    for (let i = 0; i < 5; i++) expect((await ask()).status).toBe(200);
    expect((await readiness()).text).toContain('the last known stay in use (1)');
    expect(logged('discovery finds no targets')).toHaveLength(1);
  });
});

describe('a cluster that refuses the token', () => {
  it('lets the gateway start, says so without the token, and is asked with pauses until it takes it', async () => {
    const authority = await makeCertificates();
    const target = await startTarget();
    const api = await FakeKubernetes.start(authority, new ManualClock());
    onTestFinished(() => api.stop().then(() => {}));
    api.tokens = ['another'];
    api.put('orders-1', [{ addresses: [LOOPBACK] }], { ports: [{ name: 'http', port: target.port }] });
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-test-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const kubeconfig = join(folder, 'kubeconfig.yaml');
    const ca = Buffer.from(authority.cert).toString('base64');
    await writeFile(
      kubeconfig,
      JSON.stringify({
        'current-context': 'main',
        contexts: [{ name: 'main', context: { cluster: 'c', user: 'u' } }],
        clusters: [{ name: 'c', cluster: { server: api.url, 'certificate-authority-data': ca } }],
        users: [{ name: 'u', user: { token: 'the-secret-token' } }],
      }),
    );
    const { gateway, clock, log, ask, readiness, said } = await createDiscovering({
      kubernetes: { namespace: 'shop', service: 'orders', port: 'http', kubeconfig },
    });
    const started = gateway.start();
    expect(await api.calls.next()).toMatchObject({ authorization: 'Bearer the-secret-token' });
    await said('discovery finds no targets');
    await clock.pass(FIRST_TARGETS_MS);
    await started;
    expect((await ask()).status).toBe(503);
    expect(await readiness()).toMatchObject({
      status: 200,
      text: expect.stringContaining('rejects the token (401)'),
    });
    // The first pause is 1 s at the most. While no time passes, it is not asked, however much else goes on.
    clock.advance(1000);
    expect(await api.calls.next()).toMatchObject({ kind: 'list' });
    for (let i = 0; i < 10; i++) expect((await ask()).status).toBe(503);
    expect(api.calls.pending).toEqual([]);
    expect((await readiness()).text + JSON.stringify(log.lines())).not.toContain('the-secret-token');
    api.tokens = ['the-secret-token'];
    while ((await ask()).status !== 200) clock.advance(1000);
    expect(await readiness()).toMatchObject({ status: 200, text: expect.not.stringContaining('401') });
  });
});

describe('an SRV record with port 0', () => {
  it('is left out, and said to be, while the others serve', async () => {
    const target = await startTarget();
    const dns = await startDns({
      ...zoneOf(target),
      services: [`${SERVICE},a.test,0,1,1`, `${SERVICE},a.test,${target.port},1,1`],
    });
    const { gateway, ask, readiness, logged } = await createDiscovering({
      dns: { name: SERVICE, type: 'SRV', servers: [dns.server] },
    });
    await gateway.start();
    for (let i = 0; i < 4; i++) expect((await ask()).status).toBe(200);
    expect((await readiness()).text).toContain('the SRV record of a.test has port 0 — correct it');
    expect(logged('discovery leaves some targets out')).toHaveLength(1);
  });

  it('and no other leaves the upstream without targets, which is said', async () => {
    const dns = await startDns(zoneOf({ port: 0 }));
    const { gateway, clock, ask, readiness, said } = await createDiscovering({
      dns: { name: SERVICE, type: 'SRV', servers: [dns.server] },
    });
    const started = gateway.start();
    await said('discovery finds no targets');
    await clock.pass(FIRST_TARGETS_MS);
    await started;
    expect((await ask()).status).toBe(503);
    expect((await readiness()).text).toContain('port 0');
  });
});

describe('targets that flap', () => {
  it('in discovery every second are taken up every second, and every request is served', async () => {
    const [first, second] = [await startTarget(), await startTarget()];
    const dns = await startDns(zoneOf(first));
    const { gateway, clock, ask, logged } = await createDiscovering({
      dns: { name: SERVICE, type: 'SRV', servers: [dns.server] },
    });
    await gateway.start();
    const nameOf = ({ port }: { port: number }): string => `${LOOPBACK}:${port}`;
    const named = async () => (await gateway.describe()).upstreams[0]?.targets.map(({ target }) => target);
    for (let i = 0; i < 6; i++) {
      const there = i % 2 === 0 ? second : first;
      await dns.resume(zoneOf(there));
      clock.advance(1100);
      while (!(await named())?.includes(nameOf(there))) expect((await ask()).status).toBe(200);
      expect(await named()).toEqual([nameOf(there)]);
      expect((await ask()).status).toBe(200);
    }
    expect(first.requests.length).toBeGreaterThan(0);
    expect(second.requests.length).toBeGreaterThan(0);
    expect(logged('discovery finds no targets')).toEqual([]);
  });

  it('as servers cost no request, and their state stays clear', async () => {
    const steady = await startTarget();
    const port = await reservePort();
    const { url, gateway, log } = await startGateway({
      upstreams: {
        service: {
          targets: [`http://${LOOPBACK}:${port}`, steady.url],
          health: {
            active: { interval: '20ms', healthyAfter: 1, unhealthyAfter: 1 },
            passive: { failures: 2 },
          },
        },
      },
      routes: [{ id: 'all', path: '/*', upstream: 'service' }],
    });
    const stateOf = async () => (await gateway.describe()).upstreams[0]?.targets[0];
    const becomes = async (...states: string[]): Promise<void> => {
      while (!states.includes((await stateOf())?.state ?? '')) expect((await fetch(url)).status).toBe(200);
    };
    for (let i = 0; i < 5; i++) {
      const flapping = await listenOn(port);
      await becomes('healthy', 'ejected');
      await stop(flapping);
      await becomes('down');
    }
    expect(await stateOf()).toMatchObject({
      reason: expect.stringContaining('ECONNREFUSED'),
      activeRequests: 0,
    });
    const changes = log.lines().filter(({ msg }) => String(msg).startsWith('target gets '));
    expect(changes.length).toBeLessThanOrEqual(4 * 5 + 2);
  });
});

async function listenOn(port: number): Promise<Server> {
  const server = createServer((_, response) => response.end('ok'));
  await new Promise<void>((resolve) => server.listen(port, LOOPBACK, resolve));
  onTestFinished(() => stop(server));
  return server;
}

async function stop(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}
