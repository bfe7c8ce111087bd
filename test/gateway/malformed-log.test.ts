import { expect, it } from 'vitest';
import { rawRequest, startGateway } from '../support/harness.ts';

it.each([
  ['GET / HTTP/1.1\r\nhost: a\r\nbad name: 1\r\n\r\n', 'GW_BAD_REQUEST', 'invalid header token'],
  ['GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n', 'GW_BAD_HOST', 'exactly one valid Host is needed'],
  [
    'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    'GW_BAD_REQUEST',
    "transfer-encoding can't be present with content-length",
  ],
])('the log says why %j was refused', async (bytes, code, reason) => {
  const { port, accessLog } = await startGateway({ routes: [] });
  const answer = await rawRequest(port, bytes);
  expect(answer).toContain('HTTP/1.1 400 ');
  expect(accessLog()).toEqual([
    expect.objectContaining({ msg: 'malformed request', client: '127.0.0.1', code, reason }),
  ]);
});
