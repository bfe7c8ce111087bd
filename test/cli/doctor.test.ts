import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Finding } from '../../src/cli/doctor/finding.ts';
import { formatFindings, runDoctor } from '../../src/cli/doctor/run-doctor.ts';
import { explainNodeFaults } from '../../src/node-version/known-faults.ts';
import { CLI } from '../support/bundled-gateway.ts';
import { makeCertificates } from '../support/certificates.ts';
import { startRawTarget, startTarget, type TestConfig } from '../support/harness.ts';
import { reserveNobody } from '../support/loopback.ts';
import { RedisServer } from '../support/redis-server.ts';

const machine = {
  nodeVersion: '24.18.1',
  descriptorLimit: 1_000_000,
  uid: 0,
  sysctl: () => undefined,
};

function write(config: object): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sallyport-doctor-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'sallyport.json');
  writeFileSync(file, JSON.stringify({ listeners: [{ port: 8080 }], routes: [], ...config }));
  return file;
}

async function look(config: Partial<TestConfig>, more: Partial<typeof machine> = {}, limitMs?: number) {
  const options = { env: {}, machine: { ...machine, ...more }, ...(limitMs !== undefined && { limitMs }) };
  return runDoctor(write(config), options);
}

const of = (findings: readonly Finding[], check: string): Finding[] =>
  findings.filter((finding) => finding.check === check);

/** An upstream of these targets, and a route that leads there. */
const to = (...targets: string[]): Partial<TestConfig> => ({
  upstreams: { service: { targets } },
  routes: [{ id: 'all', path: '/*', upstream: 'service' }],
});

describe('the machine', () => {
  it('is well where nothing is amiss, and says what was looked at', async () => {
    const findings = await look({});
    expect(findings.map(({ check, verdict }) => `${check} ${verdict}`)).toEqual([
      ...['configuration ok', 'node ok', 'descriptors ok', 'kernel ok', 'dataDir ok'],
    ]);
  });

  it.each([
    ['an old Node', { nodeVersion: '24.18.0' }, 'node', 'CVE-2026-58040'],
    ['few descriptors', { descriptorLimit: 1024 }, 'descriptors', '1024 files may be open'],
    [
      'a short backlog',
      { sysctl: (name: string) => (name.endsWith('somaxconn') ? '128' : undefined) },
      'kernel',
      '128',
    ],
    [
      'few ports',
      { sysctl: (name: string) => (name.endsWith('port_range') ? '60000\t61000' : undefined) },
      'kernel',
      '1001 ports',
    ],
    [
      'no reuse',
      { sysctl: (name: string) => (name.endsWith('tw_reuse') ? '0' : undefined) },
      'kernel',
      'tcp_tw_reuse',
    ],
  ])('is warned of for %s, with a remedy', async (_, more, check, words) => {
    const [finding] = of(await look({}, more as Partial<typeof machine>), check);
    expect(finding).toMatchObject({ verdict: 'warning', message: expect.stringContaining(words) });
    expect(finding?.remedy).toMatch(/\w/);
  });

  it.each([
    ['22.19.0', /older line/],
    ['24.14.0', /CVE-2026-21637.*CVE-2026-56848/],
    ['24.18.1', undefined],
    ['24.21.0', undefined],
    ['26.0.0', undefined],
  ])('has a Node %s', (version, words) => {
    if (words === undefined) expect(explainNodeFaults(version)).toBeUndefined();
    else expect(explainNodeFaults(version)).toMatch(words);
  });

  it('has a dataDir into which others may not write', async () => {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'sallyport-data-'));
    onTestFinished(() => rmSync(dataDir, { recursive: true }));
    expect(of(await look({ dataDir }), 'dataDir')).toMatchObject([{ verdict: 'ok' }]);
    chmodSync(dataDir, 0o777);
    expect(of(await look({ dataDir }), 'dataDir')).toMatchObject([
      { verdict: 'problem', remedy: `chmod 700 ${dataDir}` },
    ]);
    chmodSync(dataDir, 0o755);
    mkdirSync(path.join(dataDir, 'open'));
    chmodSync(path.join(dataDir, 'open'), 0o755);
    expect(of(await look({ dataDir }), 'dataDir')).toMatchObject([{ verdict: 'warning' }]);
  });
});

describe('targets', () => {
  it('that answer are well, those that do not are problems, and a dead one holds up nothing', async () => {
    const target = await startTarget((_, response) => response.end());
    const [nobody, hung] = [await reserveNobody(), await startRawTarget(() => {})];
    const unknown = 'http://no-such-name.invalid:1';
    const found = of(await look(to(target.url, nobody.url, hung.url, unknown), {}, 1000), 'target');
    expect(found.map(({ verdict, message }) => `${verdict} ${message}`)).toEqual([
      'ok answers (200)',
      expect.stringMatching(/^problem cannot be connected to \(ECONNREFUSED\)/),
      expect.stringMatching(/^problem .*(?:before the timeout|no response within)/),
      expect.stringMatching(/^problem the name no-such-name.invalid is not known/),
    ]);
  });

  it('whose clock differs are warned of, whose health check fails are problems', async () => {
    const late = await startTarget((_, response) => {
      response.setHeader('date', new Date(Date.now() - 300_000).toUTCString()).end();
    });
    expect(of(await look(to(late.url)), 'target')).toMatchObject([
      { verdict: 'warning', message: expect.stringMatching(/its clock is (?:299|300|301) s behind ours/) },
    ]);
    const sick = await startTarget((_, response) => response.writeHead(500).end());
    const config = to();
    const upstreams = { service: { targets: [sick.url], health: { active: { path: '/healthz' } } } };
    expect(of(await look({ ...config, upstreams }), 'target')).toMatchObject([
      { verdict: 'problem', message: 'its health check /healthz is answered 500' },
    ]);
  });

  it('whose TLS does not hold are problems', async () => {
    const target = await startTarget();
    expect(of(await look(to(target.url.replace('http:', 'https:'))), 'target')).toMatchObject([
      { verdict: 'problem', message: expect.stringMatching(/TLS fails|no HTTP response/) },
    ]);
  });
});

describe('certificates', () => {
  it('have the names of routes and an end that is far', async () => {
    const authority = await makeCertificates();
    const { certFile, keyFile } = await authority.issue({ names: ['api.example.com'] });
    const listeners = [{ port: 8443, tls: { certificates: [{ certFile, keyFile }] } }];
    const routes = (host: string) => [{ id: 'r', path: '/*', hosts: [host], respond: {} }];
    const verdicts = async (host: string) =>
      of(await look({ listeners, routes: routes(host) }), 'certificate').map(
        ({ verdict, message }) => `${verdict} ${message}`,
      );
    expect((await verdicts('api.example.com')).at(-1)).toBe(
      'ok the certificates have the names of all routes',
    );
    expect((await verdicts('shop.example.com')).at(-1)).toBe(
      'warning no certificate has the name shop.example.com',
    );
  });
});

describe('Redis', () => {
  it('that saves nothing and evicts is warned of, one that is away is a problem, and no secret is shown', async () => {
    const password = 'a-password-that-nobody-sees';
    const server = await RedisServer.start({
      config: [`requirepass ${password}`, 'maxmemory 100mb', 'maxmemory-policy allkeys-lru', 'appendonly no'],
    });
    onTestFinished(() => server.close());
    const redis = { url: server.url.replace('redis://', `redis://:${password}@`) };
    const findings = await look({ redis });
    expect(
      of(findings, 'redis')
        .map(({ message }) => message)
        .join(),
    ).toMatch(/evicts by allkeys-lru.*disk/s);
    const nobody = await reserveNobody();
    const away = await look({ redis: { url: `redis://:${password}@${new URL(nobody.url).host}` } });
    expect(of(away, 'redis')).toMatchObject([{ verdict: 'problem' }]);
    const wrong = await look({ redis: { url: server.url, password: `${password}!` } });
    expect(of(wrong, 'redis')).toMatchObject([{ verdict: 'problem' }]);
    expect(formatFindings([...findings, ...away, ...wrong])).not.toContain(password);
  });
});

describe('sallyport doctor', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [CLI, 'doctor', ...args], { encoding: 'utf8' });

  it('exits 0 where there is no problem, 1 where there is one, and writes JSON when asked', async () => {
    const good = run('--json', '--config', write({}));
    expect(good.status).toBe(0);
    expect(JSON.parse(good.stdout)).toMatchObject({ ok: true });
    const { url } = await reserveNobody();
    const bad = run('--config', write(to(url)));
    expect(bad.status).toBe(1);
    expect(bad.stdout).toMatch(/^problem {2}target service .*\n {9}→ start it/m);
    const broken = run('--json', '--config', write({ nonsense: 1 }));
    expect(broken.status).toBe(1);
    expect(JSON.parse(broken.stdout).findings[0]).toMatchObject({
      check: 'configuration',
      verdict: 'problem',
    });
  });
});
