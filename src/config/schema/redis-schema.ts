import { z } from 'zod';
import { duration, text, wholeNumber } from './scalars.ts';

export type RedisConfig = z.output<ReturnType<typeof redisSchema>>;

/** Makes the schema of `redis`. `file` is the schema of a file's path. */
export function redisSchema(file: () => z.ZodType<string, string>) {
  return z
    .strictObject({
      url: redisUrl()
        .optional()
        .describe(
          'One server: `redis://host:port`, `rediss://…` for TLS, or `unix:///path` for a socket. May hold user, password and the number of the database.',
        ),
      sentinel: sentinelSchema().optional().describe('Finds the server through Sentinels, instead of `url`.'),
      cluster: clusterSchema().optional().describe('A Redis Cluster, instead of `url`.'),
      username: text().optional().describe('User of the access control list; left out: `default`.'),
      password: text().optional().describe('Password of that user.'),
      database: wholeNumber().prefault(0).describe('Number of the database; a Cluster has only 0.'),
      tls: tlsSchema(file).optional().describe('Speaks TLS, to Sentinels and the nodes of a Cluster too.'),
      commandTimeout: commandTimeout()
        .prefault('50ms')
        .describe('How long a response may take before the server is held to be away.'),
      connectTimeout: duration()
        .prefault('1s')
        .refine((ms) => ms >= 10, { error: 'is too short — write at least 10ms' })
        .describe('Until a connection stands, TLS and login included.'),
      prefix: prefix()
        .prefault('sallyport:')
        .describe('What every key begins with; gateways with the same prefix count together.'),
      nodes: wholeNumber(1)
        .optional()
        .describe(
          'Gateways that share the limits while Redis is away; left out: those that were there at last.',
        ),
      onStoreFailure: z
        .enum(['fair-share', 'open', 'closed'], {
          error: 'is not one of the ways out — write fair-share, open or closed',
        })
        .prefault('fair-share')
        .describe(
          'What limits do while Redis is away: `fair-share`: each gateway counts by itself, with its share of every limit; `open`: everything passes; `closed`: limited requests are answered 503.',
        ),
      sync: duration()
        .optional()
        .refine((ms) => ms === undefined || (ms >= 10 && ms <= 10_000), {
          error: 'is out of range — write 10ms to 10s, or leave it out to ask Redis for every request',
        })
        .describe(
          'Counts busy clients in the gateway for so long before Redis hears of it; together the gateways may then admit up to a tenth more than a limit. Left out: every request asks Redis.',
        ),
    })
    .check((context) => {
      const { url, sentinel, cluster } = context.value;
      const named = [url, sentinel, cluster].filter((way) => way !== undefined);
      if (named.length === 1) return;
      const message = 'needs exactly one place — set one of url, sentinel and cluster';
      context.issues.push({ code: 'custom', message, input: context.value });
    });
}

function sentinelSchema() {
  return z.strictObject({
    master: text().describe('Name under which the Sentinels watch the server.'),
    nodes: z
      .array(hostAndPort(26379))
      .min(1, { error: 'is empty — name at least one Sentinel, better three' })
      .describe('The Sentinels, as `host:port`.'),
    username: text().optional().describe('User at the Sentinels, where they ask for one.'),
    password: text().optional().describe('Password at the Sentinels.'),
  });
}

function clusterSchema() {
  return z.strictObject({
    nodes: z
      .array(hostAndPort(6379))
      .min(1, { error: 'is empty — name at least one node, better three' })
      .describe('Nodes to find the others by, as `host:port`.'),
  });
}

function tlsSchema(file: () => z.ZodType<string, string>) {
  return z.strictObject({
    caFile: file().optional().describe("PEM file with the authorities to trust, instead of the system's."),
    certFile: file().optional().describe('PEM file with the certificate to show to Redis.'),
    keyFile: file().optional().describe('PEM file with the key of that certificate.'),
    serverName: text().optional().describe('Name to ask for and verify, instead of the host.'),
  });
}

function redisUrl() {
  return z
    .string()
    .check((context) => {
      const message = findRedisUrlFault(context.value);
      if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
    })
    .meta({ title: 'URL' });
}

/** Words nothing of the URL itself, which may hold a password. */
function findRedisUrlFault(url: string): string | undefined {
  const [, credentials] = /^rediss?:\/\/(.*)@/s.exec(url) ?? [];
  if (credentials !== undefined) {
    if (/%(?![0-9A-Fa-f]{2})/.test(credentials) || !isDecodable(credentials))
      return "holds a '%' in its user or password that begins no percent-encoded byte — write it as %25, or use username and password";
    const raw = /[/?#@[\]\s]/.exec(credentials)?.[0];
    if (raw !== undefined)
      return `holds '${raw}' in its user or password — write it as ${percentEncoded(raw)}, or use username and password`;
  }
  if (isRedisUrl(url)) return undefined;
  return 'is not the URL of a Redis — write it like redis://127.0.0.1:6379, rediss://… or unix:///path';
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function isRedisUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname, pathname, search, hash, port } = new URL(url);
  if (search !== '' || hash !== '') return false;
  if (protocol === 'unix:') return hostname === '' && pathname.length > 1;
  const isRedis = protocol === 'redis:' || protocol === 'rediss:';
  return isRedis && hostname !== '' && port !== '0' && /^\/?\d{0,4}$/.test(pathname);
}

/** Takes `host`, `host:port` or `[address]:port` and gives both. */
function hostAndPort(defaultPort: number) {
  const error = `is not a host with its port — write it like 10.0.0.1:${defaultPort}`;
  return z
    .string({ error })
    .regex(/^(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(?::\d{1,5})?$/, { error })
    .transform((written) => {
      const port = /:(\d+)$/.exec(written.replace(/^\[[^\]]*\]/, ''));
      const host = written.startsWith('[') ? written.slice(1, written.indexOf(']')) : written.split(':')[0];
      return { host: host as string, port: port === null ? defaultPort : Number(port[1]) };
    })
    .refine(({ port }) => port >= 1 && port <= 65_535, { error })
    .meta({ title: 'host:port' });
}

function commandTimeout() {
  return duration().refine((ms) => ms >= 5 && ms <= 5000, {
    error: 'is out of range — write 5ms to 5s: a request waits no longer than that for Redis',
  });
}

/** No braces: in a Cluster they would say where a key is kept. */
function prefix() {
  return z.string().regex(/^[\x21-\x7a|~]{0,64}$/, {
    error: 'is not a prefix — use at most 64 visible characters, no braces',
  });
}
