import { createHash, createHmac, type KeyObject, sign as signWith } from 'node:crypto';

/** What to sign, and with what. */
export interface Signing {
  readonly method?: string;
  readonly url: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly keyId?: string;
  readonly secret?: string;
  readonly privateKey?: KeyObject;
  readonly created?: number;
  /** What stands behind `keyid`, such as `;nonce="1"`. */
  readonly more?: string;
  readonly components?: readonly string[];
}

export const SECRET = 'a secret of at least 32 characters';

/** Signs a request as a client does, with code of its own. Returns the header fields that it is sent with. */
export function signRequest(signing: Signing): Record<string, string> {
  const { method = 'GET', url, body, headers = {}, keyId = 'partner', more = '' } = signing;
  const { created = Math.floor(Date.now() / 1000) } = signing;
  const { host, pathname, search, href } = new URL(url);
  const digest = body === undefined ? {} : { 'content-digest': contentDigest(body) };
  const fields: Record<string, string> = { ...headers, ...digest };
  const values: Record<string, string> = {
    '@method': method,
    '@authority': host,
    '@path': pathname,
    '@query': search === '' ? '?' : search,
    '@target-uri': href,
    ...fields,
  };
  const usual = ['@method', '@authority', '@path', '@query', ...Object.keys(digest)];
  const components = signing.components ?? usual;
  const names = components.map((name) => `"${name}"`).join(' ');
  const params = `(${names});created=${created};keyid="${keyId}"${more}`;
  const lines = components.map((name) => `"${name}": ${values[name]}\n`).join('');
  const base = Buffer.from(`${lines}"@signature-params": ${params}`);
  const bytes =
    signing.privateKey === undefined
      ? createHmac('sha256', signing.secret ?? SECRET)
          .update(base)
          .digest()
      : signWith(null, base, signing.privateKey);
  return { ...fields, 'signature-input': `sig1=${params}`, signature: `sig1=:${bytes.toString('base64')}:` };
}

export function contentDigest(body: string): string {
  return `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
}
