import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import type { RedisConfig } from '../config/schema/redis-schema.ts';
import { readBytes } from '../core/disk/read-bytes.ts';
import { SECURE_OPTIONS } from '../core/tls-options.ts';

/** A place where a Redis or a Sentinel listens. */
export type RedisPlace = { readonly host: string; readonly port: number } | { readonly path: string };

/** Who the gateway says it is. */
export interface RedisLogin {
  readonly username?: string;
  readonly password?: string;
}

/** What `url` names: the place, perhaps the user, and whether TLS is spoken. */
export interface RedisServer {
  readonly place: RedisPlace;
  readonly login: RedisLogin;
  readonly database: number;
  readonly usesTls: boolean;
}

const DEFAULT_PORT = 6379;

/** Takes the server out of `url` and the settings beside it, which go before what the URL says. */
export function serverOf({ url = '', username, password, database, tls }: RedisConfig): RedisServer {
  const parsed = new URL(url);
  const isSocket = parsed.protocol === 'unix:';
  const fromUrl = isSocket ? '' : parsed.pathname.slice(1);
  return {
    place: isSocket
      ? { path: decodeURIComponent(parsed.pathname) }
      : { host: parsed.hostname.replace(/^\[|\]$/g, ''), port: Number(parsed.port || DEFAULT_PORT) },
    login: loginOf(
      username ?? decodeURIComponent(parsed.username),
      password ?? decodeURIComponent(parsed.password),
    ),
    database: fromUrl === '' ? database : Number(fromUrl),
    usesTls: parsed.protocol === 'rediss:' || tls !== undefined,
  };
}

export function loginOf(username: string | undefined, password: string | undefined): RedisLogin {
  return { ...(username && { username }), ...(password && { password }) };
}

/**
 * Reads what TLS needs, anew for each connection, so that replaced files are picked up. `host` is the name to ask for,
 * where it is one; whether the certificate holds it is verified in any case.
 */
export async function readTls(tls: RedisConfig['tls'], host?: string): Promise<ConnectionOptions> {
  const read = async (file: string | undefined) => (file === undefined ? undefined : await readBytes(file));
  const [ca, cert, key] = await Promise.all([read(tls?.caFile), read(tls?.certFile), read(tls?.keyFile)]);
  const servername = tls?.serverName ?? (host !== undefined && isIP(host) === 0 ? host : undefined);
  return {
    secureOptions: SECURE_OPTIONS,
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(servername !== undefined && { servername }),
  };
}

/** Says where Redis is, without user and password. */
export function describeRedis(config: RedisConfig): string {
  const { sentinel, cluster } = config;
  if (sentinel !== undefined) return `the server '${sentinel.master}' of ${placesOf(sentinel.nodes)}`;
  if (cluster !== undefined) return `the Cluster at ${placesOf(cluster.nodes)}`;
  return placeName(serverOf(config).place);
}

export function placeName(place: RedisPlace): string {
  if ('path' in place) return place.path;
  return place.host.includes(':') ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`;
}

function placesOf(places: readonly RedisPlace[]): string {
  return places.map(placeName).join(', ');
}
