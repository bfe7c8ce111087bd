import { request as httpRequest } from 'node:http';
import { describe, expect, it } from 'vitest';
import { rawRequest } from '../../support/harness.ts';
import { until } from '../../support/until.ts';
import { fresh, startCached } from './cached-gateway.ts';

/** Something to wait for, which a test lets happen. */
function makeGate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}

describe('the cache', () => {
  it('lets a request for another protocol past it', async () => {
    const { get, gateway, asked } = await startCached({}, () => fresh(60));
    await get('/a');
    await rawRequest(
      gateway.port,
      'GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    expect(asked).toHaveLength(2);
  });

  it('keeps what is stored, and what is under way, through a reload', async () => {
    const gate = makeGate();
    const { get, gateway, target, asked } = await startCached({}, async ({ url }) => {
      if (url === '/slow') await gate.opened;
      return fresh(60);
    });
    await get('/a');
    const first = get('/slow');
    await until(() => asked.length === 2);
    await gateway.rewrite({
      upstreams: { service: { targets: [target.url], retries: { max: 0 } } },
      routes: [
        { id: 'new', path: '/new', upstream: 'service' },
        { id: 'all', path: '/*', upstream: 'service', policies: [{ cache: {} }] },
      ],
    });
    await gateway.gateway.reload();
    const second = get('/slow');
    expect((await get('/a')).verdict).toBe('hit; ttl=60');
    gate.open();
    expect((await first).text).toBe((await second).text);
    expect(asked).toHaveLength(2);
  });

  it('counts a service whose clock is behind as older, and one whose clock is ahead as no younger', async () => {
    const at = (ms: number): string => new Date(1_700_000_000_000 + ms).toUTCString();
    const { get, clock } = await startCached({}, ({ url }) =>
      fresh(60, { date: at(url === '/behind' ? -50_000 : 3_600_000) }),
    );
    await get('/behind');
    await get('/ahead');
    expect((await get('/behind')).verdict).toBe('hit; ttl=10');
    clock.advance(59_000);
    expect((await get('/ahead')).verdict).toBe('hit; ttl=1');
    clock.advance(2000);
    expect((await get('/ahead')).verdict).toContain('fwd=stale');
  });

  it('repeats a failed request behind it, and stores what comes', async () => {
    const { get, asked } = await startCached(
      {},
      (_, index) => (index === 0 ? { status: 503 } : fresh(60)),
      {},
    );
    expect((await get('/a')).status).toBe(503);
    expect((await get('/a')).text).toBe('answer 1');
    expect((await get('/a')).verdict).toContain('hit');
    expect(asked).toHaveLength(2);
  });

  it('gives nobody a part of what breaks off, also where others read along', async () => {
    const gate = makeGate();
    const { get, asked } = await startCached({}, async (request, index) => {
      if (index > 0) return fresh(60);
      const { socket } = request;
      await gate.opened;
      socket.write('HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 100\r\n\r\npart');
      socket.end();
      return undefined;
    });
    const all = Promise.allSettled(Array.from({ length: 10 }, () => get('/a')));
    await until(() => asked.length === 1);
    gate.open();
    const got = await all;
    for (const one of got) if (one.status === 'fulfilled') expect(one.value.text).not.toBe('part');
    expect((await get('/a')).text).toMatch(/^answer \d+$/);
  });

  it('answers a slow reader of what it stores while others have it at once', async () => {
    const body = Buffer.alloc(4 * 1024 * 1024, 'x');
    const { get, gateway, asked } = await startCached({}, () => ({ ...fresh(60), body }));
    const slow = httpRequest(`${gateway.url}/a`);
    const response = await new Promise<import('node:http').IncomingMessage>((resolve) =>
      slow.on('response', resolve).end(),
    );
    response.pause();
    expect((await get('/a')).text).toHaveLength(body.length);
    expect((await get('/a')).verdict).toMatch(/hit|collapsed/);
    let bytes = 0;
    for await (const chunk of response) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(body.length);
    expect(asked).toHaveLength(1);
  });
});
