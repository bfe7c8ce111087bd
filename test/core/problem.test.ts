import { expect, test } from 'vitest';
import { FAILURES, type FailureCode, GatewayError } from '../../src/core/errors.ts';
import { problemReply } from '../../src/core/problem.ts';

test('a failure is answered with problem details', () => {
  const error = new GatewayError('GW_BAD_PATH', { detail: 'It holds a NUL.', cause: new Error('inside') });
  const reply = problemReply(error, 'id-1');
  expect(reply.status).toBe(400);
  expect(reply.headers).toEqual({
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
  });
  expect(JSON.parse(reply.body as string)).toEqual({
    type: 'urn:sallyport:error:GW_BAD_PATH',
    title: 'The request path is not valid',
    status: 400,
    detail: 'It holds a NUL.',
    code: 'GW_BAD_PATH',
    requestId: 'id-1',
  });
});

test.each(Object.keys(FAILURES) as FailureCode[])('%s says nothing of its cause', (code) => {
  const reply = problemReply(new GatewayError(code, { cause: new Error('hunter2') }), 'id-1');
  expect(reply.status).toBe(FAILURES[code].status);
  expect(JSON.stringify(reply)).not.toContain('hunter2');
});

test('headers of the failure go along, whatever their case', () => {
  const error = new GatewayError('GW_METHOD_NOT_ALLOWED', { headers: { Allow: 'GET, HEAD' } });
  expect(problemReply(error, '').headers).toMatchObject({ allow: 'GET, HEAD' });
});

test('503 says when to ask again, in the words of the failure if it has any', () => {
  expect(problemReply(new GatewayError('GW_BUFFERS_FULL'), '').headers).toMatchObject({ 'retry-after': '1' });
  const busy = new GatewayError('GW_UPSTREAM_BUSY', { headers: { 'Retry-After': '7' } });
  expect(problemReply(busy, '').headers).toMatchObject({ 'retry-after': '7' });
});
