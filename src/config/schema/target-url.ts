import { z } from 'zod';

/** What the system takes as the path of a socket (`sun_path`), less its closing zero. */
const MAX_SOCKET_PATH_BYTES = 107;

/** Takes the URL of a target: scheme, host and port, or `unix:` and the path of a socket file. */
export function targetUrl() {
  const error = ({ input }: { readonly input?: unknown }): string => describeBadTarget(String(input));
  return z
    .string()
    .refine((url) => isOrigin(url) || isSocket(url), { error })
    .transform((url) => (isOrigin(url) ? new URL(url).origin : `unix:${socketPathOf(url)}`))
    .meta({
      title: 'URL',
      examples: ['http://127.0.0.1:9001', 'https://orders.internal', 'unix:/run/app.sock'],
    });
}

/** Where the URL of a target leads. `host` is empty where there is a `socketPath` instead. */
export interface TargetOrigin {
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
  readonly socketPath?: string;
}

/** Reads what `targetUrl` has let through. */
export function readTargetUrl(url: string): TargetOrigin {
  const socketPath = socketPathOf(url);
  if (socketPath !== undefined) return { host: '', port: 0, isSecure: false, socketPath };
  const { protocol, hostname, port } = new URL(url);
  const isSecure = protocol === 'https:';
  const host = hostname.replace(/^\[|\]$/g, '');
  return { host, port: port === '' ? (isSecure ? 443 : 80) : Number(port), isSecure };
}

/** The path of `unix:/path`, also written `unix:///path`. */
function socketPathOf(url: string): string | undefined {
  return /^unix:(?:\/\/(?=\/))?(\/.+)$/.exec(url)?.[1];
}

function isSocket(url: string): boolean {
  const path = socketPathOf(url);
  if (path === undefined || path.endsWith('/') || path.includes('\0')) return false;
  return !path.startsWith('//') && Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
}

/** Says what keeps a text from being the URL of a target. */
function describeBadTarget(written: string): string {
  const { protocol, pathname, search, username, host } = URL.parse(written) ?? {};
  if (/^(?:https?\+)?unix:/i.test(written)) return describeBadSocket(written);
  if (username) return 'holds a user or password — take it out, and set the header with the policy headers';
  if (host && (protocol === 'http:' || protocol === 'https:') && (pathname !== '/' || search)) {
    const remedy = `write ${protocol}//${host} here, and put the path in front with a rewrite of the route`;
    return `holds a path or query, which a target has not — ${remedy}`;
  }
  if (URL.parse(written)?.port === '0')
    return 'has port 0, on which nothing listens — write the port of the service';
  if (/^wss?:\/\//.test(written))
    return 'has the scheme of a WebSocket, which http carries too — write http, or https for wss';
  if (/^[\w.-]+:\d{1,5}$/.test(written)) return `lacks its scheme — write http://${written}`;
  if (written.startsWith('/')) return `lacks its scheme — write unix:${written}, if that is a socket file`;
  return 'is not the URL of a target — write scheme, host and port, such as http://127.0.0.1:9001, or unix:/run/app.sock';
}

function describeBadSocket(written: string): string {
  if (Buffer.byteLength(written) > MAX_SOCKET_PATH_BYTES + 'unix:'.length)
    return `has a longer path than a socket can have — use one of at most ${MAX_SOCKET_PATH_BYTES} bytes`;
  return 'is not the path of a socket file — write it from the root, such as unix:/run/app.sock';
}

function isOrigin(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password, pathname, search, hash, port } = new URL(url);
  const isBare = username === '' && password === '' && pathname === '/' && search === '' && hash === '';
  return isBare && port !== '0' && (protocol === 'http:' || protocol === 'https:');
}
