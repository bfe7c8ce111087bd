import type { RedisConfig } from '../config/schema/redis-schema.ts';

/** Rejects what needs Redis while it is away. Says why, without a secret. */
export class RedisAwayError extends Error {
  override readonly name = 'RedisAwayError';
}

/** Rejects a connection that did not come about before the timeout; the client has one of the same name. */
export class ConnectionTimeoutError extends Error {}

/** Responses of a server that is there and of no use, and what to do about them. */
const REJECTIONS: Readonly<Record<string, string>> = {
  WRONGPASS: 'rejects user or password — correct `username` and `password`',
  NOAUTH: 'asks for a password — set `password`, and `username` where there are users',
  NOPERM:
    'does not let this user do it — allow it ~<prefix>*, +evalsha, +eval, +script|load, +ping and what the scripts use',
  READONLY: 'is a replica — name the server that takes writes, or use `sentinel`',
  LOADING: 'still loads its data',
  BUSY: 'is busy with a script that runs too long',
  CLUSTERDOWN: 'is a Cluster of which a part is down',
  MASTERDOWN: 'has lost its server',
  MISCONF: 'takes no writes, since it cannot save them — see its log',
  NOREPLICAS: 'takes no writes, since too few replicas follow',
  OOM: 'has no memory left — raise its maxmemory, or let it evict keys that expire (volatile-ttl)',
};

/** Codes of Node's that say that the server wants another certificate from us than it got. */
const UNWANTED = /_ALERT_(?:CERTIFICATE_|BAD_CERTIFICATE|UNKNOWN_CA|NO_CERTIFICATE)/;
/** Codes of Node's that say that the certificate is not trusted. */
const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET)_|ISSUER/;

/** Tells whether the server itself answered so, rather than that the way to it failed. */
export function isResponse(error: unknown): boolean {
  return firstWord(error) !== '';
}

/** Tells whether a response means that nothing else would be answered either. */
export function isRejection(error: unknown): boolean {
  return firstWord(error) in REJECTIONS;
}

/** Tells whether the server does not know a script: it was restarted, or somebody flushed its scripts. */
export function isForgottenScript(error: unknown): boolean {
  return firstWord(error) === 'NOSCRIPT';
}

/** Tells whether the server is the wrong one by now, so that it has to be looked for again. */
export function isWrongServer(error: unknown): boolean {
  return ['READONLY', 'MASTERDOWN', 'NOAUTH', 'WRONGPASS', 'CLUSTERDOWN'].includes(firstWord(error));
}

/** Says in a few words why Redis cannot be used, and what to do. Never holds a password. */
export function explainFailure(error: unknown, config: RedisConfig): string {
  const rejection = REJECTIONS[firstWord(error)];
  if (rejection !== undefined) return rejection;
  const code = codeOf(error);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'shows a certificate for another name — set `tls.serverName` to a name in it';
  if (UNWANTED.test(code))
    return `does not take our certificate (${code}) — set \`tls.certFile\` and \`tls.keyFile\` to one that it trusts`;
  if (UNTRUSTED.test(code)) return `shows a certificate that is not trusted (${code}) — set \`tls.caFile\``;
  if (code.startsWith('ERR_SSL_') || code === 'EPROTO')
    return `does not speak TLS as expected (${code}) — compare \`tls\` with its port`;
  if (code !== '' && code !== 'ECONNRESET') return code;
  const usesTls = config.tls !== undefined || config.url?.startsWith('rediss:') === true;
  const hint = usesTls ? ' — make sure that its port speaks TLS' : '';
  switch (code || (error instanceof Error ? error.constructor.name : '')) {
    case 'ConnectionTimeoutError':
      return `lets no connection come about within ${config.connectTimeout} ms${hint}`;
    case 'SocketClosedUnexpectedlyError':
    case 'ECONNRESET':
      return `has closed the connection${closingHint(usesTls, config)}`;
  }
  return withoutSecrets(error instanceof Error ? error.message : String(error), config);
}

function closingHint(usesTls: boolean, { tls }: RedisConfig): string {
  if (!usesTls) return ' — if its port speaks TLS, write rediss:// or `tls`';
  // That it asks for one, TLS 1.3 says too late to be sure to be heard.
  return tls?.certFile === undefined
    ? ' — if it asks for a certificate, set `tls.certFile` and `tls.keyFile`'
    : '';
}

function firstWord(error: unknown): string {
  return error instanceof Error ? (/^[A-Z]+(?= |$)/.exec(error.message)?.[0] ?? '') : '';
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' ? code : '';
}

/** A server that does not know `AUTH` repeats what it was sent. */
function withoutSecrets(message: string, { url = '', password, sentinel }: RedisConfig): string {
  const fromUrl = URL.canParse(url) ? new URL(url).password : '';
  const secrets = [password, sentinel?.password, fromUrl, decodeURIComponent(fromUrl)];
  return secrets
    .filter((secret) => secret !== undefined && secret !== '')
    .reduce<string>((text, secret) => text.replaceAll(secret as string, '[redacted]'), message)
    .replace(/, with args beginning with:.*/s, '')
    .slice(0, 200);
}
