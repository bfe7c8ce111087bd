import { expect, it } from 'vitest';
import { toApiRequest } from '../../src/gateway/api-request.ts';
import { stubExchange } from '../core/stub-exchange.ts';

it('gives a request as plain values', () => {
  const exchange = stubExchange({
    method: 'PUT',
    headers: [
      ['X-Tag', 'a'],
      ['Accept', 'text/html'],
      ['x-tag', 'b'],
      ['__proto__', 'c'],
    ],
  });
  exchange.path = '/orders/7';
  exchange.query = 'page=1&page=2&q=a%20b';
  exchange.headers.append('x-added', 'd');
  exchange.bodyBytes = Buffer.from('{}');
  const { headers, ...rest } = toApiRequest(exchange);
  expect(rest).toEqual({
    method: 'PUT',
    path: '/orders/7',
    queryParams: { page: '2', q: 'a b' },
    body: Buffer.from('{}'),
  });
  expect(Object.entries(headers)).toEqual([
    ['x-tag', 'a, b'],
    ['accept', 'text/html'],
    ['__proto__', 'c'],
    ['x-added', 'd'],
  ]);
});

it('has no body where no policy asked for one', () => {
  expect(toApiRequest(stubExchange()).body).toBeUndefined();
});
