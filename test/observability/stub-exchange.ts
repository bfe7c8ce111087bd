import { EMPTY_BODY } from '../../src/core/body.ts';
import { Exchange } from '../../src/core/exchange.ts';
import { HeaderList } from '../../src/core/header-list.ts';

/** Makes a finished exchange of `GET /orders/7`, with what a test wants otherwise. */
export function finishedExchange(changes: Partial<Exchange> & { readonly method?: string } = {}): Exchange {
  const { method = 'GET', ...fields } = changes;
  const request = {
    method,
    target: '/orders/7',
    httpVersion: '1.1' as const,
    authority: 'api.example.com',
    headers: HeaderList.from({ authorization: 'Bearer s3cr3t' }),
    body: EMPTY_BODY,
    upgrade: undefined,
    acceptsTrailers: false,
    client: {
      remoteAddress: '10.0.0.1',
      remotePort: 1,
      localPort: 8080,
      isSecure: false,
      serverName: undefined,
    },
  };
  const exchange = new Exchange(request, 1000);
  return Object.assign(exchange, {
    requestId: 'id-1',
    route: { id: 'orders' },
    host: 'api.example.com',
    path: '/orders/7',
    status: 200,
    bytesSent: 124,
    upstream: 'orders',
    target: '127.0.0.1:9001',
    sentAt: 1001,
    respondedAt: 1003.5,
    clientAddress: '10.0.0.1',
    ...fields,
  });
}
