import { describe, expect, it } from 'vitest';
import { RawClient, startGatewayTo, startTarget } from '../support/harness.ts';
import { settled } from '../support/until.ts';

const BODY_BYTES = 32 << 20;
/** What may be on the way: buffers of the system at four ends of two connections, and ours. */
const ON_THE_WAY_BYTES = 16 << 20;

describe('a slow reader', () => {
  it.each(['length', 'chunked'])('of an answer makes the target wait (%s)', async (framing) => {
    const piece = Buffer.alloc(64 * 1024, 'x');
    let given = 0;
    const target = await startTarget((_, response) => {
      if (framing === 'length') response.setHeader('content-length', BODY_BYTES);
      const more = (): void => {
        while (given < BODY_BYTES) {
          given += piece.length;
          if (!response.write(piece)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    client.socket.removeAllListeners('data');
    client.socket.pause();
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(await settled(() => given)).toBeLessThan(ON_THE_WAY_BYTES);
    let received = 0;
    client.socket.on('data', (chunk) => {
      received += chunk.length;
    });
    client.socket.resume();
    await client.ended();
    expect(given).toBe(BODY_BYTES);
    expect(received).toBeGreaterThan(BODY_BYTES);
  });

  it.each(['length', 'chunked'])('of a request makes the client wait (%s)', async (framing) => {
    let received = 0;
    let startReading: () => void = () => {};
    const target = await startTarget((request, response) => {
      startReading = () => {
        request.on('data', (chunk: Buffer) => {
          received += chunk.length;
        });
        request.on('end', () => response.end('done'));
      };
    });
    const { port } = await startGatewayTo(target);
    const client = await RawClient.connect(port);
    const header = framing === 'length' ? `Content-Length: ${BODY_BYTES}` : 'Transfer-Encoding: chunked';
    client.write(`POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${header}\r\n\r\n`);
    const piece = Buffer.alloc(64 * 1024, 'x');
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), piece, Buffer.from('\r\n')]);
    let given = 0;
    const more = (): void => {
      while (given < BODY_BYTES) {
        given += piece.length;
        if (!client.socket.write(framing === 'length' ? piece : chunk))
          return void client.socket.once('drain', more);
      }
      if (framing === 'chunked') client.write('0\r\n\r\n');
    };
    more();
    await target.request(0);
    expect(await settled(() => given)).toBeLessThan(ON_THE_WAY_BYTES);
    startReading();
    expect(await client.ended()).toMatch(/done/);
    expect(received).toBe(BODY_BYTES);
  });
});
