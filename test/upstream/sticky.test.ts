import { expect, it } from 'vitest';
import { startGateway, startTarget } from '../support/harness.ts';

it('a client that keeps its cookie stays with one target, and gets another one when that is out', async () => {
  const isIll = new Set<number>();
  const targets = await Promise.all(
    [0, 1, 2].map((i) =>
      startTarget((_, response) => {
        response.writeHead(isIll.has(i) ? 500 : 200, { 'set-cookie': 'own=1' }).end(String(i));
      }),
    ),
  );
  const { url } = await startGateway({
    upstreams: {
      service: {
        targets: targets.map((target) => target.url),
        sticky: { cookie: 'lb' },
        health: { passive: { failures: 1 } },
      },
    },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
  });
  const ask = async (cookie?: string) => {
    const response = await fetch(url, cookie === undefined ? {} : { headers: { cookie } });
    return { place: await response.text(), cookies: response.headers.getSetCookie() };
  };
  const first = await ask();
  expect(first.cookies).toEqual(['own=1', expect.stringMatching(/^lb=[0-9a-f]{16}; Path=\/; HttpOnly/)]);
  const cookie = first.cookies[1]?.split(';')[0] as string;
  for (let i = 0; i < 5; i++) expect(await ask(cookie)).toEqual({ place: first.place, cookies: ['own=1'] });
  isIll.add(Number(first.place));
  await ask(cookie);
  const moved = await ask(cookie);
  expect(moved.place).not.toBe(first.place);
  expect(moved.cookies[1]).toMatch(/^lb=/);
  expect(moved.cookies[1]).not.toContain(cookie);
});
