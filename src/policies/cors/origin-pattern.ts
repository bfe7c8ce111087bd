/** What `origins` of `cors` says, compiled: whether an `Origin` header is one of them. */
export type OriginMatch = (origin: string) => boolean;

const SCHEME_AND_HOST = /^([a-z][a-z0-9+.-]*):\/\/(\[[0-9a-f:.]+\]|[^/?#@\s[\]:]+)(?::(\d{1,5}))?$/i;
const LABELS = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** Says what is wrong with one entry of `origins`, with the remedy behind ' — ', or nothing. */
export function findOriginFault(text: string): string | undefined {
  if (text === '*') return undefined;
  if (text === 'null') return 'is what any sandboxed page or file sends — name the origins that you trust';
  const [, , host] = SCHEME_AND_HOST.exec(text) ?? [];
  if (host === undefined) {
    return 'is not an origin — write scheme and host without a path, such as https://app.example.com';
  }
  if (!host.includes('*')) return undefined;
  if (/^\*\.[^*]+$/.test(host)) return undefined;
  return "has '*' where it cannot stand — write it for whole labels in front, such as https://*.example.com";
}

/** Compiles `origins`, in which `findOriginFault` has found nothing. */
export function compileOrigins(origins: readonly string[]): OriginMatch {
  if (origins.includes('*')) return () => true;
  const exact = new Set<string>();
  const wildcards: OriginMatch[] = [];
  for (const text of origins) {
    const origin = canonicalOrigin(text);
    const star = origin.indexOf('*');
    if (star < 0) exact.add(origin);
    else wildcards.push(matchSubdomains(origin.slice(0, star), origin.slice(star + 1)));
  }
  return (origin) => exact.has(origin) || wildcards.some((matches) => matches(origin));
}

/** Matches what stands for `*` only if it is host labels, so that nothing before them can pass for the host. */
function matchSubdomains(prefix: string, suffix: string): OriginMatch {
  return (origin) =>
    origin.length > prefix.length + suffix.length &&
    origin.startsWith(prefix) &&
    origin.endsWith(suffix) &&
    LABELS.test(origin.slice(prefix.length, origin.length - suffix.length));
}

/** Writes an origin as browsers send it: in lower case, host names in ASCII, without the scheme's own port. */
function canonicalOrigin(text: string): string {
  const [, scheme = '', host = '', port] = SCHEME_AND_HOST.exec(text) ?? [];
  const protocol = `${scheme.toLowerCase()}:`;
  const isWeb = Object.hasOwn(DEFAULT_PORTS, protocol);
  const name = isWeb ? asciiHost(host) : host.toLowerCase();
  return `${protocol}//${name}${port === undefined || port === DEFAULT_PORTS[protocol] ? '' : `:${port}`}`;
}

function asciiHost(host: string): string {
  const star = host.startsWith('*.') ? '*.' : '';
  return star + new URL(`http://${host.slice(star.length)}`).hostname;
}
