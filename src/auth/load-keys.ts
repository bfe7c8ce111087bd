import { explainUnusable, readKeySet } from '../config/key-material/public-key.ts';
import { isPrivateWay } from '../config/schema/auth-schema.ts';
import { readTextFile } from '../core/disk/read-text-file.ts';
import type { LoadedKeys } from './changing-key-set.ts';
import { fetchJson, UnexpectedStatus } from './fetch-json.ts';

/** How long a response may take where nothing else is said. */
const TIMEOUT_MS = 5000;

/** Loads a key set from a URL. */
export async function fetchKeys(
  url: string,
  signal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<LoadedKeys> {
  return keysFrom(await fetchJson(url, { timeoutMs, signal }));
}

/** Loads a key set from a file. */
export async function readKeys(file: string): Promise<LoadedKeys> {
  const text = await readTextFile(file);
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    throw new SyntaxError('the file is not JSON');
  }
  return keysFrom(set);
}

export interface DiscoveryOptions {
  /** The issuer that the metadata has to name; `undefined` where its URL alone is known. */
  readonly issuer: string | undefined;
  /** URL of the metadata, `undefined` where it follows from the issuer. */
  readonly url: string | undefined;
  readonly allowHttp: boolean;
  /** How long each response may take. Default: 5 seconds. */
  readonly timeoutMs?: number;
}

/**
 * Loads the key set that the metadata of an issuer names (OpenID Connect Discovery §4, RFC 8414). The metadata has to
 * name the issuer that it was asked for (§4.3, RFC 8414 §3.3): else one tenant could speak for another.
 */
export async function discoverKeys(options: DiscoveryOptions, signal: AbortSignal): Promise<LoadedKeys> {
  const { url, metadata } = await fetchMetadata(options, signal);
  const { issuer, jwks_uri: jwksUri } = metadata as { issuer?: unknown; jwks_uri?: unknown };
  if (typeof issuer !== 'string' || !isIssuerOf(issuer, url, options.issuer))
    throw new Error(explainIssuer(issuer, options.issuer));
  if (typeof jwksUri !== 'string' || !(options.allowHttp || isPrivateWay(jwksUri)))
    throw new Error('the metadata names no https URL of a key set');
  const { keys } = await fetchKeys(jwksUri, signal, options.timeoutMs);
  return { keys, issuer };
}

/** Lists where the metadata of an issuer may be. */
export function metadataUrlsOf(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ];
}

async function fetchMetadata({ url, issuer, timeoutMs = TIMEOUT_MS }: DiscoveryOptions, signal: AbortSignal) {
  const urls = url === undefined ? metadataUrlsOf(issuer ?? '') : [url];
  for (const [i, candidate] of urls.entries()) {
    try {
      const metadata = await fetchJson(candidate, { timeoutMs, signal });
      return { url: candidate, metadata: Object(metadata) as object };
    } catch (error) {
      const isElsewhere = error instanceof UnexpectedStatus && error.status === 404;
      if (!isElsewhere || i === urls.length - 1) throw error;
    }
  }
  throw new TypeError('discovery needs an issuer or a URL');
}

function isIssuerOf(found: string, url: string, due: string | undefined): boolean {
  if (due !== undefined) return found === due;
  return URL.canParse(found) && metadataUrlsOf(found).includes(url);
}

/** Names what was found, and where a slash is all that is different, says so. */
function explainIssuer(found: unknown, due: string | undefined): string {
  if (typeof found !== 'string') return 'the metadata names another issuer: none';
  const isSlash = due !== undefined && found.replace(/\/$/, '') === due.replace(/\/$/, '');
  const what = `the metadata names another issuer: ${found.slice(0, MAX_SHOWN_CHARS)}`;
  return isSlash ? `${what} — write issuer just so, the slash at the end included` : what;
}

const MAX_SHOWN_CHARS = 200;

/** A set without a key that can be used is a mistake, and takes nothing back. */
function keysFrom(set: unknown): LoadedKeys {
  const { keys, jwks_uri: elsewhere } = Object(set) as { keys?: unknown; jwks_uri?: unknown };
  if (elsewhere !== undefined)
    throw new TypeError('there is no key set but the metadata of an issuer — write its URL as discovery');
  if (!Array.isArray(keys)) throw new TypeError('the response is not a key set');
  const usable = readKeySet(set);
  if (usable.length === 0) throw new TypeError(explainUnusable(set));
  return { keys: usable };
}
