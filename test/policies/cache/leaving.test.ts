import { type ClientRequest, get as httpGet, type IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { until } from '../../support/until.ts';
import { type Answering, fresh, startCached } from './cached-gateway.ts';

const HEAD = 'HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 10\r\n\r\n';

/** A target whose first response stops in its midst until `goOn`. */
async function startStopping() {
  let goOn: () => void = () => {};
  const stopped: IncomingMessage[] = [];
  const answering: Answering = (request, index) => {
    if (index > 0) return { ...fresh(60), body: `0123-${index}---` };
    request.socket.write(`${HEAD}01234`);
    goOn = () => request.socket.write('56789');
    stopped.push(request);
    return undefined;
  };
  const cached = await startCached({}, answering);
  return { ...cached, goOn: () => goOn(), stopped };
}

/** Asks, and waits for the first bytes of the body. */
async function startReading(url: string) {
  const request = httpGet(url);
  request.on('error', () => {});
  const response = await new Promise<IncomingMessage>((resolve) => request.once('response', resolve));
  response.on('error', () => {});
  let text = '';
  response.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await until(() => text.length > 0);
  return { leave: () => leave(request), whole: until(() => response.complete).then(() => text) };
}

/** How many requests have ended in this way. */
function linesOf(log: { lines(): Record<string, unknown>[] }, code: string): number {
  return log.lines().filter((line) => line.code === code).length;
}

/** Leaves so that the gateway hears of it at once. */
function leave(request: ClientRequest): void {
  request.socket?.resetAndDestroy();
}

describe('a client that leaves in the midst of a response', () => {
  it('takes nothing from those who read it as well, and the whole of it is stored', async () => {
    const { gateway, get, asked, goOn } = await startStopping();
    const leaving = await startReading(`${gateway.url}/a`);
    const other = await startReading(`${gateway.url}/a`);
    leaving.leave();
    await until(() => linesOf(gateway.log, 'GW_CLIENT_CLOSED') === 1);
    goOn();
    expect(await other.whole).toBe('0123456789');
    expect((await get('/a')).verdict).toMatch(/^hit/);
    expect(asked).toHaveLength(1);
    // Three requests, a line each.
    expect(gateway.log.lines().filter(({ msg }) => msg === 'request')).toHaveLength(3);
  });

  it('ends it where no other wants it: the target is left, and who comes later asks anew', async () => {
    const { gateway, get, asked, stopped } = await startStopping();
    const leaving = await startReading(`${gateway.url}/a`);
    leaving.leave();
    await until(() => stopped[0]?.socket.destroyed === true);
    expect(await get('/a')).toMatchObject({ text: '0123-1---', verdict: expect.stringContaining('stored') });
    expect(asked).toHaveLength(2);
  });

  it('ends it when the last of the others has left as well', async () => {
    const { gateway, goOn, stopped, get } = await startStopping();
    const leaving = await startReading(`${gateway.url}/a`);
    const other = await startReading(`${gateway.url}/a`);
    leaving.leave();
    await until(() => linesOf(gateway.log, 'GW_CLIENT_CLOSED') === 1);
    other.leave();
    await until(() => linesOf(gateway.log, 'GW_CLIENT_CLOSED') === 2);
    goOn();
    expect((await get('/a')).text).toMatch(/^0123/);
    expect(stopped).toHaveLength(1);
  });
});

describe('a client that leaves before there is a response', () => {
  it('alone, ends what it asked for: who comes later asks anew', async () => {
    const { gateway, get, asked } = await startCached({}, (_, index) =>
      index === 0 ? new Promise<undefined>(() => {}) : fresh(60),
    );
    const leaving = httpGet(`${gateway.url}/a`);
    leaving.on('error', () => {});
    await until(() => asked.length === 1);
    leave(leaving);
    await until(() => asked[0]?.socket.destroyed === true);
    expect((await get('/a')).text).toBe('answer 1');
  });
});

describe('variants', () => {
  it('are told apart by what clients send, whatever policies behind the cache make of it', async () => {
    const policies = [{ cache: {} }, { headers: { request: { remove: ['x-part'] } } }];
    const { get, asked } = await startCached({}, () => fresh(60, { vary: 'x-part' }), {
      routes: [{ id: 'all', path: '/*', upstream: 'service', policies }],
    });
    const texts: string[] = [];
    for (const part of ['1', '2', '1', '2']) texts.push((await get('/a', { 'x-part': part })).text);
    expect(texts).toEqual(['answer 0', 'answer 1', 'answer 0', 'answer 1']);
    expect(asked).toHaveLength(2);
  });

  it('of a status without a body are stored and answered again', async () => {
    const { get, asked } = await startCached({}, () => ({ status: 204, ...fresh(60), body: '' }));
    expect((await get('/a')).verdict).toBe('fwd=uri-miss; fwd-status=204; stored');
    expect(await get('/a')).toMatchObject({ status: 204, verdict: 'hit; ttl=60' });
    expect(asked).toHaveLength(1);
  });
});
