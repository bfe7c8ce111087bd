/**
 * The headers that the gateway itself reads or rewrites, as small integers, so that a received head is
 * classified once and asked about by number afterwards.
 */
export const FieldKind = {
  removed: -1,
  other: 0,
  host: 1,
  connection: 2,
  keepAlive: 3,
  proxyConnection: 4,
  te: 5,
  trailer: 6,
  transferEncoding: 7,
  upgrade: 8,
  contentLength: 9,
  expect: 10,
  xForwardedFor: 11,
  xForwardedProto: 12,
  xForwardedHost: 13,
  xForwardedPort: 14,
  forwarded: 15,
  via: 16,
  xRequestId: 17,
  /** Any `x-auth-*`, with `_` and other signs counted as `-`: only the gateway may say who somebody is. */
  xAuth: 18,
  date: 19,
  proxyAuthenticate: 20,
  proxyAuthorization: 21,
  origin: 22,
  http2Settings: 23,
  maxForwards: 24,
  /**
   * What else a proxy in front says of where and how a request came: `x-real-ip` and its like, and every
   * `x-forwarded-*` without a kind of its own.
   */
  proxyClaim: 25,
  /** Any `access-control-*`: on a response, the gateway's `cors` owns them. */
  accessControl: 26,
  /** What proxies that end TLS say about the certificate of a client. */
  clientCertificate: 27,
  /**
   * What has some services take another method, path or host than those of the request, by which routes are chosen and
   * policies decide, or skip checks of their own.
   */
  override: 28,
  authorization: 29,
  wwwAuthenticate: 30,
  /** By which a client asks for a response on a condition, or for a part of it (RFC 9110 §13, §14). */
  condition: 31,
} as const;

/** The names that have a kind of their own; others may have one by how they begin. */
export const KNOWN_FIELDS: Readonly<Record<string, number>> = {
  host: FieldKind.host,
  connection: FieldKind.connection,
  'keep-alive': FieldKind.keepAlive,
  'proxy-connection': FieldKind.proxyConnection,
  te: FieldKind.te,
  trailer: FieldKind.trailer,
  'transfer-encoding': FieldKind.transferEncoding,
  upgrade: FieldKind.upgrade,
  'content-length': FieldKind.contentLength,
  expect: FieldKind.expect,
  'x-forwarded-for': FieldKind.xForwardedFor,
  'x-forwarded-proto': FieldKind.xForwardedProto,
  'x-forwarded-host': FieldKind.xForwardedHost,
  'x-forwarded-port': FieldKind.xForwardedPort,
  forwarded: FieldKind.forwarded,
  via: FieldKind.via,
  'x-request-id': FieldKind.xRequestId,
  date: FieldKind.date,
  authorization: FieldKind.authorization,
  'www-authenticate': FieldKind.wwwAuthenticate,
  'proxy-authenticate': FieldKind.proxyAuthenticate,
  'proxy-authorization': FieldKind.proxyAuthorization,
  origin: FieldKind.origin,
  'http2-settings': FieldKind.http2Settings,
  'max-forwards': FieldKind.maxForwards,
  ...allOf(
    FieldKind.condition,
    'if-match if-none-match if-modified-since if-unmodified-since if-range range',
  ),
  ...allOf(
    FieldKind.proxyClaim,
    'cf-connecting-ip cf-connecting-ipv6 cf-pseudo-ipv4 cf-visitor client-ip cloudfront-forwarded-proto ' +
      'cloudfront-viewer-address cluster-client-ip do-connecting-ip fastly-client-ip fastly-ssl ' +
      'fly-client-ip forwarded-for forwarded-host forwarded-port forwarded-proto front-end-https http-client-ip https ' +
      'original-forwarded-for real-ip remote-host ' +
      'remote-addr true-client-ip wl-proxy-client-ip wl-proxy-ssl proxy-client-ip x-arr-ssl x-appengine-user-ip x-azure-clientip ' +
      'x-azure-socketip x-client-ip x-cluster-client-ip x-envoy-external-address x-envoy-internal ' +
      'x-forward-for x-forwarded x-https x-nf-client-connection-ip ' +
      'x-original-forwarded-for x-original-forwarded-host x-original-forwarded-proto x-original-host x-original-proto x-originating-ip x-proto x-proxyuser-ip x-real-ip ' +
      'x-real-port x-remote-addr x-remote-host x-remote-ip x-scheme x-true-client-ip ' +
      'x-url-scheme x-vercel-forwarded-for',
  ),
  ...allOf(
    FieldKind.clientCertificate,
    'client-cert client-cert-chain wl-proxy-client-cert x-amzn-mtls-clientcert x-arr-clientcert',
  ),
  ...allOf(
    FieldKind.override,
    // `proxy` becomes HTTP_PROXY where fields are variables (CVE-2016-5385); `x-middleware-…` skips checks (CVE-2025-29927);
    // `x-sendfile-type` has Rack name files to whoever is in front (CVE-2025-61780).
    'http-method-override method-override proxy x-accel-mapping x-envoy-original-host x-envoy-original-path x-host x-http-destinationurl x-http-host-override x-http-method ' +
      'x-http-method-override x-http-path-override x-invoke-path x-invoke-query x-matched-path x-method-override x-middleware-next ' +
      'x-middleware-override-headers x-middleware-redirect x-middleware-rewrite x-middleware-set-cookie ' +
      'x-middleware-skip x-middleware-subrequest x-ms-original-url x-now-route-matches x-original-method x-original-path x-original-uri x-original-url x-override-url x-rewrite-uri ' +
      'x-rewrite-url x-sendfile-type x-url-override x-waws-unencoded-url',
  ),
};

function allOf(kind: number, names: string): Record<string, number> {
  return Object.fromEntries(names.split(' ').map((name) => [name, kind]));
}

/** What every name with such a beginning is. */
const PREFIXES: readonly (readonly [prefix: string, kind: number])[] = [
  ['x-auth-', FieldKind.xAuth],
  ['access-control-', FieldKind.accessControl],
  ['x-forwarded-client-cert', FieldKind.clientCertificate],
  ['x-forwarded-tls-client-', FieldKind.clientCertificate],
  ['x-forwarded-', FieldKind.proxyClaim],
  ['cf-client-cert-', FieldKind.clientCertificate],
  ['client-cert-', FieldKind.clientCertificate],
  ['ssl-', FieldKind.clientCertificate],
  ['tls-client-', FieldKind.clientCertificate],
  ['x-amzn-mtls-', FieldKind.clientCertificate],
  ['x-client-cert', FieldKind.clientCertificate],
  ['x-client-ssl-', FieldKind.clientCertificate],
  ['x-client-tls-', FieldKind.clientCertificate],
  ['x-client-verif', FieldKind.clientCertificate],
  ['x-mtls-', FieldKind.clientCertificate],
  ['x-ssl-', FieldKind.clientCertificate],
  ['x-tls-', FieldKind.clientCertificate],
];

const SLOTS = 1024;

/**
 * By latin1 code: a letter in lower case, a digit, and `-` for all else, since what reads headers as variables
 * (CGI, WSGI, FastCGI) takes `_`, and some of it any other sign, for the same.
 */
const FOLDED: readonly number[] = Array.from({ length: 256 }, (_, code) =>
  isAlphanumeric(code) ? code | 0x20 : 0x2d,
);

/** A perfect hash over length, first and last letter is not needed: a slot holds every name that falls into it. */
const TABLE: readonly (readonly [name: string, kind: number][])[] = buildTable();

function buildTable(): [string, number][][] {
  const table: [string, number][][] = Array.from({ length: SLOTS }, () => []);
  for (const [name, kind] of Object.entries(KNOWN_FIELDS))
    table[slotOf(name, 0, name.length)]?.push([name, kind]);
  return table;
}

function slotOf(text: string, start: number, end: number): number {
  const first = foldCode(text.charCodeAt(start));
  const last = foldCode(text.charCodeAt(end - 1));
  return ((end - start) * 7 + first * 31 + last * 131) & (SLOTS - 1);
}

function isAlphanumeric(code: number): boolean {
  return /^[0-9A-Za-z]$/.test(String.fromCharCode(code));
}

/** Folds a character of a name to what services that read names loosely take for the same. */
export function foldCode(code: number): number {
  return FOLDED[code] ?? code;
}

/** Returns the kind of the field name that stands at `start…end` of `text`, whatever its case, `_` and other signs read as `-`. */
export function fieldKindAt(text: string, start: number, end: number): number {
  const bucket = TABLE[slotOf(text, start, end)] as readonly (readonly [string, number])[];
  for (let i = 0; i < bucket.length; i++) {
    const entry = bucket[i] as readonly [string, number];
    if (entry[0].length === end - start && equalsFolded(text, start, entry[0])) return entry[1];
  }
  return prefixKindAt(text, start, end);
}

/** The prefixes by the folded first and third letters of a name, which few names share with one. */
const PREFIXES_BY_LETTERS: readonly (typeof PREFIXES | undefined)[] = groupPrefixes();

function groupPrefixes(): (typeof PREFIXES | undefined)[] {
  const groups = new Array<typeof PREFIXES | undefined>(SLOTS).fill(undefined);
  for (const entry of PREFIXES) {
    const at = lettersAt(entry[0], 0);
    groups[at] = [...(groups[at] ?? []), entry];
  }
  return groups;
}

function lettersAt(text: string, start: number): number {
  return ((foldCode(text.charCodeAt(start)) & 31) << 5) | (foldCode(text.charCodeAt(start + 2)) & 31);
}

function prefixKindAt(text: string, start: number, end: number): number {
  const length = end - start;
  const group = length < 4 ? undefined : PREFIXES_BY_LETTERS[lettersAt(text, start)];
  if (group === undefined) return FieldKind.other;
  for (let i = 0; i < group.length; i++) {
    const [prefix, kind] = group[i] as readonly [string, number];
    if (length >= prefix.length && equalsFolded(text, start, prefix)) return kind;
  }
  return FieldKind.other;
}

/** Tells whether `text` at `start` spells `lowerName`, whatever its case, `_` and other signs read as `-`. */
function equalsFolded(text: string, start: number, lowerName: string): boolean {
  for (let i = 0; i < lowerName.length; i++) {
    if (foldCode(text.charCodeAt(start + i)) !== lowerName.charCodeAt(i)) return false;
  }
  return true;
}

/** Names that are asked about again and again, most of them written in code. Bounded, since others come from outside. */
const MAX_ASKED = 1000;
const MAX_ASKED_CHARS = 64;
const asked = new Map<string, number>(Object.entries(KNOWN_FIELDS));

/** Returns the kind of a whole field name. */
export function fieldKindOf(name: string): number {
  const known = asked.get(name);
  if (known !== undefined) return known;
  const kind = name.length === 0 ? FieldKind.other : fieldKindAt(name, 0, name.length);
  // A copy, or a piece of a received head would keep all of that.
  if (asked.size < MAX_ASKED && name.length <= MAX_ASKED_CHARS)
    asked.set(Buffer.from(name, 'latin1').toString('latin1'), kind);
  return kind;
}
