import { createHash } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { RawClient, startGateway, startTarget } from '../support/harness.ts';
import { reserveNobody } from '../support/loopback.ts';
import { until } from '../support/until.ts';

/** Says what the body was that came, and with which trailers. */
const describeBody: RequestListener = (request, response) => {
  const hash = createHash('sha256');
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    length += chunk.length;
  });
  request.on('end', () =>
    response.end(`${length} ${hash.digest('hex')} ${JSON.stringify(request.trailers)}.`),
  );
};

const bytes = (length: number): string =>
  Array.from({ length }, (_, i) => String.fromCharCode((i * 31 + (i >> 8)) & 0xff)).join('');
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const halves = (text: string): [string, string] => [
  text.slice(0, text.length / 2),
  text.slice(text.length / 2),
];

interface Sent {
  readonly method: string;
  readonly body: string;
  readonly isChunked: boolean;
  readonly trailer?: string;
}

const SMALL = bytes(2000);
const LARGE = bytes(200_000);

it.each<Sent>([
  { method: 'POST', body: SMALL, isChunked: true },
  { method: 'POST', body: SMALL, isChunked: false },
  { method: 'POST', body: SMALL, isChunked: true, trailer: 'x-sum: 7' },
  { method: 'POST', body: LARGE, isChunked: true },
  { method: 'POST', body: LARGE, isChunked: false },
  { method: 'PUT', body: SMALL, isChunked: true },
  { method: 'PUT', body: SMALL, isChunked: false },
  { method: 'PUT', body: LARGE, isChunked: true },
  { method: 'PUT', body: LARGE, isChunked: false },
  { method: 'PATCH', body: '', isChunked: true },
])(
  'a $method of which some was read while targets refused connections reaches the next one whole (chunked: $isChunked, trailer: $trailer)',
  async ({ method, body, isChunked, trailer }) => {
    const nobodies = await Promise.all([reserveNobody(), reserveNobody(), reserveNobody()]);
    const target = await startTarget(describeBody);
    const gateway = await startGateway({
      upstreams: {
        all: {
          targets: [...nobodies.map(({ url }) => url), target.url],
          retries: { max: 3 },
          health: { passive: { failures: 1000 } },
        },
      },
      routes: [{ id: 'all', path: '/*', upstream: 'all' }],
    });
    for (let i = 0; i < 4; i++) {
      const client = await RawClient.connect(gateway.port);
      const framing = isChunked ? 'transfer-encoding: chunked' : `content-length: ${body.length}`;
      const pieces = halves(body).filter((piece) => piece !== '');
      client.write(
        `${method} /${i} HTTP/1.1\r\nhost: a.test\r\nte: trailers\r\nconnection: te\r\n${framing}\r\n\r\n`,
      );
      await nextTurn();
      await client.writePieces(isChunked ? pieces.map(chunk) : pieces);
      if (isChunked) client.write(`0\r\n${trailer === undefined ? '' : `${trailer}\r\n`}\r\n`);
      const response = await client.until((received) => received.includes('}.'));
      const hash = createHash('sha256').update(Buffer.from(body, 'latin1')).digest('hex');
      const trailers = trailer === undefined ? {} : { 'x-sum': '7' };
      expect(response).toContain(`${body.length} ${hash} ${JSON.stringify(trailers)}.`);
    }
    expect(target.requests).toHaveLength(4);
    // Nothing is buffered for a request that is over.
    const buffered = async (): Promise<string> => (await gateway.gateway.metrics()).text;
    await until(async () => /^gateway_buffered_bytes 0$/m.test(await buffered()));
  },
);

it('a body of which some was read, and which no target could be given, is forgotten with its request', async () => {
  const nobody = await reserveNobody();
  const gateway = await startGateway({
    upstreams: { all: { targets: [nobody.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'all' }],
  });
  for (const ending of ['whole', 'left'] as const) {
    const client = await RawClient.connect(gateway.port);
    client.write('POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n');
    await client.writePieces([chunk(SMALL), chunk(LARGE)]);
    if (ending === 'left') client.destroy(true);
    else {
      client.write('0\r\n\r\n');
      expect(await client.until((received) => received.includes('GW_UPSTREAM_UNREACHABLE'))).toContain(
        ' 503 ',
      );
    }
  }
  await until(async () => /^gateway_buffered_bytes 0$/m.test((await gateway.gateway.metrics()).text));
});

it('a body that turns out to be malformed between two attempts is 400, and reaches no target', async () => {
  const [nobody, target] = [await reserveNobody(), await startTarget(describeBody)];
  const gateway = await startGateway({
    upstreams: { all: { targets: [nobody.url, target.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'all' }],
  });
  for (let i = 0; i < 2; i++) {
    const client = await RawClient.connect(gateway.port);
    client.write('POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n');
    await client.writePieces([chunk(LARGE), 'no chunk\r\n']);
    expect(await client.until((received) => received.includes('GW_'))).toContain('GW_BAD_REQUEST');
  }
});
