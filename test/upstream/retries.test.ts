import { afterEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { StubClock } from '../observability/stub-clock.ts';
import {
  RawClient,
  readAll,
  released,
  startGateway,
  startRawTarget,
  startTarget,
  type TestConfig,
} from '../support/harness.ts';
import { reserveNobody } from '../support/loopback.ts';
import { metricsOf } from './gateway-metrics.ts';

type UpstreamInput = NonNullable<TestConfig['upstreams']>[string];

/** A gateway whose every path goes to these targets, in turn. */
function startGatewayTo(
  targets: readonly { url: string }[],
  upstream: UpstreamInput = {},
  timeout = '30s',
  clock?: StubClock,
) {
  const config = {
    upstreams: { service: { targets: targets.map(({ url }) => url), ...upstream } },
    routes: [{ id: 'all', path: '/*', upstream: 'service', timeout }],
  };
  return startGateway(config, clock === undefined ? {} : { clock });
}

const startAnswering = (status: number, headers: Record<string, string> = {}) =>
  startTarget((request, response) => {
    request.resume();
    response.writeHead(status, headers).end(`status ${status}`);
  });

/** Breaks each connection once it has read a request. */
const startBreaking = () => startRawTarget((socket) => void socket.on('data', () => socket.destroy()));

afterEach(() => vi.restoreAllMocks());

describe('a request whose target cannot be reached', () => {
  it.each(['GET', 'POST', 'PATCH'])('goes to another one when it is %s', async (method) => {
    const [gone, there] = [await reserveNobody(), await startTarget()];
    const { url } = await startGatewayTo([gone, there]);
    for (let i = 0; i < 4; i++) {
      const body = method === 'GET' ? {} : { body: `body ${i}` };
      const response = await fetch(url, { method, ...body });
      expect(response.status).toBe(200);
      if (method !== 'GET') expect(await response.json()).toMatchObject({ body: `body ${i}` });
    }
    expect(there.requests).toHaveLength(4);
  });

  it('keeps going to a body that streams', async () => {
    const [gone, there] = [await reserveNobody(), await startTarget()];
    const { url } = await startGatewayTo([gone, there]);
    const body = new ReadableStream({
      start(controller) {
        for (const piece of ['one ', 'two ', 'three']) controller.enqueue(Buffer.from(piece));
        controller.close();
      },
    });
    const response = await fetch(url, { method: 'POST', body, duplex: 'half' } as RequestInit);
    expect(await response.json()).toMatchObject({ body: 'one two three' });
  });

  it('answers 503 when the other one cannot be reached either', async () => {
    const { url } = await startGatewayTo([await reserveNobody(), await reserveNobody()]);
    const response = await fetch(url);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ code: 'GW_UPSTREAM_UNREACHABLE' });
  });
});

describe('a request whose answer fails', () => {
  it.each([502, 503])('goes to another target after %i', async (status) => {
    const [bad, good] = [await startAnswering(status), await startTarget()];
    const { url } = await startGatewayTo([bad, good]);
    expect((await fetch(url)).status).toBe(200);
    expect(bad.requests).toHaveLength(1);
  });

  it.each([500, 504, 404, 429])('gives the client %i as it is', async (status) => {
    const [bad, good] = [await startAnswering(status), await startTarget()];
    const { url } = await startGatewayTo([bad, good]);
    const response = await fetch(url);
    expect(response.status).toBe(status);
    expect(await response.text()).toBe(`status ${status}`);
    expect(good.requests).toHaveLength(0);
  });

  it('goes to another target after 500 where the configuration says so', async () => {
    const { url } = await startGatewayTo([await startAnswering(500), await startTarget()], {
      retries: { on: [500] },
    });
    expect((await fetch(url)).status).toBe(200);
  });

  it('goes to another target when the connection breaks before the head', async () => {
    const { url } = await startGatewayTo([await startBreaking(), await startTarget()]);
    expect((await fetch(url)).status).toBe(200);
  });

  it('does not send POST twice', async () => {
    const [bad, good] = [await startAnswering(503), await startTarget()];
    const { url } = await startGatewayTo([bad, good]);
    expect((await fetch(url, { method: 'POST', body: 'x' })).status).toBe(503);
    const [broken, other] = [await startBreaking(), await startTarget()];
    const second = await startGatewayTo([broken, other]);
    expect((await fetch(second.url, { method: 'POST', body: 'x' })).status).toBe(502);
    expect(good.requests.length + other.requests.length).toBe(0);
  });

  it('gives the last answer when all attempts fail', async () => {
    const bad = await startAnswering(503, { 'x-from': 'target' });
    const { url } = await startGatewayTo([bad], { retries: { max: 2 } });
    const response = await fetch(url);
    expect(response.status).toBe(503);
    expect(response.headers.get('x-from')).toBe('target');
    expect(bad.requests).toHaveLength(3);
  });

  it('is sent once where retries are off', async () => {
    const bad = await startAnswering(503);
    const { url } = await startGatewayTo([bad], { retries: { max: 0 } });
    expect((await fetch(url)).status).toBe(503);
    expect(bad.requests).toHaveLength(1);
  });

  it('breaks off rather than start again when the head has gone out', async () => {
    const broken = await startRawTarget((socket) => {
      socket.on('data', () =>
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', () => socket.destroy()),
      );
    });
    const other = await startTarget();
    const { url } = await startGatewayTo([broken, other]);
    const response = await fetch(url);
    await expect(response.text()).rejects.toThrow();
    expect(other.requests).toHaveLength(0);
  });

  it('keeps the connection of an answer that it does not use', async () => {
    let asked = 0;
    const target = await startTarget((_, response) => {
      response.writeHead(++asked % 2 === 1 ? 503 : 200).end('body');
    });
    const { url } = await startGatewayTo([target]);
    for (let i = 0; i < 3; i++) expect((await fetch(url)).status).toBe(200);
    expect(new Set(target.requests.map(({ socket }) => socket)).size).toBe(1);
  });
});

describe('what a target may still be at work on', () => {
  const startHung = () => startRawTarget((socket) => void socket.resume());

  it('is not sent to anyone else, unless the configuration says so', async () => {
    const [hung, other] = [await startHung(), await startTarget()];
    const clock = new StubClock();
    const timeouts = { response: '5s' } as const;
    // The one that hangs has the request before any time passes, so that only it can be late.
    const askHung = async ({ url }: { url: string }, index: number) => {
      const answer = fetch(url);
      const socket = await hung.socket(index);
      if (socket.bytesRead === 0) await new Promise((resolve) => socket.once('data', resolve));
      for (let i = 0; i < 60; i++) clock.advance(100);
      return (await answer).status;
    };
    const slow = await startGatewayTo([hung, other], { timeouts }, '30s', clock);
    expect(await askHung(slow, 0)).toBe(504);
    expect(other.requests).toHaveLength(0);
    const settings = { timeouts, retries: { on: [504] } };
    const repeating = await startGatewayTo([hung, other], settings, '30s', clock);
    expect(await askHung(repeating, 1)).toBe(200);
  });

  it('is never sent to the same target again', async () => {
    const settings = { timeouts: { response: '50ms' }, retries: { max: 3, on: [504] } };
    const hung = await startHung();
    const { url } = await startGatewayTo([hung], settings);
    expect((await fetch(url)).status).toBe(504);
    expect(hung.sockets).toHaveLength(1);
    const late = await startAnswering(504);
    const behindAnother = await startGatewayTo([late], settings);
    expect((await fetch(behindAnother.url)).status).toBe(504);
    expect(late.requests).toHaveLength(1);
    const both = [await startHung(), await startHung()];
    expect((await fetch((await startGatewayTo(both, settings)).url)).status).toBe(504);
    expect(both.map(({ sockets }) => sockets.length)).toEqual([1, 1]);
  });

  it('has the time of its route, where the upstream says nothing', async () => {
    const clock = new StubClock();
    let release: () => void = () => {};
    const target = await startTarget((_, response) => {
      release = () => response.end('late');
    });
    const { url } = await startGateway(
      {
        upstreams: { service: { targets: [target.url] } },
        routes: [{ id: 'all', path: '/*', upstream: 'service', timeout: '2m' }],
      },
      { clock },
    );
    const answer = fetch(url);
    await target.request(0);
    for (let i = 0; i < 59; i++) clock.advance(2000);
    release();
    expect(await (await answer).text()).toBe('late');
    expect(target.requests).toHaveLength(1);
  });
});

describe('a target that has no free connection', () => {
  it('is not asked again, but another one is', async () => {
    const hung = await startRawTarget((socket) => void socket.resume());
    const full = { maxConnections: 1, timeouts: { connect: '50ms' } };
    const { url, adminPort } = await startGatewayTo([hung], full);
    const leaving = new AbortController();
    const first = fetch(url, { signal: leaving.signal }).catch(() => 'left');
    await hung.socket(0);
    const refused = await fetch(url);
    expect(await refused.json()).toMatchObject({ status: 503, code: 'GW_UPSTREAM_BUSY' });
    expect(await metricsOf(adminPort)).toContain('gateway_upstream_retries_total{upstream="service"} 0');
    leaving.abort();
    await first;
  });

  it('sends POST on to another one, since no byte of it was written', async () => {
    const hung = await startRawTarget((socket) => void socket.resume());
    const { url } = await startGatewayTo([hung, await startTarget()], {
      maxConnections: 1,
      timeouts: { connect: '1s' },
    });
    const leaving = new AbortController();
    const first = fetch(url, { signal: leaving.signal }).catch(() => 'left');
    await hung.socket(0);
    for (let i = 0; i < 2; i++) {
      const response = await fetch(url, { method: 'POST', body: 'order' });
      expect(await response.json()).toMatchObject({ body: 'order' });
    }
    leaving.abort();
    await first;
  });
});

describe('a request body', () => {
  const put = (url: string, body: string | ReadableStream) =>
    fetch(url, { method: 'PUT', body, duplex: 'half' } as RequestInit);

  it('is sent again whole when it is small and the method idempotent', async () => {
    const seen: string[] = [];
    const bad = await startTarget(async (request, response) => {
      seen.push((await readAll(request)).toString());
      response.writeHead(503).end();
    });
    const { url } = await startGatewayTo([bad, await startTarget()]);
    const body = 'x'.repeat(60_000);
    expect(await (await put(url, body)).json()).toMatchObject({ method: 'PUT', body });
    expect(seen).toEqual([body]);
  });

  it('that has come in part goes on to the other target', async () => {
    const broken = await startBreaking();
    const { port } = await startGatewayTo([broken, await startTarget()]);
    const client = await RawClient.connect(port);
    client.write('PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nfirst');
    const socket = await broken.socket(0);
    await new Promise((resolve) => socket.once('close', resolve));
    client.write('later');
    expect(await client.until((received) => received.includes('later'))).toMatch(
      /^HTTP\/1.1 200 .*firstlater/s,
    );
  });

  it('is not sent again when it is large', async () => {
    const bad = await startAnswering(503);
    const other = await startTarget();
    const { url } = await startGatewayTo([bad, other]);
    expect((await put(url, 'x'.repeat(70_000))).status).toBe(503);
    expect(other.requests).toHaveLength(0);
  });

  it('is not sent again when it turns out to be large', async () => {
    const bad = await startTarget(async (request, response) => {
      await readAll(request);
      response.writeHead(503).end();
    });
    const other = await startTarget();
    const { url } = await startGatewayTo([bad, other]);
    const body = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 10; i++) controller.enqueue(Buffer.alloc(10_000));
        controller.close();
      },
    });
    expect((await put(url, body)).status).toBe(503);
    expect(other.requests).toHaveLength(0);
  });
});

describe('an answer that another attempt replaces', () => {
  it('is left at once where its body is large, however long the next attempt waits', async () => {
    const clock = new StubClock();
    const bad = await startRawTarget((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 503 Busy\r\nretry-after: 2\r\ntransfer-encoding: chunked\r\n\r\n');
        for (let i = 0; i < 64; i++) socket.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`);
      });
    });
    const { url } = await startGateway(
      {
        upstreams: { service: { targets: [bad.url, (await startTarget()).url] } },
        routes: [{ id: 'all', path: '/*', upstream: 'service' }],
      },
      { clock },
    );
    const answer = fetch(url);
    await released(await bad.socket(0));
    clock.advance(2000);
    expect((await answer).status).toBe(200);
  });
});

describe('Retry-After', () => {
  it('of a target that wants to be left alone for long is for the client', async () => {
    const [busy, other] = [await startAnswering(503, { 'retry-after': '60' }), await startTarget()];
    const { url } = await startGatewayTo([busy, other]);
    const response = await fetch(url);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('60');
    expect(other.requests).toHaveLength(0);
  });

  it.each([
    ['in seconds', '1', 1000],
    ['as a date', 'Thu, 26 Nov 2026 12:00:02 GMT', 2000],
    ['of the past', 'Thu, 26 Nov 2026 11:59:00 GMT', undefined],
  ])('is waited for when it is short: %s', async (_, retryAfter, waitMs) => {
    vi.spyOn(systemClock, 'now').mockReturnValue(Date.parse('2026-11-26T12:00:00Z'));
    const held = holdTimer((delayMs) => delayMs === waitMs);
    const target = await startTarget((_, response) => {
      if (target.requests.length === 1) response.writeHead(503, { 'retry-after': retryAfter }).end();
      else response.end('ok');
    });
    const { url } = await startGatewayTo([target]);
    const answer = fetch(url);
    if (waitMs !== undefined) {
      const passTime = await held;
      expect(target.requests).toHaveLength(1);
      passTime();
    }
    expect((await answer).status).toBe(200);
    expect(target.requests).toHaveLength(2);
  });
});

/** Keeps the first timer of the gateway that meets the condition from running, and gives what runs it. */
function holdTimer(isHeld: (delayMs: number) => boolean): Promise<() => void> {
  const after = systemClock.after.bind(systemClock);
  const { promise, resolve } = Promise.withResolvers<() => void>();
  vi.spyOn(systemClock, 'after').mockImplementation((delayMs, task) => {
    if (!isHeld(delayMs)) return after(delayMs, task);
    resolve(task);
    return () => {};
  });
  return promise;
}

describe('the limits of retries', () => {
  it('one time for all attempts together', async () => {
    const bad = await startAnswering(503);
    const { url } = await startGatewayTo([bad], { retries: { max: 50 } }, '1s');
    expect([503, 504]).toContain((await fetch(url)).status);
    expect(bad.requests.length).toBeGreaterThan(1);
    expect(bad.requests.length).toBeLessThan(50);
  });

  it('no more at a time than the budget allows', async () => {
    const hung = await startRawTarget(() => {});
    const breaking = await startRawTarget((socket) => socket.once('data', () => socket.destroy()));
    const { url, adminPort } = await startGatewayTo([breaking, hung], {
      health: { passive: { maxEjected: '0%' } },
    });
    const leaving = new AbortController();
    const requests = Array.from({ length: 12 }, () =>
      fetch(url, { signal: leaving.signal }).catch(() => undefined),
    );
    // Six of twelve meet the target that breaks connections, of which three may go on to the one that hangs.
    const answered = await Promise.race([Promise.all(requests), waitForAnswers(requests, 3)]);
    expect(answered).toBe(3);
    expect(await metricsOf(adminPort)).toContain('gateway_upstream_retries_total{upstream="service"} 3');
    leaving.abort();
    await Promise.all(requests);
  });

  it('nothing is left counted when the requests are over', async () => {
    const { url, gateway } = await startGatewayTo([await reserveNobody(), await startAnswering(503)]);
    for (let i = 0; i < 10; i++) await (await fetch(url)).text();
    const { upstreams } = await gateway.describe();
    expect(upstreams[0]?.targets.map(({ activeRequests }) => activeRequests)).toEqual([0, 0]);
  });
});

/** Waits until so many of the requests were answered, and says how many were. */
async function waitForAnswers(requests: readonly Promise<unknown>[], count: number): Promise<number> {
  let answered = 0;
  await new Promise<void>((resolve) => {
    for (const request of requests) void request.then(() => ++answered === count && resolve());
  });
  return answered;
}
