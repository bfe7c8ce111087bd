import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { Provider } from 'oidc-provider';
import { startTarget, type TestTarget } from '../support/harness.ts';

export const CLIENT_ID = 'gateway';
/** One that proves who it is in the form. */
export const POST_CLIENT_ID = 'gateway-by-post';
/** With letters that a form has to encode. */
export const CLIENT_SECRET = 'a secret: 100% & more';

/** A real OpenID provider on a port of the loopback, which issues tokens by client credentials. */
export interface OpenIdProvider {
  readonly issuer: string;
  readonly target: TestTarget;
  /** How many requests for a path there were. */
  count(path: string): number;
  /** Gets an access token for the API: signed, or one that only the provider can read. */
  issue(format: 'jwt' | 'opaque'): Promise<string>;
  revoke(token: string): Promise<void>;
  /** Takes another key for signing, and forgets the one before. */
  rotate(): void;
  /** Answers nothing but 500, until told otherwise. */
  fail(isFailing: boolean): void;
}

export async function startOpenIdProvider(): Promise<OpenIdProvider> {
  let provider: Provider;
  let isFailing = false;
  const counts = new Map<string, number>();
  const target = await startTarget((request, response) => {
    const path = (request.url ?? '').split('?')[0] as string;
    counts.set(path, (counts.get(path) ?? 0) + 1);
    if (isFailing) response.writeHead(500).end();
    else void provider.callback()(request, response);
  });
  const rotate = () => {
    provider = new Provider(target.url, configuration());
  };
  rotate();
  const post = async (path: string, form: Record<string, string>): Promise<Response> => {
    const credentials = Buffer.from(`${CLIENT_ID}:${encodeURIComponent(CLIENT_SECRET)}`).toString('base64');
    const response = await fetch(`${target.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Basic ${credentials}` },
      body: new URLSearchParams(form),
    });
    if (!response.ok) throw new Error(await response.text());
    return response;
  };
  return {
    issuer: target.url,
    target,
    rotate,
    count: (path) => counts.get(path) ?? 0,
    fail: (failing) => {
      isFailing = failing;
    },
    async issue(format) {
      const form = { grant_type: 'client_credentials', resource: `urn:api:${format}`, scope: 'orders:read' };
      const { access_token } = (await (await post('/token', form)).json()) as { access_token: string };
      return access_token;
    },
    async revoke(token) {
      await post('/token/revocation', { token });
    },
  };
}

function configuration(): object {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
  const client = {
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  };
  return {
    clients: [
      client,
      { ...client, client_id: POST_CLIENT_ID, token_endpoint_auth_method: 'client_secret_post' },
    ],
    jwks: { keys: [key] },
    scopes: ['orders:read'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_: unknown, resource: string) => ({
          scope: 'orders:read',
          audience: 'orders-api',
          accessTokenFormat: resource.endsWith('jwt') ? 'jwt' : 'opaque',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  };
}
