import { createHmac } from 'node:crypto';

/** What the gateways of the `chain` scenario are set up with, and the credential that its requests carry. */
export interface Chain {
  readonly secret: string;
  readonly issuer: string;
  readonly audience: string;
  readonly role: string;
  readonly origin: string;
  /** Requests an hour for each subject: never reached, but counted. */
  readonly limit: number;
  readonly token: string;
}

/** Makes them, with a token (HS256) that is good for a day. */
export function makeChain(): Chain {
  const rules = {
    secret: 'not-a-secret-but-long-enough-for-hs256',
    issuer: 'https://id.example.com',
    audience: 'orders-api',
    role: 'customer',
    origin: 'https://app.example.com',
    limit: 1_000_000_000,
  };
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: rules.issuer,
    aud: rules.audience,
    sub: 'cus_19c2e8a07',
    iat: now,
    exp: now + 86_400,
    roles: [rules.role],
    scope: 'orders:read',
  };
  const signed = [{ alg: 'HS256', typ: 'JWT' }, claims].map(encode).join('.');
  const signature = createHmac('sha256', rules.secret).update(signed).digest('base64url');
  return { ...rules, token: `${signed}.${signature}` };
}

/** The header fields of a request that passes. */
export function fieldsOf({ token, origin }: Chain): Readonly<Record<string, string>> {
  return { Authorization: `Bearer ${token}`, Origin: origin };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
