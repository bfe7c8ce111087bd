import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createKubernetesSource,
  type KubernetesSettings,
} from '../../../src/upstream/discovery/kubernetes-source.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { FakeKubernetes } from '../../support/fake-kubernetes.ts';
import { LOOPBACK } from '../../support/loopback.ts';
import { ManualClock } from './manual-clock.ts';
import { ObservedSource } from './observed-source.ts';

const SETTINGS = { namespace: 'shop', service: 'orders', port: 'http' } as const;
/** How long a watch is asked for, and until it counts as dead, with a chance of 0. */
const WATCH_MS = 240_000;
const DEAD_MS = 255_000;

const stops: (() => unknown)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const at = (...addresses: string[]) => addresses.map((address) => ({ addresses: [address] }));

async function startCluster() {
  const clock = new ManualClock();
  const authority = await makeCertificates();
  const api = await FakeKubernetes.start(authority, clock);
  stops.push(() => api.stop().catch(() => {}));
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-pod-'));
  stops.push(() => rmSync(folder, { recursive: true }));
  const writeToken = (token: string): void => writeFileSync(join(folder, 'token'), `${token}\n`);
  writeToken('first');
  writeFileSync(join(folder, 'ca.crt'), authority.cert);
  const env = { KUBERNETES_SERVICE_HOST: LOOPBACK, KUBERNETES_SERVICE_PORT: String(api.port) };
  const discover = (settings: Partial<KubernetesSettings> = {}, podEnv: typeof env | object = env) => {
    const services = { clock, random: () => 0 };
    const source = new ObservedSource(
      createKubernetesSource({ ...SETTINGS, ...settings }, services, { env: { ...podEnv }, folder }),
    );
    stops.push(() => source.close());
    return source;
  };
  return { api, clock, authority, folder, writeToken, discover };
}

/** A cluster with one endpoint, already found and watched. */
async function startWatched(prepare: (api: FakeKubernetes) => void = () => {}) {
  const cluster = await startCluster();
  prepare(cluster.api);
  cluster.api.put('orders-1', at('10.0.0.1'));
  const source = cluster.discover();
  await source.nextHosts();
  await cluster.api.calls.nextWhere(({ kind }) => kind === 'watch');
  // The second report is that the watch stands.
  await source.nextHosts();
  return { ...cluster, source };
}

const nextCall = (api: FakeKubernetes, kind: 'list' | 'watch') =>
  api.calls.nextWhere((call) => call.kind === kind);

describe('Kubernetes discovery', () => {
  it('lists the slices of the service, then watches from the version of the list', async () => {
    const { api, discover } = await startCluster();
    api.put('orders-1', at('10.0.0.1', '10.0.0.2'));
    api.put('orders-2', at('10.0.0.3'));
    api.put('users-1', at('10.0.0.9'), { service: 'users' });
    const source = discover();
    expect(await source.nextHosts()).toEqual(['10.0.0.1:8080', '10.0.0.2:8080', '10.0.0.3:8080']);
    expect(await api.calls.next()).toEqual({
      kind: 'list',
      namespace: 'shop',
      query: { labelSelector: 'kubernetes.io/service-name=orders' },
      authorization: 'Bearer first',
      clientName: undefined,
    });
    expect(await api.calls.next()).toMatchObject({
      kind: 'watch',
      query: {
        labelSelector: 'kubernetes.io/service-name=orders',
        watch: '1',
        allowWatchBookmarks: 'true',
        resourceVersion: '103',
        timeoutSeconds: '240',
      },
    });
  });

  it('knows its targets by the name of the service, which their certificates hold', async () => {
    const { api, discover } = await startCluster();
    api.put('orders-1', [{ addresses: ['10.0.0.1'], zone: 'a' }]);
    expect(await discover({ port: 8080 }).next()).toEqual({
      found: [{ host: '10.0.0.1', port: 8080, zone: 'a', name: 'orders.shop.svc' }],
    });
  });

  it('follows slices that are added, changed and deleted', async () => {
    const { api, source } = await startWatched();
    api.put('orders-2', at('10.0.0.2'));
    expect(await source.nextHosts()).toEqual(['10.0.0.1:8080', '10.0.0.2:8080']);
    api.put('orders-1', at('10.0.0.7'));
    expect(await source.nextHosts()).toEqual(['10.0.0.2:8080', '10.0.0.7:8080']);
    api.delete('orders-2');
    expect(await source.nextHosts()).toEqual(['10.0.0.7:8080']);
  });

  it('says so when the service has no endpoints, and finds them when they come', async () => {
    const { api, discover } = await startCluster();
    const source = discover();
    expect(await source.nextFailure()).toBe(
      'Kubernetes service shop/orders: it has no endpoints — check its name, its selector and its pods',
    );
    await nextCall(api, 'watch');
    api.put('orders-1', at('10.0.0.1'));
    expect(await source.nextHosts()).toEqual(['10.0.0.1:8080']);
  });
});

describe('a watch that ends', () => {
  it('goes on from its last event when the server closed it after timeoutSeconds', async () => {
    const { api, clock, source } = await startWatched();
    api.put('orders-2', at('10.0.0.2'));
    await source.nextHosts();
    await clock.pass(WATCH_MS);
    await clock.until(1000);
    // What happens while nothing watches is replayed.
    api.put('orders-3', at('10.0.0.3'));
    clock.advance(1000);
    expect((await nextCall(api, 'watch')).query.resourceVersion).toBe('102');
    await source.nextHosts();
    expect(await source.nextHosts()).toEqual(['10.0.0.1:8080', '10.0.0.2:8080', '10.0.0.3:8080']);
    expect(api.calls.pending).toEqual([]);
  });

  it('goes on from a bookmark, so that a quiet service never has to be listed again', async () => {
    const { api, clock, source } = await startWatched();
    api.writeSomethingElse();
    api.bookmark();
    api.put('orders-2', at('10.0.0.2'));
    await source.nextHosts();
    api.writeSomethingElse();
    api.bookmark();
    api.endWatches();
    await clock.pass(1000);
    expect(await api.calls.next()).toMatchObject({ kind: 'watch', query: { resourceVersion: '104' } });
  });

  it.each([
    ['between events', false],
    ['within an event', true],
  ])('goes on from its last event when the connection is cut %s', async (_, inLine) => {
    const { api, clock, source } = await startWatched();
    clock.advance(10_000);
    api.cut({ inLine });
    await clock.pass(1000);
    expect((await nextCall(api, 'watch')).query.resourceVersion).toBe('101');
    api.put('orders-2', at('10.0.0.2'));
    await source.nextHosts();
    expect(await source.nextHosts()).toEqual(['10.0.0.1:8080', '10.0.0.2:8080']);
    expect(source.reports.pending).toEqual([]);
  });

  it('is given up when it goes on for longer than was asked for, since it is dead', async () => {
    const { api, clock, source } = await startWatched((fake) => {
      fake.ignoresTimeouts = true;
    });
    await clock.pass(DEAD_MS);
    await clock.pass(1000);
    await nextCall(api, 'list');
    await nextCall(api, 'watch');
    await source.nextHosts();
    expect(await source.nextHosts()).toEqual(['10.0.0.1:8080']);
  });

  it.each(['by-event', 'by-status'] as const)(
    'lists again when its version is gone, told %s',
    async (manner) => {
      const { api, clock, source } = await startWatched();
      api.refusesOldVersions = manner;
      await clock.pass(WATCH_MS);
      await clock.until(1000);
      api.delete('orders-1');
      api.put('orders-2', at('10.0.0.2'));
      api.compact();
      clock.advance(1000);
      await nextCall(api, 'watch');
      await clock.pass(2000);
      await nextCall(api, 'list');
      const reports = [await source.next()];
      while (!JSON.stringify(reports.at(-1)).includes('10.0.0.2')) reports.push(await source.next());
      // It is nothing to worry about.
      expect(reports.filter((report) => 'failed' in report)).toEqual([]);
      expect((await nextCall(api, 'watch')).query.resourceVersion).toBe('103');
    },
  );

  it.each([
    ['an error of the server', (api: FakeKubernetes) => api.sendError(500, 'etcd is away'), 'etcd is away'],
    [
      'a line that is not JSON',
      (api: FakeKubernetes) => api.sendRaw('<html>\n'),
      'does not come from an API server',
    ],
    [
      'an event without object',
      (api: FakeKubernetes) => api.sendRaw('{"type":"ADDED"}\n'),
      'does not come from an API',
    ],
  ])('lists again after %s, and says so', async (_, fail, words) => {
    const { api, clock, source } = await startWatched();
    fail(api);
    expect(await source.nextFailure()).toContain(words);
    await clock.pass(1000);
    await nextCall(api, 'list');
    expect(await source.nextHosts()).toEqual(['10.0.0.1:8080']);
  });

  it('is tried again with growing pauses while the server cuts it at once', async () => {
    const { api, clock } = await startWatched();
    for (const pauseMs of [1000, 2000, 4000, 8000]) {
      api.endWatches();
      await clock.pass(pauseMs);
      await nextCall(api, 'watch');
      await clock.until(DEAD_MS);
    }
  });
});

describe('a watch that lived for a while', () => {
  it('makes the pauses begin anew', async () => {
    const { api, clock, source } = await startWatched();
    for (const pauseMs of [1000, 2000]) {
      api.endWatches();
      await clock.pass(pauseMs);
      await nextCall(api, 'watch');
      // It stands.
      await source.nextHosts();
    }
    await clock.pass(WATCH_MS);
    await clock.pass(1000);
    await nextCall(api, 'watch');
  });
});

describe('an API server that refuses or is away', () => {
  it('is asked again with growing pauses, and its targets are found when it is back', async () => {
    const { api, clock, source } = await startWatched();
    clock.advance(10_000);
    const port = await api.stop();
    await clock.pass(1000);
    expect(await source.nextFailure()).toBe(
      'Kubernetes service shop/orders: the API server cannot be reached (ECONNREFUSED) — check its address and certificate',
    );
    await clock.pass(2000);
    await source.nextFailure();
    await clock.until(4000);
    await api.listen(port);
    clock.advance(4000);
    await nextCall(api, 'watch');
    expect(await source.nextHosts()).toEqual(['10.0.0.1:8080']);
  });

  it('gets the token from the file for each call, so that a new one is used', async () => {
    const { api, clock, source, writeToken } = await startWatched();
    api.tokens = ['second'];
    await clock.pass(WATCH_MS);
    await clock.pass(1000);
    expect((await nextCall(api, 'watch')).authorization).toBe('Bearer first');
    expect(await source.nextFailure()).toContain('rejects the token (401)');
    await clock.until(2000);
    writeToken('second');
    clock.advance(2000);
    expect((await nextCall(api, 'list')).authorization).toBe('Bearer second');
    expect(await source.nextHosts()).toEqual(['10.0.0.1:8080']);
  });

  it('that forbids the list is named with the right that is missing', async () => {
    const { api, clock, discover } = await startCluster();
    api.failWith = 403;
    const source = discover();
    expect(await source.nextFailure()).toContain(
      'allow it to get, list and watch endpointslices of discovery.k8s.io in namespace shop',
    );
    await clock.until(1000);
  });

  it('is given up when no answer begins within 10 s', async () => {
    const { api, clock, discover } = await startCluster();
    api.hangs = true;
    const source = discover();
    await nextCall(api, 'list');
    await clock.pass(10_000);
    expect(await source.nextFailure()).toContain('no response within 10 s');
    await clock.until(1000);
  });

  it('is not believed when another authority signed its certificate', async () => {
    const { folder, discover } = await startCluster();
    writeFileSync(join(folder, 'ca.crt'), (await makeCertificates('Other CA')).cert);
    expect(await discover().nextFailure()).toContain('cannot be reached (');
  });
});

describe('the access to the cluster', () => {
  it('is refused outside of a pod, with the remedy', async () => {
    const { clock, discover } = await startCluster();
    expect(await discover({}, {}).nextFailure()).toContain(
      'KUBERNETES_SERVICE_HOST is not set) — set kubeconfig',
    );
    await clock.until(1000);
  });

  it('may come from a kubeconfig with a client certificate', async () => {
    const { api, authority, folder, discover } = await startCluster();
    const client = await authority.issue({ client: true, names: ['gateway'] });
    const kubeconfig = join(folder, 'kubeconfig.yaml');
    writeFileSync(join(folder, 'client.pem'), client.cert);
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        'current-context': 'main',
        contexts: [{ name: 'main', context: { cluster: 'c', user: 'u' } }],
        clusters: [
          { name: 'c', cluster: { server: api.url, 'certificate-authority-data': base64(authority.cert) } },
        ],
        users: [
          { name: 'u', user: { 'client-certificate': 'client.pem', 'client-key-data': base64(client.key) } },
        ],
      }),
    );
    api.put('orders-1', at('10.0.0.1'));
    const source = discover({ kubeconfig });
    expect(await source.nextHosts()).toEqual(['10.0.0.1:8080']);
    expect(await api.calls.next()).toMatchObject({ authorization: undefined, clientName: 'gateway' });
  });
});

describe('a closed Kubernetes discovery', () => {
  it('ends its connection and its timers, and reports nothing', async () => {
    const { api, clock, source } = await startWatched();
    await clock.until(DEAD_MS);
    source.close();
    await api.allClosed();
    expect(clock.planned()).toEqual([]);
    expect(source.reports.pending).toEqual([]);
  });

  it('ends while it pauses', async () => {
    const { api, clock, source } = await startWatched();
    api.endWatches();
    await clock.until(1000);
    source.close();
    expect(clock.planned()).toEqual([]);
  });
});
