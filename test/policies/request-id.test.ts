import { describe, expect, test } from 'vitest';
import { ipFilter, requestId } from '../../src/policies/index.ts';
import { policyPipeline, problemsOf, runThrough, stubExchange } from '../core/stub-exchange.ts';

async function idsFor(given: readonly (readonly [string, string])[], isTrustedPeer: boolean, options = {}) {
  const { pipeline } = policyPipeline([requestId, options]);
  const exchange = Object.assign(stubExchange({ headers: given }), { isTrustedPeer });
  const { head } = await runThrough(pipeline, exchange);
  return { own: exchange.requestId, request: exchange.headers.toLines(), response: head.headers.toLines() };
}

test('upstream and client get the id', async () => {
  expect(await idsFor([], false)).toEqual({
    own: 'request-1',
    request: 'x-request-id: request-1\r\n',
    response: 'x-request-id: request-1\r\n',
  });
});

test('one sent by a client is replaced, in any spelling that a backend may read as the same', async () => {
  const given = [
    ['X-Request-Id', 'mine'],
    ['x_request_id', 'mine'],
  ] as const;
  expect((await idsFor(given, false)).request).toBe('x-request-id: request-1\r\n');
});

test('one sent by a trusted proxy is kept', async () => {
  const { own, request, response } = await idsFor([['X-Request-Id', '0af7-6519:16cd/43dd=']], true);
  expect(own).toBe('0af7-6519:16cd/43dd=');
  expect(request).toBe('x-request-id: 0af7-6519:16cd/43dd=\r\n');
  expect(response).toBe(request);
});

describe('what is not an id is replaced, even from a trusted proxy', () => {
  test.each([
    ['empty', ''],
    ['a space', 'a b'],
    ['two of them', 'a, b'],
    ['a quote', 'a"b'],
    ['too long', 'a'.repeat(129)],
    ['bytes', 'a\xe9'],
  ])('%s', async (_, given) => {
    expect((await idsFor([['x-request-id', given]], true)).own).toBe('request-1');
  });
});

test('the header can have another name', async () => {
  const { own, response } = await idsFor([['x-correlation-id', 'abc']], true, { header: 'X-Correlation-Id' });
  expect(own).toBe('abc');
  expect(response).toBe('X-Correlation-Id: abc\r\n');
});

test('it is on rejections too', async () => {
  const { pipeline } = policyPipeline([ipFilter, { deny: ['192.0.2.7'] }], [requestId]);
  const { head } = await runThrough(pipeline, stubExchange());
  expect(head.status).toBe(403);
  expect(head.headers.get('x-request-id')).toBe('request-1');
});

test.each(['content-length', 'x-auth-id', 'via', 'a b', ''])('the name %j is refused', (header) => {
  expect(problemsOf(requestId, { header })).not.toEqual([]);
});
