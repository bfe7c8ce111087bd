// A configuration in TypeScript: the compiler knows every key and every policy. The service: node ../echo.ts
//
//   curl -i localhost:8080/orders/7                                       200: "url":"/v1/orders/7"
//   curl -i localhost:8080/users/1                                        200: "url":"/v1/users/1"
//   curl -i localhost:8080/users/1                                        200: x-served-by: examples
//   curl -i localhost:8080/users/1 -H 'origin: https://app.example.com'   200: access-control-allow-origin: https://app.example.com
//   curl -i localhost:8080/carts/1                                        404: GW_NO_ROUTE

import { bodyLimit, cors, defineGateway, definePolicy, securityHeaders, usePolicy } from 'sallyport';
import { z } from 'zod';

/** A policy as a value: the compiler knows its options. */
const servedBy = definePolicy({
  name: 'acme/served-by',
  options: z.strictObject({ name: z.string() }),
  create: ({ name }) => ({ onResponse: (_, head) => void head.headers.set('x-served-by', name) }),
});

/** Data that YAML would have to repeat. */
const services = ['orders', 'users'];

export default defineGateway({
  listeners: [{ port: 8080 }],
  upstreams: { service: { targets: ['http://127.0.0.1:9001'] } },
  customPolicies: { 'acme/served-by': servedBy },
  policies: [
    'request-id',
    securityHeaders(),
    cors({ origins: ['https://app.example.com'] }),
    usePolicy(servedBy, { name: 'examples' }),
  ],
  routes: services.map((name) => ({
    id: name,
    path: `/${name}/:id`,
    upstream: 'service',
    rewrite: `/v1/${name}/{params.id}`,
    policies: [bodyLimit({ max: '64KiB' })],
  })),
});
