/**
 * The header fields that the gateway itself reads or rewrites, as small integers, so that a received head is
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
  xRealIp: 25,
  /** Any `access-control-*`: on an answer, the gateway's `cors` owns them. */
  accessControl: 26,
  /** What proxies say about the certificate of a client, which only trusted ones may. */
  clientCertificate: 27,
  /** What has some services take another method or path than those of the request, by which routes are chosen. */
  override: 28,
} as const;

const KNOWN: Readonly<Record<string, number>> = {
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
  'proxy-authenticate': FieldKind.proxyAuthenticate,
  'proxy-authorization': FieldKind.proxyAuthorization,
  origin: FieldKind.origin,
  'http2-settings': FieldKind.http2Settings,
  'max-forwards': FieldKind.maxForwards,
  'x-real-ip': FieldKind.xRealIp,
  'client-cert': FieldKind.clientCertificate,
  'client-cert-chain': FieldKind.clientCertificate,
  'x-forwarded-client-cert': FieldKind.clientCertificate,
  'x-http-method': FieldKind.override,
  'x-http-method-override': FieldKind.override,
  'x-method-override': FieldKind.override,
  'x-original-url': FieldKind.override,
  'x-override-url': FieldKind.override,
  'x-rewrite-url': FieldKind.override,
};

const SLOTS = 1024;

/**
 * By latin1 code: a letter in lower case, a digit, and `-` for all else, since what reads header fields as variables
 * (CGI, WSGI, FastCGI) takes `_`, and some of it any other sign, for the same.
 */
const FOLDED: readonly number[] = Array.from({ length: 256 }, (_, code) =>
  isAlphanumeric(code) ? code | 0x20 : 0x2d,
);

/** A perfect hash over length, first and last letter is not needed: a slot holds every name that falls into it. */
const TABLE: readonly (readonly [name: string, kind: number][])[] = buildTable();

function buildTable(): [string, number][][] {
  const table: [string, number][][] = Array.from({ length: SLOTS }, () => []);
  for (const [name, kind] of Object.entries(KNOWN)) table[slotOf(name, 0, name.length)]?.push([name, kind]);
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
  if (end - start > 7 && equalsFolded(text, start, 'x-auth-')) return FieldKind.xAuth;
  return end - start > 15 && equalsFolded(text, start, 'access-control-')
    ? FieldKind.accessControl
    : FieldKind.other;
}

/** Tells whether `text` at `start` spells `lowerName`, whatever its case, `_` and other signs read as `-`. */
function equalsFolded(text: string, start: number, lowerName: string): boolean {
  for (let i = 0; i < lowerName.length; i++) {
    if (foldCode(text.charCodeAt(start + i)) !== lowerName.charCodeAt(i)) return false;
  }
  return true;
}

/** Returns the kind of a whole field name. */
export function fieldKindOf(name: string): number {
  return name.length === 0 ? FieldKind.other : fieldKindAt(name, 0, name.length);
}
