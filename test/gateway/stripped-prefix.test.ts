import { describe, expect, it } from 'vitest';
import { startGateway, startTarget, type TestConfig } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';

type RouteInput = NonNullable<TestConfig['routes']>[number];

/** A gateway that takes `/php` off, in front of a service that answers with these fields. */
async function startStripping(
  headers: Record<string, string | string[]> = {},
  route: Partial<RouteInput> = {},
  config: Partial<TestConfig> = {},
) {
  const target = await startTarget((request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.end(JSON.stringify({ url: request.url, prefix: request.headers['x-forwarded-prefix'] ?? null }));
  });
  const gateway = await startGateway({
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'all', path: '/php/*', upstream: 'service', stripPrefix: '/php', ...route } as RouteInput],
    ...config,
  });
  const ask = (path = '/php/a', more: RequestInit = {}) =>
    fetch(`${gateway.url}${path}`, { redirect: 'manual', ...more });
  return { ask, target, gateway };
}

describe('a service below a prefix that is taken off', () => {
  it.each([
    ['/php/a?b=1', { url: '/a?b=1', prefix: '/php' }],
    ['/php', { url: '/', prefix: '/php' }],
  ])('is told of it: %s', async (path, seen) => {
    const { ask } = await startStripping();
    expect(await (await ask(path)).json()).toEqual(seen);
  });

  it('is told what the client wrote, where letters of any case are the same', async () => {
    const { ask } = await startStripping({}, { caseSensitive: false });
    expect(await (await ask('/PHP/a')).json()).toEqual({ url: '/a', prefix: '/PHP' });
  });

  it('is told of no other by a client, and of one before it by a trusted proxy', async () => {
    const more = { headers: { 'x-forwarded-prefix': '/outer/' } };
    const untrusting = await startStripping();
    expect(await (await untrusting.ask('/php/a', more)).json()).toMatchObject({ prefix: '/php' });
    const proxies = { addresses: ['127.0.0.0/8'], writes: ['x-forwarded-for', 'x-forwarded-prefix'] };
    const config = { trustedProxies: proxies } as Partial<TestConfig>;
    const trusting = await startStripping({}, {}, config);
    expect(await (await trusting.ask('/php/a', more)).json()).toMatchObject({ prefix: '/outer/php' });
  });

  it('is told nothing where nothing is taken off', async () => {
    const plain = await startStripping({}, { stripPrefix: undefined } as never);
    expect(await (await plain.ask()).json()).toEqual({ url: '/php/a', prefix: null });
  });

  it('answers as it is where nothing says to put the prefix back', async () => {
    const { ask } = await startStripping({ location: '/next', 'set-cookie': 'a=b; Path=/' });
    const { headers } = await ask();
    expect([headers.get('location'), headers.get('set-cookie')]).toEqual(['/next', 'a=b; Path=/']);
  });
});

describe('a prefix that is put back', () => {
  const restoring = (headers: Record<string, string | string[]>) =>
    startStripping(headers, { restorePrefix: true });

  it.each([
    ['/next', '/php/next'],
    ['/', '/php/'],
    ['/next?a=/b#c', '/php/next?a=/b#c'],
    ['/php/next', '/php/next'],
    ['/php?x', '/php?x'],
    ['/phpinfo', '/php/phpinfo'],
    ['next', 'next'],
    ['?page=2', '?page=2'],
    ['https://other.example/next', 'https://other.example/next'],
    ['//other.example/next', '//other.example/next'],
    ['mailto:a@b.example', 'mailto:a@b.example'],
  ])('is in Location and Content-Location: %s', async (given, expected) => {
    const { ask } = await restoring({ location: given, 'content-location': given });
    const { headers } = await ask();
    expect([headers.get('location'), headers.get('content-location')]).toEqual([expected, expected]);
  });

  it('is in URLs of our host, and of the target, which become ours', async () => {
    const { ask, gateway, target } = await startStripping({}, { restorePrefix: true, hostHeader: 'target' });
    const ours = `${LOOPBACK}:${gateway.port}`;
    for (const [given, expected] of [
      [`http://${ours}/next`, `http://${ours}/php/next`],
      [`${target.url}/next`, `${new URL(gateway.url).protocol}//${ours}/php/next`],
      [`//${ours}/next`, `//${ours}/php/next`],
    ]) {
      target.server.removeAllListeners('request');
      target.server.on('request', (_, response) => response.setHeader('location', given as string).end());
      expect((await ask()).headers.get('location')).toBe(expected);
    }
  });

  it('is in the paths of cookies, each by itself', async () => {
    const { ask } = await restoring({
      'set-cookie': [
        'a=b; Path=/; HttpOnly',
        'c=d; path=/shop;Secure',
        'e=f',
        'g=h; Path=/php/shop',
        '__Host-i=j; Path=/; Secure',
        'k=Path=/x; Path=/y',
      ],
    });
    expect((await ask()).headers.getSetCookie()).toEqual([
      'a=b; Path=/php; HttpOnly',
      'c=d; path=/php/shop;Secure',
      'e=f',
      'g=h; Path=/php/shop',
      '__Host-i=j; Path=/; Secure',
      'k=Path=/x; Path=/php/y',
    ]);
  });

  it('needs one that is taken off', async () => {
    await expect(
      startStripping({}, { stripPrefix: undefined, restorePrefix: true } as never),
    ).rejects.toThrow('has nothing to restore');
  });
});
