import { expect, it } from 'vitest';
import { problemsOf } from './load-text.ts';

const TWENTY_MISTAKES = `
listeners:
  - port: 8080
    limits: { headerBytes: 16, bodyIdel: 3s }
  - port: 8080
    tls: { certificates: [{ certFile: ./none.pem, keyFile: ./a.key }] }
admin: { token: 123456 }
accesslog: true
trustedProxies: [10.0.0.0/40]
upstreams:
  orders:
    targets: ["http://127.0.0.1:9001/api"]
    timeouts: { connect: 3 }
policies:
  - limt: { maximum: 5 }
  - share-it: { origins: "https://a.example" }
routes:
  - id: a
    path: /orders/:id
    methods: [get]
    upstream: order
  - id: a
    path: orders
    upstream: orders
  - id: b
    path: /b/:x
    upstream: orders
    rewrite: "/v1/{params.y}"
  - id: c
    path: /b/:y
    upstream: orders
  - path: /x
    redirect: {}
  - id: d
    path: /d
    upstream: orders
    hosts: ["\${PUBLIC_HOST}"]
`;

it('lists all twenty mistakes of a configuration, each with its place and remedy', async () => {
  const problems = await problemsOf(TWENTY_MISTAKES, { files: { 'a.key': '' } });
  expect(problems).toHaveLength(20);
  await expect(`${problems.join('\n')}\n`).toMatchFileSnapshot('golden/twenty-mistakes.txt');
});
