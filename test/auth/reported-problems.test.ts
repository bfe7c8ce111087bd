import type { RequestListener } from 'node:http';
import { expect, it } from 'vitest';
import { startGateway, startTarget } from '../support/harness.ts';
import { until } from '../support/until.ts';
import { createSigner, goodClaims, signToken } from './test-tokens.ts';

const signer = createSigner('ES256', 'a');
const secretKeys = JSON.stringify({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'hs' }] });

async function startWith(handler: RequestListener, service: object = {}) {
  const issuer = await startTarget(handler);
  const target = await startTarget();
  const gateway = await startGateway({
    authServices: {
      main: { jwks: issuer.url, issuer: 'https://id.example.com', audience: 'orders', ...service },
    },
    status: { port: 0 },
    upstreams: { service: { targets: [target.url] } },
    routes: [{ id: 'all', path: '/*', upstream: 'service', policies: ['jwt'] }],
  });
  const claims = goodClaims({ iss: 'https://id.example.com', aud: 'orders' });
  const ask = async (token = signToken(signer, claims, { kid: 'a' })) =>
    (await fetch(gateway.url, { headers: { authorization: `Bearer ${token}` } })).status;
  const readiness = async () => {
    const response = await fetch(
      `${gateway.url.replace(/\d+$/, String(gateway.gateway.operatorPorts[1]))}/readyz`,
    );
    return (await response.json()) as { status: string; details: string[] };
  };
  return { gateway, ask, readiness, claims };
}

it('a key set without a key that can be used is told, with what was found in it', async () => {
  const { gateway, ask, readiness } = await startWith((_, response) => void response.end(secretKeys));
  expect(await ask()).toBe(503);
  const found = "no key that signatures can be verified with: 'hs' is a secret";
  expect((await readiness()).details).toEqual([expect.stringContaining(found)]);
  expect(gateway.log.lines()).toContainEqual(
    expect.objectContaining({
      level: 40,
      err: expect.objectContaining({ message: expect.stringContaining(found) }),
    }),
  );
});

it('a key set that comes late is waited for as long as timeout says', async () => {
  let answer: (() => void) | undefined;
  const slow: RequestListener = (_, response) => {
    answer = () => response.end(JSON.stringify({ keys: [signer.jwk] }));
  };
  const { ask, readiness } = await startWith(slow, { timeout: '9s' });
  const waiting = ask();
  await until(() => answer !== undefined);
  answer?.();
  expect(await waiting).toBe(200);
  expect((await readiness()).details).toEqual([]);
});

it('a slash at the end of the issuer that tokens name is told', async () => {
  const { ask, readiness, claims } = await startWith(
    (_, response) => void response.end(JSON.stringify({ keys: [signer.jwk] })),
  );
  expect(await ask(signToken(signer, { ...claims, iss: 'https://id.example.com/' }))).toBe(401);
  expect((await readiness()).details).toEqual([
    "auth service 'main': tokens name the issuer https://id.example.com/, and issuer is https://id.example.com: a slash at the end makes two of them",
  ]);
});

it('a token whose key has no id in the set is verified', async () => {
  const { ask, claims } = await startWith(
    (_, response) => void response.end(JSON.stringify({ keys: [{ ...signer.jwk, kid: undefined }] })),
  );
  expect(await ask()).toBe(200);
  expect(await ask(signToken(createSigner('ES256', 'a'), claims))).toBe(401);
});
