import { describe, expect, it } from 'vitest';
import { RawClient, startGateway, startTarget } from '../support/harness.ts';
import { until } from '../support/until.ts';

const MAX_CONNECTIONS = 4;
const SLOW_CLIENTS = 12;

function startTo(url: string) {
  return startGateway({
    upstreams: { service: { targets: [url], maxConnections: MAX_CONNECTIONS, timeouts: { connect: '1s' } } },
    routes: [{ id: 'all', path: '/*', upstream: 'service' }],
  });
}

describe('more slow clients than a target has connections', () => {
  it.each([
    ['of stated length', 'Content-Length: 5000\r\n\r\n', (byte: string) => byte],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n', (byte: string) => `1\r\n${byte}\r\n`],
  ])('that send bodies %s leave it to the others', async (_, framing, piece) => {
    const target = await startTarget();
    const { port, url } = await startTo(target.url);
    const slow = await Promise.all(Array.from({ length: SLOW_CLIENTS }, () => RawClient.connect(port)));
    for (const client of slow) client.write(`POST /slow HTTP/1.1\r\nHost: a\r\n${framing}`);
    for (let i = 0; i < 6; i++) {
      for (const client of slow) client.write(piece('x'));
      const answers = await Promise.all([fetch(url), fetch(url, { method: 'POST', body: 'quick' })]);
      for (const answer of answers) expect(answer.status).toBe(200);
    }
    for (const client of slow) client.socket.destroy();
  });

  it('that read their answers slowly leave it to the others', async () => {
    const target = await startTarget((request, response) =>
      response.end(request.url === '/large' ? Buffer.alloc(1 << 20) : 'ok'),
    );
    const { port, url } = await startTo(target.url);
    const slow = await Promise.all(Array.from({ length: SLOW_CLIENTS }, () => RawClient.connect(port)));
    for (const client of slow) {
      client.socket.pause();
      client.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n');
    }
    await until(() => target.requests.length === SLOW_CLIENTS);
    for (let i = 0; i < 6; i++) expect(await (await fetch(url)).text()).toBe('ok');
    for (const client of slow) client.socket.destroy();
  });
});
