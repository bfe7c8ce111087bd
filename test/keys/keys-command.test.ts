/** `sallyport keys …` in processes of its own, beside gateways that run. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type KeySettings, type KeysAction, runKeys } from '../../src/cli/run-keys.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { CLI } from '../support/bundled-gateway.ts';
import { GatewayProcess } from '../support/gateway-process.ts';
import { startGateway, type TestConfig, type TestGateway } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';
import { RedisServer } from '../support/redis-server.ts';
import { until } from '../support/until.ts';

interface Run {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function sallyport(configFile: string, ...args: string[]): Promise<Run> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args, '--config', configFile], (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

/** Runs one of the commands as a process of its own would, without the time that it takes to start. */
async function keys(configFile: string, action: KeysAction) {
  const print = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    await runKeys(configFile, true, action);
    return JSON.parse(String(print.mock.calls[0]?.[0]));
  } finally {
    print.mockRestore();
  }
}

const create = (settings: Partial<KeySettings> = {}): KeysAction => ({
  kind: 'create',
  settings: { owner: 'acme', ...settings },
});

async function ask(
  { url }: { url: string },
  key: string,
  more: Record<string, string> = {},
): Promise<number> {
  const response = await fetch(`${url}/a`, { headers: { 'x-api-key': key, ...more } });
  return response.status;
}

const ROUTES: TestConfig = { routes: [{ id: 'a', path: '/a', respond: {}, policies: ['api-key'] }] };

/** A configuration that no gateway runs. */
function configFile(config: object = ROUTES): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-keys-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'sallyport.json');
  writeFileSync(file, JSON.stringify({ listeners: [{ port: 0 }], ...config }));
  return file;
}

describe('sallyport keys beside a running gateway', () => {
  it('makes a key that is good at once, and takes it back within a second', async () => {
    const clock = new StubClock();
    const gateway = await startGateway(ROUTES, { clock });
    const made = await sallyport(gateway.configFile, 'keys', 'create', '--owner', 'acme', '--json');
    expect(made).toMatchObject({ status: 0, stderr: '' });
    const { id, key } = JSON.parse(made.stdout);
    expect(await ask(gateway, key)).toBe(200);
    const { status } = await sallyport(gateway.configFile, 'keys', 'delete', id);
    expect(status).toBe(0);
    clock.advance(1000);
    await until(async () => (await ask(gateway, key)) === 401);
  });

  it('rotates, disables, enables and expires it', async () => {
    const gateway = await startGateway(ROUTES);
    const { id, key: former } = await keys(gateway.configFile, create());
    const { key } = await keys(gateway.configFile, { kind: 'rotate', id, grace: '24h' });
    expect([await ask(gateway, former), await ask(gateway, key)]).toEqual([200, 200]);
    const { key: last } = await keys(gateway.configFile, { kind: 'rotate', id, grace: '0s' });
    await until(async () => (await ask(gateway, key)) === 401);
    expect([await ask(gateway, former), await ask(gateway, last)]).toEqual([401, 200]);
    expect(await keys(gateway.configFile, { kind: 'disable', id })).toMatchObject({ id, disabled: true });
    await until(async () => (await ask(gateway, last)) === 401);
    await keys(gateway.configFile, { kind: 'enable', id });
    await until(async () => (await ask(gateway, last)) === 200);
    await keys(gateway.configFile, { kind: 'expire', id, expires: 'now' });
    await until(async () => (await ask(gateway, last)) === 401);
  });
});

describe('sallyport keys beside several workers', () => {
  it('makes a key that is good at all of them, and takes it back from all', async () => {
    const gateway = await GatewayProcess.start({ ...ROUTES, workers: 2 });
    const { id, key } = await keys(gateway.configFile, create());
    const url = `http://${LOOPBACK}:${gateway.port}`;
    // A connection for each request, so that both workers get some.
    const askOften = () =>
      Promise.all(Array.from({ length: 20 }, () => ask({ url }, key, { connection: 'close' })));
    expect(new Set(await askOften())).toEqual(new Set([200]));
    await keys(gateway.configFile, { kind: 'delete', id });
    await until(async () => (await askOften()).every((status) => status === 401));
  });
});

describe('sallyport keys', () => {
  it('shows all that is known of a key, but never the key or its hash', async () => {
    const file = configFile();
    const settings = [
      '--role',
      'partner',
      '--role',
      'reader',
      '--permission',
      'orders:read',
      '--plan',
      'gold',
    ];
    const limits = ['--route', 'a', '--ip', '10.0.0.0/8', '--expires', '2100-01-31T00:00:00Z'];
    const about = ['--metadata', '{"contract":"4711"}', '--json'];
    const made = await sallyport(file, 'keys', 'create', '--owner', 'acme', ...settings, ...limits, ...about);
    const { id, key } = JSON.parse(made.stdout);
    expect(key).toMatch(/^sp_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$/);
    const shown = await keys(file, { kind: 'show', id });
    expect(shown).toEqual({
      id,
      owner: 'acme',
      roles: ['partner', 'reader'],
      permissions: ['orders:read'],
      plan: 'gold',
      routes: ['a'],
      ips: ['10.0.0.0/8'],
      metadata: { contract: '4711' },
      disabled: false,
      createdAt: expect.stringMatching(/^20\d\d-/),
      expiresAt: '2100-01-31T00:00:00.000Z',
    });
    expect(await keys(file, { kind: 'list' })).toEqual([shown]);
    const table = await sallyport(file, 'keys', 'list');
    expect(table.stdout).toMatch(new RegExp(`^ID .*\n${id} +acme +partner reader +gold +until 2100-`));
  });

  it('keeps nothing in the store by which a key could be used', async () => {
    const file = configFile({ ...ROUTES, dataDir: './data' });
    const { key } = await keys(file, create());
    const secret = key.slice(key.lastIndexOf('_') + 1, -6);
    const stored = readFileSync(join(file, '../data/api-keys.db'), 'latin1');
    expect(stored).toContain('acme');
    expect(stored).not.toContain(secret);
  });

  it('shows a new key once, and says so', async () => {
    const { stdout } = await sallyport(configFile(), 'keys', 'create', '--owner', 'acme');
    expect(stdout).toMatch(/^id {3}\w{12}\nkey {2}sp_live_\w{62}\nThe key is not shown again\.\n$/);
  });

  it.each<[KeysAction, string]>([
    [{ kind: 'show', id: 'nobody' }, 'there is no API key nobody'],
    [{ kind: 'rotate', id: 'nobody', grace: '1h' }, 'there is no API key nobody'],
    [{ kind: 'delete', id: 'nobody' }, 'there is no API key nobody'],
    [{ kind: 'disable', id: 'nobody' }, 'there is no API key nobody'],
    [{ kind: 'expire', id: 'nobody', expires: 'soon' }, '--expires: is not a duration'],
    [
      { kind: 'rotate', id: 'nobody', grace: '1 day' },
      '--grace: is not written as durations are here — write 1d',
    ],
    [create({ ip: ['home'] }), '--ip: is not an address or range'],
    [create({ route: ['b'] }), "--route: the configuration has no route 'b'"],
    [create({ expires: 'soon' }), '--expires: is not a duration'],
    [create({ metadata: '{' }), '--metadata: is not JSON'],
    [create({ metadata: '[]' }), '--metadata: is a list where a map is due — write a map'],
    [create({ owner: 'a\r\nb' }), '--owner: '],
  ])('says what is wrong with %j', async (action, message) => {
    await expect(keys(configFile(), action)).rejects.toThrow(message);
  });

  it('exits 1 where something is wrong', async () => {
    const file = configFile();
    const [gone, ownerless] = await Promise.all([
      sallyport(file, 'keys', 'show', 'nobody'),
      sallyport(file, 'keys', 'create'),
    ]);
    expect(gone).toEqual({ status: 1, stdout: '', stderr: 'there is no API key nobody\n' });
    expect(ownerless).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('--owner') });
  });

  it('exits 1 with the problems of the configuration', async () => {
    const { status, stderr } = await sallyport(configFile({ apiKeys: { store: 'redis' } }), 'keys', 'list');
    expect(status).toBe(1);
    expect(stderr).toMatch(/apiKeys\.store: needs a Redis .+\n.*apiKeys\.store: needs a pepper/);
  });
});

describe('keys in Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.close());

  const shared = (url: string): TestConfig => ({
    ...ROUTES,
    redis: { url, prefix: `${Math.random()}:`, commandTimeout: '1s' },
    apiKeys: { store: 'redis', pepper: 'a pepper of more than enough letters' },
  });

  it('are good at all gateways at once, and revoked at all of them', async () => {
    const config = shared(redis.url);
    const gateways = [await startGateway(config), await startGateway(config)];
    const file = (gateways[0] as TestGateway).configFile;
    const { id, key } = await keys(file, create());
    const queryAll = () => Promise.all(gateways.map((gateway) => ask(gateway, key)));
    expect(await queryAll()).toEqual([200, 200]);
    await keys(file, { kind: 'disable', id });
    await until(async () => (await queryAll()).every((status) => status === 401));
    await keys(file, { kind: 'enable', id });
    await until(async () => (await queryAll()).every((status) => status === 200));
    expect(await keys(file, { kind: 'delete', id })).toEqual({ id, deleted: true });
    await until(async () => (await queryAll()).every((status) => status === 401));
  });

  it('that were seen stay good while Redis is away, others are answered 503', async () => {
    const own = await RedisServer.start();
    onTestFinished(() => own.close());
    const gateway = await startGateway(shared(own.url));
    const { key: seen } = await keys(gateway.configFile, create());
    const { key: unseen } = await keys(gateway.configFile, create());
    expect(await ask(gateway, seen)).toBe(200);
    await own.kill();
    const response = await fetch(`${gateway.url}/a`, { headers: { 'x-api-key': unseen } });
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await response.json()).toMatchObject({ code: 'GW_AUTH_UNAVAILABLE' });
    expect(await ask(gateway, seen)).toBe(200);
    const failed = await sallyport(gateway.configFile, 'keys', 'list');
    expect([failed.status, failed.stderr]).toEqual([1, expect.stringMatching(/^Redis at .+\n$/)]);
    // It comes back with nothing of what it knew.
    await own.resume();
    await until(async () => (await ask(gateway, seen)) === 401);
  });

  it('of a Redis that is not there yet are checked as soon as it is', async () => {
    const own = await RedisServer.start();
    onTestFinished(() => own.close());
    await own.kill();
    const gateway = await startGateway(shared(own.url));
    const invented = 'sp_live_000000000000_0000000000000000000000000000000000000000000000000';
    expect(await ask(gateway, invented)).toBe(503);
    await own.resume();
    await until(async () => (await ask(gateway, invented)) === 401);
  });

  it('that were made with another pepper are said to be so', async () => {
    const config = shared(redis.url);
    const gateway = await startGateway(config);
    await keys(gateway.configFile, create());
    const other = { ...config, apiKeys: { store: 'redis', pepper: 'another pepper of enough letters' } };
    await expect(startGateway(other as TestConfig)).rejects.toThrow(/another apiKeys\.pepper/);
  });
});
