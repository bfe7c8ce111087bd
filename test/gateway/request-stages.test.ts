import { describe, expect, test } from 'vitest';
import type { GatewayError } from '../../src/core/errors.ts';
import { hashPassword } from '../../src/policies/basic/password-hash.ts';
import { startGatewayTo, startTarget } from '../support/harness.ts';

const users = {
  ada: {
    password: await hashPassword('pass', { logN: 10, blockSize: 1, parallelism: 1 }),
    roles: ['editor'],
  },
};
const headers = { authorization: `Basic ${btoa('ada:pass')}` };
const wrong = { authorization: `Basic ${btoa('ada:wrong')}` };

async function setUp() {
  const target = await startTarget();
  const { gateway } = await startGatewayTo(target, {
    policies: [{ 'rate-limit': { limit: 1, window: '1h', key: 'ip' } }, { basic: { users } }],
    routes: [
      { id: 'orders', path: '/orders/:id', upstream: 'service' },
      { id: 'admin', path: '/admin', upstream: 'service', policies: [{ authorize: { roles: ['admin'] } }] },
      { id: 'status', path: '/status', upstream: 'service', public: true },
    ],
  } as object);
  return { target, gateway };
}

const rejection = (asking: Promise<unknown>): Promise<GatewayError> =>
  asking.then(
    () => Promise.reject(new Error('it was not refused')),
    (error: GatewayError) => error,
  );

describe('the stages of a request, each by itself', () => {
  test('say which route it takes', async () => {
    const { gateway } = await setUp();
    expect(await gateway.routeRequest({ url: '/orders/%34%32/' })).toBeUndefined();
    expect(await gateway.routeRequest({ url: '/x/../orders/%34%32?a' })).toEqual({
      id: 'orders',
      path: '/orders/:id',
      params: { id: '42' },
    });
    expect(await rejection(gateway.routeRequest({ url: '/a%2fb' }))).toMatchObject({ code: 'GW_BAD_PATH' });
    expect(await rejection(gateway.routeRequest({ url: '/', headers: { host: 'a b' } }))).toMatchObject({
      code: 'GW_BAD_HOST',
    });
  });

  test('say who sent it', async () => {
    const { gateway } = await setUp();
    expect(await gateway.authenticate({ url: '/orders/1', headers })).toMatchObject({ subject: 'ada' });
    expect(await gateway.authenticate({ url: '/status' })).toBeUndefined();
    expect(await rejection(gateway.authenticate({ url: '/orders/1' }))).toMatchObject({
      code: 'GW_CREDENTIALS_MISSING',
    });
    expect(await rejection(gateway.authenticate({ url: '/none', headers: wrong }))).toMatchObject({
      code: 'GW_CREDENTIALS_INVALID',
    });
  });

  test('say whether that one may', async () => {
    const { gateway } = await setUp();
    expect(await gateway.authorize({ url: '/orders/1', headers })).toMatchObject({ subject: 'ada' });
    expect(await rejection(gateway.authorize({ url: '/admin', headers }))).toMatchObject({
      code: 'GW_FORBIDDEN',
    });
    expect(await rejection(gateway.authorize({ url: '/admin' }))).toMatchObject({
      code: 'GW_CREDENTIALS_MISSING',
    });
  });

  test('ask no upstream and count against no limit', async () => {
    const { gateway, target } = await setUp();
    for (let i = 0; i < 3; i++) await gateway.authorize({ url: '/orders/1', headers });
    expect(target.requests).toHaveLength(0);
    expect((await gateway.inject({ url: '/orders/1', headers })).status).toBe(200);
    expect((await gateway.inject({ url: '/orders/1', headers })).status).toBe(429);
  });
});
