// Handles requests without a port, stage by stage: node gateway.ts
import { createHmac } from 'node:crypto';
import path from 'node:path';
import {
  type APIGateway,
  type APIRequest,
  type AuthService,
  type AuthToken,
  createGateway,
  RateLimiter,
} from 'sallyport';

const gateway: APIGateway = await createGateway({
  configFile: path.join(import.meta.dirname, 'sallyport.yaml'),
  env: {},
  logLevel: 'silent',
});

// An auth service says whom a token speaks for.
const authService: AuthService = gateway.authService('main');
const token: AuthToken = await authService.verifyToken(signToken('ada', ['customer']));
console.log(`token of ${token.sub}, with the roles ${token.roles}`);
console.log(`roles of nonsense: ${(await authService.getUserRoles('nonsense')).length}`);

// A rate limiter counts by itself, or where the limits of a gateway do.
const limiter = new RateLimiter({ limit: 2, window: '1m', gateway });
for (let i = 1; i <= 3; i++) {
  const { isAllowed, retryAfterMs } = await limiter.checkRateLimit('ada');
  console.log(
    `request ${i} of ada: ${isAllowed ? 'allowed' : `in ${Math.ceil(retryAfterMs / 1000)} s again`}`,
  );
}

// The stages of a request, each by itself, then all of them.
const request = requestWith(signToken('ada', ['customer']));
console.log(`route: ${(await gateway.routeRequest(request))?.id}`);
console.log(`from: ${(await gateway.authenticate(request))?.subject}`);
console.log(`may: ${(await gateway.authorize(request))?.permissions}`);
const { status, body } = await gateway.handleRequest(request);
console.log(`answer: ${status} ${body}`);

const stranger = requestWith(signToken('bob', ['stranger']));
console.log(`bob: ${(await gateway.handleRequest(stranger)).status}`);
await gateway.authorize(stranger).catch(({ code }) => console.log(`bob: ${code}`));

await gateway.close();

function requestWith(bearer: string): APIRequest {
  return {
    method: 'GET',
    path: '/orders/7',
    headers: { authorization: `Bearer ${bearer}` },
    queryParams: { verbose: 'true' },
    body: undefined,
  };
}

/** What an identity provider does. */
function signToken(sub: string, roles: string[]): string {
  const exp = Math.floor(Date.now() / 1000) + 60;
  const claims = { sub, aud: 'orders', exp, roles, permissions: ['orders:read'] };
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  const signature = createHmac('sha256', 'a secret of at least 32 characters').update(signed);
  return `${signed}.${signature.digest('base64url')}`;
}
