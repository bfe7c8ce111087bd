// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references in configurations look like that.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { ConfigError, createGateway, defineAuthService, definePolicy, usePolicy } from '../../src/index.ts';
import { MemoryDestination } from '../observability/memory-destination.ts';
import { LOOPBACK } from '../support/loopback.ts';

const listeners = [{ port: 0, host: LOOPBACK }];
const admin = { host: LOOPBACK, port: 0, token: 'for-tests' };
const drain = { delay: '0s' };

const stamp = definePolicy({
  name: 'acme/stamp',
  options: z.strictObject({ value: z.string().default('plain') }),
  create: ({ value }) => ({
    onResponse(_, head) {
      head.headers.set('x-stamp', value);
    },
  }),
});

/** Makes a gateway that ends with the test. What JavaScript may write is not what the compiler lets pass. */
async function gatewayOf(options: object) {
  const logDestination = new MemoryDestination();
  const gateway = await createGateway({ logDestination, ...options } as never);
  onTestFinished(() => gateway.close());
  return gateway;
}

async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-value-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

const respondWith = (body: string) => ({ id: 'r', path: '/', respond: { body } });

describe('a configuration as a value', () => {
  it('serves on its ports, without a file', async () => {
    const gateway = await gatewayOf({ config: { listeners, admin, drain, routes: [respondWith('hello')] } });
    await gateway.start();
    const response = await fetch(`http://${LOOPBACK}:${gateway.ports[0]}/`);
    expect(await response.text()).toBe('hello');
  });

  it('has policies, apps and auth services as values', async () => {
    const gateway = await gatewayOf({
      config: {
        listeners,
        customPolicies: { 'acme/stamp': stamp },
        authServices: {
          main: {
            code: defineAuthService({
              verifyToken: (token) => (token === 'good' ? { sub: 'ada' } : undefined),
            }),
          },
        },
        upstreams: {
          app: {
            app: async (app: { get(path: string, handler: () => object): void }) =>
              void app.get('/hello', () => ({ from: 'app' })),
          },
        },
        policies: [usePolicy(stamp, { value: 'seen' })],
        routes: [{ id: 'app', path: '/hello', upstream: 'app', policies: ['jwt'] }],
      },
    });
    const refused = await gateway.inject({ url: '/hello' });
    expect(refused.status).toBe(401);
    const answer = await gateway.inject({ url: '/hello', headers: { authorization: 'Bearer good' } });
    expect([answer.status, answer.headers.get('x-stamp'), answer.body.toString()]).toEqual([
      200,
      'seen',
      '{"from":"app"}',
    ]);
  });

  it('has a spy reach a policy that is a value', async () => {
    const create = vi.spyOn(stamp, 'create').mockReturnValue({ onRequest: () => ({ status: 418 }) });
    onTestFinished(() => create.mockRestore());
    const config = {
      listeners,
      customPolicies: { 'acme/stamp': stamp },
      routes: [{ ...respondWith(''), policies: ['acme/stamp'] }],
    };
    const gateway = await gatewayOf({ config });
    expect((await gateway.inject({ url: '/' })).status).toBe(418);
  });

  it('takes references, and files from its folder', async () => {
    const gateway = await gatewayOf({
      config: {
        listeners,
        customPolicies: { 'acme/audit': './audit.ts' },
        routes: [
          { ...respondWith('${WORD}'), path: '/word' },
          { id: 'f', path: '/file', policies: ['acme/audit'], respond: {} },
        ],
      },
      configFolder: join(import.meta.dirname, '../config/fixtures/policies'),
      env: { WORD: 'from the environment' },
    });
    expect((await gateway.inject({ url: '/word' })).body.toString()).toBe('from the environment');
    expect((await gateway.inject({ url: '/file' })).status).toBe(200);
  });

  it('is reloaded as another value, or as what it has become', async () => {
    const written = { listeners, admin, drain, routes: [respondWith('first')] };
    const gateway = await gatewayOf({ config: written });
    await gateway.start();
    const body = async () => (await gateway.inject({ url: '/' })).body.toString();
    expect(await gateway.reload({ ...written, routes: [respondWith('second')] })).toEqual({
      ok: true,
      version: 2,
    });
    expect(await body()).toBe('second');
    const refused = await gateway.reload({ ...written, routes: [{ id: 'r', path: '/', upstream: 'none' }] });
    expect(refused).toMatchObject({
      ok: false,
      problems: [expect.stringMatching(/^config routes\[0\]\.upstream: /)],
    });
    expect(await body()).toBe('second');
    written.routes[0] = respondWith('changed in place');
    expect(await gateway.reload(written)).toEqual({ ok: true, version: 3 });
    expect(await body()).toBe('changed in place');
    written.routes[0] = respondWith('once more');
    expect(await gateway.reload()).toEqual({ ok: true, version: 4 });
    expect(await body()).toBe('once more');
  });

  it('has all its problems told at once, by their paths', async () => {
    const config = {
      listeners: [{ port: '8080' }],
      customPolicies: { 'acme/stamp': stamp, 'acme/other': stamp, 'acme/odd': { name: 'acme/odd' } },
      policies: [{ 'acme/stamp': { valu: 'x' } }],
      routes: [{ id: 'r', path: '/', upstream: 'none' }],
    };
    const error = await gatewayOf({ config }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect(String((error as Error).message).split('\n')).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^config listeners\[0\]\.port: is text — write 8080 without quotes/),
        expect.stringMatching(
          /^config policies\[0\]\["acme\/stamp"\]\.valu: there is no setting 'valu' here — did you mean 'value'\?/,
        ),
        expect.stringMatching(
          /^config customPolicies\["acme\/other"\]: is the policy 'acme\/stamp', not this one/,
        ),
        expect.stringMatching(/^config customPolicies\["acme\/odd"\]: is a policy that has no `options`/),
        expect.stringMatching(/^config routes\[0\]\.upstream: /),
      ]),
    );
  });

  it.each([
    ['an app', { upstreams: { a: { app: {} } } }, 'upstreams.a.app: is not a Fastify plugin'],
    [
      'an auth service',
      { authServices: { a: { code: () => 1 } } },
      'authServices.a.code: is not an auth service',
    ],
    ['a policy', { customPolicies: { 'acme/x': () => 1 } }, 'customPolicies["acme/x"]: is not a policy'],
    ['data', { accessLog: () => 1 }, 'accessLog: is a function'],
  ])('is refused where something else stands for %s', async (_, rest, problem) => {
    await expect(gatewayOf({ config: { listeners, ...rest } })).rejects.toThrow(`config ${problem}`);
  });
});

describe('custom policies beside a configuration file', () => {
  it('take the place of those that it names, also after a reload', async () => {
    const text = (body: string) =>
      JSON.stringify({
        listeners,
        admin,
        drain,
        customPolicies: { 'acme/stamp': './not-there.ts' },
        policies: [{ 'acme/stamp': { value: 'given' } }],
        routes: [respondWith(body)],
      });
    const folder = await folderWith({ 'sallyport.json': text('one') });
    const configFile = join(folder, 'sallyport.json');
    const gateway = await gatewayOf({ configFile, customPolicies: { 'acme/stamp': stamp }, watch: false });
    await gateway.start();
    await writeFile(configFile, text('two'));
    expect(await gateway.reload()).toEqual({ ok: true, version: 2 });
    const { headers, body } = await gateway.inject({ url: '/' });
    expect([headers.get('x-stamp'), body.toString()]).toEqual(['given', 'two']);
    await expect(gateway.reload({ listeners } as never)).rejects.toThrow('has a configuration file');
  });
});

describe('createGateway', () => {
  it.each([
    ['nothing', undefined, /give it a configuration: \{ configFile/],
    ['no configuration', {}, /give it a configuration: \{ configFile/],
    ['a text', './sallyport.yaml', /give it a configuration/],
    ['a misspelt option', { confg: {} }, /there is no option 'confg' — did you mean 'config'\?/],
    ['two configurations', { configFile: 'a.yaml', config: {} }, /there are two configurations/],
    ['a file as a value', { config: './sallyport.yaml' }, /config is a text — name a file by configFile/],
    ['a list', { config: [] }, /config is not a configuration/],
    ['a file that is none', { configFile: 7 }, /configFile is not the name of a file/],
    ['policies in a list', { config: {}, customPolicies: [stamp] }, /customPolicies is not a map/],
    ['a folder of a file', { configFile: 'a.yaml', configFolder: '.' }, /configFolder has no effect/],
  ])('says plainly what is wrong with %s', async (_, options, message) => {
    const error: unknown = await createGateway(options as never).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(message);
  });
});
