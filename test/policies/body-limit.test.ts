import { expect, test } from 'vitest';
import { type BodySource, bodyFrom, bodyFromIterable, readBody } from '../../src/core/body.ts';
import { bodyLimit } from '../../src/policies/index.ts';
import { policyPipeline, problemsOf, stubExchange } from '../core/stub-exchange.ts';

const streamed = (...chunks: string[]): BodySource =>
  bodyFromIterable(
    (async function* () {
      for (const chunk of chunks) yield Buffer.from(chunk);
    })(),
  );

function post(options: object, body: BodySource) {
  const { pipeline } = policyPipeline([bodyLimit, options]);
  const exchange = stubExchange({ method: 'POST', body });
  return { exchange, result: pipeline.runRequest(exchange) };
}

test('a Content-Length beyond the limit is answered 413 before a byte is read', () => {
  const { exchange, result } = post({ max: '4B' }, bodyFrom('12345'));
  expect(result).toMatchObject({ code: 'GW_BODY_TOO_LARGE', status: 413 });
  expect(exchange.failure?.status).toBe(413);
});

test('a body of exactly the limit passes', async () => {
  const known = post({ max: '4B' }, bodyFrom('1234'));
  expect(known.result).toBeUndefined();
  expect(known.exchange.body).toBe(known.exchange.request.body);
  const unknown = post({ max: '4B' }, streamed('12', '34'));
  expect(unknown.result).toBeUndefined();
  expect((await readBody(unknown.exchange.body, 100)).toString()).toBe('1234');
});

test('a body of unknown length breaks with 413 when it passes the limit', async () => {
  const { exchange, result } = post({ max: '4B' }, streamed('12', '34', '5'));
  expect(result).toBeUndefined();
  await expect(readBody(exchange.body, 100)).rejects.toMatchObject({ code: 'GW_BODY_TOO_LARGE' });
});

test('the limit is 1 MiB unless said otherwise', () => {
  const mebibyte = 1024 * 1024;
  expect(post({}, bodyFrom(new Uint8Array(mebibyte))).result).toBeUndefined();
  expect(post({}, bodyFrom(new Uint8Array(mebibyte + 1))).result).toMatchObject({ status: 413 });
});

test('counts each request by itself', async () => {
  const { pipeline } = policyPipeline([bodyLimit, { max: '4B' }]);
  for (let i = 0; i < 3; i++) {
    const exchange = stubExchange({ method: 'POST', body: streamed('1234') });
    pipeline.runRequest(exchange);
    expect((await readBody(exchange.body, 100)).toString()).toBe('1234');
  }
});

test.each([{ max: 5 }, { max: '5' }, { max: '5MB' }, { maximum: '1MiB' }])('%j is refused', (options) => {
  expect(problemsOf(bodyLimit, options)).not.toEqual([]);
});
