import { createSecretSigner, signToken } from '../auth/test-tokens.ts';
import { ADMIN_TOKEN, rawRequest, readAll, startGateway, startTarget } from '../support/harness.ts';
import { LOOPBACK } from '../support/loopback.ts';

const SECRET = 'a secret of the gateway and its issuer, 42';
const signer = createSecretSigner(SECRET);

/** A request as the target saw it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly host: string;
  /** Names as spelt, and values, a line each. */
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
}

export interface Attacked {
  /** Of the final answers, in their order. */
  readonly statuses: readonly number[];
  readonly received: string;
  readonly seen: readonly Seen[];
}

/** Makes a token of the issuer whom the gateway believes. */
export function tokenOf(claims: Record<string, unknown> = {}): string {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  return signToken(signer, { aud: 'orders', sub: 'ada', roles: ['customer'], exp, ...claims });
}

/** Writes a request that ends its connection. */
export function request(line: string, fields: readonly string[] = [], body = ''): string {
  const host = fields.some((field) => /^host:/i.test(field)) ? [] : ['Host: shop.example'];
  return [`${line} HTTP/1.1`, ...host, 'Connection: close', ...fields, '', body].join('\r\n');
}

/** A target, gateways before it, and what it takes to attack them. Lives until `close`. */
export async function openRange() {
  const seen: Seen[] = [];
  const target = await startTarget(async (incoming, response) => {
    const body = (await readAll(incoming)).toString('latin1');
    seen.push({
      method: incoming.method ?? '',
      url: incoming.url ?? '',
      host: incoming.headers.host ?? '',
      fields: linesOf(incoming.rawHeaders),
      body,
      trailers: linesOf(incoming.rawTrailers),
    });
    response.end('served');
  });
  const service = { targets: [target.url] };
  const shared = {
    authServices: { main: { secret: SECRET, audience: 'orders' } },
    upstreams: { service },
  };
  const cors = { cors: { origins: ['https://app.example'], credentials: true } };
  const byRoute = await startGateway({
    ...shared,
    routes: [
      { id: 'open', path: '/open/*', upstream: 'service' },
      { id: 'said', path: '/said', respond: { body: 'said' } },
      { id: 'jwt', path: '/jwt/*', upstream: 'service', policies: ['jwt'] },
      { id: 'key', path: '/key/*', upstream: 'service', policies: ['api-key'] },
      { id: 'any', path: '/any/*', upstream: 'service', policies: [{ any: ['jwt', 'api-key'] }] },
      {
        id: 'admin',
        path: '/admin/*',
        upstream: 'service',
        policies: ['jwt', { authorize: { roles: ['admin'] } }],
      },
      {
        id: 'users',
        path: '/users/:userId',
        upstream: 'service',
        policies: ['jwt', { authorize: { claims: { sub: '{params.userId}' } } }],
      },
      { id: 'cors', path: '/cors/*', upstream: 'service', policies: [cors, 'jwt'] },
      { id: 'read', path: '/items/*', methods: ['GET', 'POST'], upstream: 'service' },
      { id: 'write', path: '/items/*', upstream: 'service', policies: ['jwt'] },
      { id: 'inner', path: '/*', hosts: ['inner.example'], upstream: 'service', policies: ['jwt'] },
      { id: 'outer', path: '/*', hosts: ['outer.example'], upstream: 'service' },
    ],
  });
  const byDefault = await startGateway({
    ...shared,
    policies: ['jwt'],
    routes: [
      { id: 'public', path: '/public/*', public: true, upstream: 'service' },
      { id: 'rest', path: '/*', upstream: 'service' },
    ],
  });
  const issue = async (settings: object = {}) => {
    const made = await fetch(`http://${LOOPBACK}:${byRoute.adminPort}/api/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ owner: 'acme', ...settings }),
    });
    return ((await made.json()) as { key: string }).key;
  };
  const attackPort = async (port: number, bytes: string): Promise<Attacked> => {
    seen.length = 0;
    const received = await rawRequest(port, bytes);
    // What was smuggled onto a connection to the target would be answered before this.
    await fetch(`${byRoute.url}/open/last`);
    const statuses = Array.from(received.matchAll(/HTTP\/1\.1 (\d{3})/g), ([, status]) => Number(status));
    return {
      statuses: statuses.filter((status) => status >= 200),
      received,
      seen: seen.filter(({ url }) => url !== '/open/last'),
    };
  };
  return {
    issue,
    port: byRoute.port,
    /** What the target was asked since the last attack, or since `forget`. */
    seen: (): readonly Seen[] => seen,
    forget: () => void seen.splice(0),
    attack: (bytes: string) => attackPort(byRoute.port, bytes),
    attackDefault: (bytes: string) => attackPort(byDefault.port, bytes),
    async close() {
      await Promise.all([byRoute.close(), byDefault.close()]);
      await target.close();
    },
  };
}

function linesOf(raw: readonly string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < raw.length; i += 2) lines.push(`${raw[i]}: ${raw[i + 1]}`);
  return lines;
}
