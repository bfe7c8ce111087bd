import { describe, expect, it } from 'vitest';
import {
  RawClient,
  rawRequest,
  readAll,
  startGatewayTo,
  startRawTarget,
  startTarget,
} from '../support/harness.ts';
import { readOnly, readResponses } from '../support/raw-responses.ts';

const HEAD = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n';

describe('Expect: 100-continue', () => {
  it('is passed on, and the 100 of the target comes back before the body is sent', async () => {
    const target = await startTarget(async (request, response) => {
      response.end(`${request.headers.expect} ${await readAll(request)}`);
    });
    target.server.on('checkContinue', (request, response) => {
      response.writeContinue();
      target.server.emit('request', request, response);
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write(HEAD);
    expect(await client.take('\r\n\r\n')).toBe('HTTP/1.1 100 Continue');
    client.write('abc');
    const response = await client.take('100-continue abc');
    expect(response).toContain('HTTP/1.1 200 OK');
    expect(response).not.toContain('100 Continue');
  });

  it('is answered by the gateway when the target ignores it', async () => {
    const target = await startRawTarget((socket) => {
      let received = '';
      socket.on('data', (chunk) => {
        received += chunk;
        if (received.endsWith('abc')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.write(HEAD);
    expect(await client.take('\r\n\r\n')).toBe('HTTP/1.1 100 Continue');
    client.write('abc');
    await client.take('ok');
  });

  it('gets a final answer without a 100 where the target refuses, and the connection ends', async () => {
    const target = await startTarget();
    target.server.on('checkContinue', (_, response) => {
      response.writeHead(413, { 'content-length': 0 });
      response.end();
    });
    const { port } = await startGatewayTo(target);
    const [response, ...more] = readResponses(await rawRequest(port, HEAD));
    expect(response).toMatchObject({ status: 413, headers: { connection: 'close' } });
    expect(more).toEqual([]);
  });

  it('gets no 100 where the gateway answers itself, and never takes the body for a request', async () => {
    const target = await startTarget();
    const { port } = await startGatewayTo(target, {
      routes: [{ id: 'no', path: '/*', respond: { status: 403 } }],
    });
    const [response, ...more] = readResponses(
      await rawRequest(port, [HEAD, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n']),
    );
    expect(response).toMatchObject({ status: 403, headers: { connection: 'close' } });
    expect(more).toEqual([]);
  });

  it('gets one 100 from a policy that reads the body first', async () => {
    const target = await startTarget();
    const { port } = await startGatewayTo(target, {
      policies: [{ 'body-limit': { max: '10B' } }],
    });
    const client = await RawClient.connect(port);
    client.write(HEAD.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    expect(await client.take('\r\n\r\n')).toBe('HTTP/1.1 100 Continue');
    client.write('abc');
    expect(JSON.parse(readOnly(await client.ended()).body)).toMatchObject({ body: 'abc' });
  });

  it('does not hold a request without a body', async () => {
    const target = await startTarget((_, response) => response.end('x'));
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(
      port,
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n',
    );
    expect(readResponses(received)).toMatchObject([{ status: 200 }]);
  });

  it('means nothing in HTTP/1.0', async () => {
    const target = await startTarget(async (request, response) => {
      response.end(`${request.headers.expect} ${await readAll(request)}`);
    });
    const { port } = await startGatewayTo(target);
    const received = await rawRequest(
      port,
      'POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc',
    );
    expect(readResponses(received)).toMatchObject([{ status: 200, body: 'undefined abc' }]);
  });

  it.each(['200-ok', '100-continue, more', ''])(
    'is the only expectation taken: %j gets 417',
    async (value) => {
      const target = await startTarget();
      const { port } = await startGatewayTo(target);
      const received = await rawRequest(
        port,
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: ${value}\r\n\r\nabc`,
      );
      expect(readOnly(received).status).toBe(417);
      expect(JSON.parse(readOnly(received).body)).toMatchObject({ code: 'GW_EXPECTATION_FAILED' });
      expect(target.requests).toEqual([]);
    },
  );
});
