import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import { mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, onTestFinished } from 'vitest';
import { NameLookup, replaceSystemLookup } from '../../src/core/network/name-lookup.ts';
import { Dnsmasq } from '../support/dnsmasq.ts';
import { startGateway, startTarget, type TestGateway } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

/** What each test asks meanwhile, which needs nothing of what stands still. */
const PLAIN = { id: 'plain', path: '/plain', upstream: 'plain' };
const REQUESTS = 100;

async function answered({ url }: Pick<TestGateway, 'url'>, path = '/plain'): Promise<number> {
  const statuses = await Promise.all(
    Array.from({ length: REQUESTS }, async () => (await fetch(url + path)).status),
  );
  return statuses.filter((status) => status === 200).length;
}

async function writeHosts(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-hosts-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'hosts'), text);
  return join(folder, 'hosts');
}

const details = ({ gateway }: TestGateway): string => gateway.readiness().details.join('\n');

describe('all requests that need nothing of it are answered while', () => {
  it('a name server is silent, also those of an upstream whose addresses were known', async () => {
    // Each request needs a connection of its own, and so an address.
    const target = await startTarget((_, response) => response.setHeader('connection', 'close').end('hello'));
    const server = await Dnsmasq.start({ records: [`known.test,${LOOPBACK},1`] });
    onTestFinished(() => server.close());
    const hostsFile = await writeHosts(`${LOOPBACK} localhost`);
    const names = new NameLookup({ servers: [server.server], hostsFile });
    onTestFinished(replaceSystemLookup(names));
    const named = (name: string) => ({ targets: [`http://${name}:${target.port}`], retries: { max: 0 } });
    const gateway = await startGateway({
      upstreams: { plain: named('localhost'), known: named('known.test'), silent: named('silent.test') },
      routes: [
        PLAIN,
        { id: 'known', path: '/known', upstream: 'known' },
        { id: 'silent', path: '/silent', upstream: 'silent' },
      ],
    });
    expect((await fetch(`${gateway.url}/known`)).status).toBe(200);
    server.freeze();
    let failed = 0;
    const waiting = Array.from({ length: 12 }, async () => {
      const { status } = await fetch(`${gateway.url}/silent`);
      if (status === 503) failed++;
    });
    expect(await answered(gateway)).toBe(REQUESTS);
    await until(async () => {
      expect(await answered(gateway, '/known')).toBe(REQUESTS);
      return names.unanswered.length > 0;
    });
    expect(details(gateway)).toContain(
      'no name server answers for 1 names; their last good addresses are used',
    );
    await Promise.all(waiting);
    expect(failed).toBe(12);
  });

  it('another process locks the files of quotas and of API keys', async () => {
    const target = await startTarget((_, response) => response.end('hello'));
    const gateway = await startGateway({
      dataDir: './data',
      upstreams: { plain: { targets: [target.url] } },
      routes: [
        PLAIN,
        {
          id: 'counted',
          path: '/counted',
          upstream: 'plain',
          policies: [{ quota: { limit: 10_000, period: 'month', key: 'ip' } }],
        },
        { id: 'keyed', path: '/keyed', upstream: 'plain', policies: ['api-key'] },
      ],
    });
    const { key } = await (await gateway.gateway.administerKeys()).create({ owner: 'acme' } as never);
    const headers = { 'x-api-key': key };
    expect((await fetch(`${gateway.url}/keyed`, { headers })).status).toBe(200);
    const others = ['limits.sqlite', 'api-keys.db'].map(
      (name) => new DatabaseSync(join(gateway.folder, 'data', name)),
    );
    for (const other of others) {
      onTestFinished(() => other.close());
      other.exec('BEGIN IMMEDIATE');
    }
    await until(async () => {
      expect(await answered(gateway)).toBe(REQUESTS);
      expect(await answered(gateway, '/counted')).toBe(REQUESTS);
      expect((await fetch(`${gateway.url}/keyed`, { headers })).status).toBe(200);
      return details(gateway).includes('quotas cannot be written down (database is locked)');
    });
    expect((await gateway.gateway.metrics()).text).toMatch(/^gateway_quota_store_up 0$/m);
    for (const other of others) other.exec('COMMIT');
    await until(() => !details(gateway).includes('quotas'));
  });

  it('files are replaced by pipes into which nobody writes, also what needs the threads that read files', async () => {
    const target = await startTarget((_, response) => response.end('hello'));
    // More than there are threads.
    const names = Array.from({ length: 6 }, (_, i) => `targets-${i}`);
    const list = JSON.stringify({ targets: [target.url] });
    const gateway = await startGateway(
      {
        upstreams: {
          plain: { targets: [target.url] },
          ...Object.fromEntries(names.map((name) => [name, { discovery: { file: `./${name}.json` } }])),
        },
        routes: [PLAIN, ...names.map((name) => ({ id: name, path: `/${name}`, upstream: name }))],
      },
      { files: Object.fromEntries(names.map((name) => [`${name}.json`, list])) },
    );
    for (const name of names) {
      const path = join(gateway.folder, `${name}.json`);
      execFileSync('mkfifo', [`${path}.new`]);
      await rename(`${path}.new`, path);
    }
    // There is a reader when it can be opened for writing.
    const isRead = (name: string): Promise<boolean> =>
      open(join(gateway.folder, `${name}.json`), constants.O_WRONLY | constants.O_NONBLOCK).then(
        (file) => file.close().then(() => true),
        () => false,
      );
    for (const name of names) await until(() => isRead(name));
    expect(await answered(gateway)).toBe(REQUESTS);
    // In this same process.
    expect(await readFile(gateway.configFile, 'utf8')).toContain('targets-0');
    for (const name of names) expect((await fetch(`${gateway.url}/${name}`)).status).toBe(200);
  });

  it('Redis stands still', async () => {
    const target = await startTarget((_, response) => response.end('hello'));
    const redis = await RedisServer.start();
    onTestFinished(() => redis.close());
    const gateway = await startGateway({
      redis: { url: redis.url, commandTimeout: '1s' },
      upstreams: { plain: { targets: [target.url] } },
      routes: [
        PLAIN,
        {
          id: 'counted',
          path: '/counted',
          upstream: 'plain',
          policies: [{ 'rate-limit': { limit: 10_000, window: '1h', key: 'ip' } }],
        },
      ],
    });
    redis.freeze();
    const counted = answered(gateway, '/counted');
    expect(await answered(gateway)).toBe(REQUESTS);
    expect(await counted).toBe(REQUESTS);
    expect(details(gateway)).toContain('Redis at');
    redis.thaw();
  });
});
