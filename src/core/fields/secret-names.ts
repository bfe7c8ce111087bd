/** What stands in a log where a secret stood. */
export const REDACTED = '[redacted]';

/** Names, without punctuation and in lower case, whose value is a secret wherever they stand. */
const SECRET_NAMES = new Set([
  'assertion',
  'auth',
  'authorization',
  'awsaccesskeyid',
  'clientassertion',
  'codeverifier',
  'connectsid',
  'cvc',
  'cvv',
  'card',
  'cardnumber',
  'hmac',
  'idtokenhint',
  'jsessionid',
  'jwk',
  'jwt',
  'mfa',
  'oauthverifier',
  'otp',
  'pass',
  'phpsessid',
  'pin',
  'pw',
  'pwd',
  'proxyauthorization',
  'samlart',
  'samlrequest',
  'samlresponse',
  'session',
  'sessionid',
  'sid',
  'sig',
  'totp',
  'wresult',
]);

/** Names that are a secret's in a query or form, and nothing in particular elsewhere. */
const SECRET_PARAMETERS = new Set(['code', 'magic', 'pgtid', 'pgtiou', 'tan', 'ticket']);

/** What makes a name a secret's wherever it stands in it: `new_password_confirmation`. */
const SECRET_PART =
  /passw(?:or)?d|passphrase|passcode|(?:access|auth|authorization|backup|confirmation|device|invite|invitation|login|magic|mfa|otp|recovery|reset|security|sms|user|verification|verify)code$|(?:user|login|db|my)(?:pass|pw|otp)$/;

/** Endings that make a name a secret's: `access_token`, `X-API-Key`, `client-secret`, `Set-Cookie`, `X-Amz-Signature`. */
const SECRET_ENDING = /(?:token|secret|password|passwd|passphrase|key|cookie|credential|signature)s?$/;

/** Names with such an ending that are not secrets. */
const HARMLESS_NAMES = new Set(['cachekey', 'idempotencykey', 'publickey']);

/** Names that mean something harmless in a sentence (`duplicate key: orders`), and a secret anywhere else. */
const COMMON_WORD = /^(?:auth|pass|pin|pw|session|credentials?|keys?|signature|tokens?)$/;

/** Tells whether a field or header of this name, however it is spelt, holds a secret. */
export function isSecretName(name: string): boolean {
  const plain = plainName(name);
  if (SECRET_NAMES.has(plain) || SECRET_PART.test(plain)) return true;
  return SECRET_ENDING.test(plain) && !HARMLESS_NAMES.has(plain);
}

/** Tells whether a query parameter of this name, however it is encoded, holds a secret. */
export function isSecretParameter(name: string): boolean {
  const decoded = decodeFully(name);
  if (SECRET_PARAMETERS.has(plainName(decoded)) || isSecretName(decoded)) return true;
  // The last of `user[pass]`, `login.otp`, `$.credentials.ticket`.
  const last = /[[.]([^[\].]+)\]*$/.exec(decoded)?.[1];
  return last !== undefined && (SECRET_PARAMETERS.has(plainName(last)) || isSecretName(last));
}

/** Tells whether `name: value` in a sentence holds a secret for sure. */
export function isSecretLabel(name: string): boolean {
  return !COMMON_WORD.test(plainName(name)) && isSecretName(name);
}

/** Resolves percent-encoding as often as it was applied, up to four times. Never throws. */
export function decodeFully(text: string): string {
  let decoded = text;
  for (let round = 0; round < 4 && decoded.includes('%'); round++) {
    decoded = decoded.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  }
  return decoded;
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}
