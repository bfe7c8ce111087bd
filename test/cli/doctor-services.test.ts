import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Finding } from '../../src/cli/doctor/finding.ts';
import { formatFindings, runDoctor } from '../../src/cli/doctor/run-doctor.ts';
import { CLIENT_ID, CLIENT_SECRET, POST_CLIENT_ID, startOpenIdProvider } from '../auth/open-id-provider.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { makeCertificates } from '../support/certificates.ts';
import { Dnsmasq } from '../support/dnsmasq.ts';
import { FakeConsul } from '../support/fake-consul.ts';
import { FakeKubernetes } from '../support/fake-kubernetes.ts';
import { startTarget } from '../support/harness.ts';
import { LOOPBACK, reserveNobody } from '../support/loopback.ts';

const machine = { nodeVersion: '24.18.1', descriptorLimit: 1_000_000, uid: 0, sysctl: () => undefined };

function makeFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sallyport-doctor-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function look(config: object, folder = makeFolder()): Promise<readonly Finding[]> {
  const file = path.join(folder, 'sallyport.json');
  writeFileSync(file, JSON.stringify({ listeners: [{ port: 8080 }], routes: [], ...config }));
  return runDoctor(file, { env: {}, machine, limitMs: 2000 });
}

/** The verdicts and messages of some checks, with what they were about. */
const told = (findings: readonly Finding[], ...checks: string[]): string[] =>
  findings
    .filter(({ check }) => checks.includes(check))
    .map(({ check, subject, verdict, message }) => `${verdict} ${check} ${subject}: ${message}`);

async function lookAtDiscovery(discovery: object, folder?: string): Promise<string[]> {
  const config = {
    upstreams: { orders: { discovery } },
    routes: [{ id: 'all', path: '/*', upstream: 'orders' }],
  };
  return told(await look(config, folder), 'configuration', 'discovery', 'target').slice(1);
}

describe('targets that are discovered', () => {
  it('are looked at where DNS finds them', async () => {
    const target = await startTarget((_, response) => response.end());
    const dns = await Dnsmasq.start({
      records: [`orders.test,${LOOPBACK},5`],
      services: [
        `_http._tcp.shop.test,orders.test,${target.port},1,1`,
        '_http._tcp.gone.test,orders.test,1,1,1',
      ],
    });
    onTestFinished(() => dns.close());
    const servers = [dns.server];
    const place = `${LOOPBACK}:${target.port}`;
    expect(await lookAtDiscovery({ dns: { name: 'orders.test', port: target.port, servers } })).toEqual([
      'ok discovery orders: finds 1 targets',
      expect.stringContaining(`ok target orders ${place}`),
    ]);
    expect(await lookAtDiscovery({ dns: { name: '_http._tcp.shop.test', type: 'SRV', servers } })).toEqual([
      'ok discovery orders: finds 1 targets',
      expect.stringContaining(`ok target orders ${place}`),
    ]);
    expect(await lookAtDiscovery({ dns: { name: '_http._tcp.gone.test', type: 'SRV', servers } })).toEqual([
      'ok discovery orders: finds 1 targets',
      expect.stringMatching(/^problem target orders .*: cannot be connected to/),
    ]);
    expect(await lookAtDiscovery({ dns: { name: 'nobody.test', port: 80, servers } })).toEqual([
      expect.stringMatching(/^problem discovery orders: .*nobody\.test/),
    ]);
  });

  it('are looked at where a file or Consul finds them, and a source that is away is a problem', async () => {
    const target = await startTarget((_, response) => response.end());
    const folder = makeFolder();
    writeFileSync(path.join(folder, 'targets.json'), JSON.stringify({ targets: [target.url] }));
    const good = ['ok discovery orders: finds 1 targets', expect.stringContaining('ok target orders ')];
    expect(await lookAtDiscovery({ file: './targets.json' }, folder)).toEqual(good);
    writeFileSync(path.join(folder, 'targets.json'), '{');
    expect(await lookAtDiscovery({ file: './targets.json' }, folder)).toEqual([
      expect.stringMatching(/^problem discovery orders: /),
    ]);
    const { url } = await reserveNobody();
    expect(await lookAtDiscovery({ consul: { url, service: 'orders' } })).toEqual([
      expect.stringMatching(/^problem discovery orders: /),
    ]);
  });

  it('are looked at where Kubernetes knows them, and an access that is rejected is a problem', async () => {
    const target = await startTarget((_, response) => response.end());
    const authority = await makeCertificates();
    const api = await FakeKubernetes.start(authority, new StubClock());
    onTestFinished(async () => void (await api.stop().catch(() => {})));
    api.put('orders-1', [{ addresses: [LOOPBACK] }], { ports: [{ name: 'http', port: target.port }] });
    const folder = makeFolder();
    const kubeconfig = path.join(folder, 'kubeconfig.json');
    const write = (token: string): void => {
      const access = {
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'main',
        contexts: [{ name: 'main', context: { cluster: 'c', user: 'u' } }],
        clusters: [
          {
            name: 'c',
            cluster: {
              server: api.url,
              'certificate-authority-data': Buffer.from(authority.cert).toString('base64'),
            },
          },
        ],
        users: [{ name: 'u', user: { token } }],
      };
      writeFileSync(kubeconfig, JSON.stringify(access));
    };
    api.tokens = ['good'];
    write('good');
    const kubernetes = {
      namespace: 'shop',
      service: 'orders',
      port: 'http',
      kubeconfig: './kubeconfig.json',
    };
    expect(await lookAtDiscovery({ kubernetes }, folder)).toEqual([
      'ok discovery orders: finds 1 targets',
      expect.stringContaining(`ok target orders ${LOOPBACK}:${target.port}`),
    ]);
    write('a-bad-one-that-is-not-shown');
    const rejected = await lookAtDiscovery({ kubernetes }, folder);
    expect(rejected).toEqual([expect.stringMatching(/^problem discovery orders: .*40[13]/)]);
    expect(rejected.join()).not.toContain('a-bad-one');
    api.tokens = [];
    api.put('orders-1', [], {});
    expect(await lookAtDiscovery({ kubernetes }, folder)).toEqual([
      expect.stringMatching(/^problem discovery orders: /),
    ]);
  });

  it('from Consul are those that pass', async () => {
    const consul = await FakeConsul.start(new StubClock());
    onTestFinished(async () => void (await consul.stop()));
    expect(await lookAtDiscovery({ consul: { url: consul.url, service: 'orders' } })).toEqual([
      expect.stringMatching(/^problem discovery orders: /),
    ]);
  });
});

describe('auth services', () => {
  it('that respond are well, those that are away or reject the client are problems, and no secret is shown', async () => {
    const provider = await startOpenIdProvider();
    const { url: nobody } = await reserveNobody();
    const introspection = (clientId: string, clientSecret: string, more = {}) => ({
      introspection: { url: `${provider.issuer}/token/introspection`, clientId, clientSecret, ...more },
      audience: 'orders-api',
    });
    const keys = { issuer: provider.issuer, audience: 'orders-api' };
    const wrong = `${CLIENT_SECRET}-which-is-wrong`;
    const findings = await look({
      authServices: {
        asked: introspection(CLIENT_ID, CLIENT_SECRET),
        byPost: introspection(POST_CLIENT_ID, CLIENT_SECRET, { clientAuth: 'post' }),
        wrong: introspection(CLIENT_ID, wrong),
        elsewhere: {
          introspection: { url: `${provider.issuer}/jwks`, clientId: 'a', clientSecret: wrong },
          audience: 'a',
        },
        discovered: { discovery: true, ...keys },
        jwks: { jwks: `${provider.issuer}/jwks`, ...keys },
        noKeys: { jwks: `${provider.issuer}/nothing`, ...keys },
        away: { jwks: `${nobody}/jwks`, ...keys },
        otherIssuer: {
          discovery: `${provider.issuer}/.well-known/openid-configuration`,
          issuer: 'https://a.test',
          audience: 'a',
        },
        secret: { secret: 'k8!'.repeat(20) },
      },
    });
    expect(told(findings, 'authService')).toEqual([
      'ok authService asked: responds, and accepts the client',
      'ok authService byPost: responds, and accepts the client',
      expect.stringMatching(/^problem authService wrong: rejects the client \(.*401/),
      expect.stringMatching(/^problem authService elsewhere: does not respond as it should/),
      'ok authService discovered: responds with 1 keys',
      'ok authService jwks: responds with 1 keys',
      expect.stringMatching(/^problem authService noKeys: its keys cannot be loaded \(.*404/),
      expect.stringMatching(/^problem authService away: its keys cannot be loaded \(.*ECONNREFUSED/),
      expect.stringMatching(/^problem authService otherIssuer: its keys cannot be loaded \(.*another issuer/),
    ]);
    expect(formatFindings(findings)).not.toContain(CLIENT_SECRET);
  });
});
