import { z } from 'zod';
import { isBase64 } from '../../core/identity/secret-bytes.ts';
import { SIGNATURE_ALGORITHMS } from '../key-material/signature-algorithms.ts';
import { duration, size, text, wholeNumber } from './scalars.ts';

export type AuthServiceConfig = z.output<ReturnType<typeof authServiceSchema>>;
export type IntrospectionConfig = NonNullable<AuthServiceConfig['introspection']>;

const MAX_LEEWAY_MS = 300_000;

/** Makes the schema of one entry of `authServices`. `file` is the schema of a file's path. */
export function authServiceSchema(file: () => z.ZodType<string, string>) {
  return z.strictObject({
    secret: text().optional().describe('Secret of HMAC signatures, which the issuer has too.'),
    base64Secret: z
      .string()
      .refine(isBase64, { error: 'is not base64 — write letters, digits, + and /' })
      .optional()
      .describe('Secret of HMAC signatures in base64, for bytes that are not text, in place of `secret`.'),
    publicKey: publicKey().optional().describe('Public key, as PEM, certificate or JWK.'),
    publicKeyFile: file().optional().describe('File with the public key, as PEM, certificate or JWK.'),
    jwks: remoteUrl('is not the URL of a key set — write one; a file goes into jwksFile')
      .optional()
      .describe('URL of the key set (JWKS).'),
    jwksFile: file().optional().describe('File with the key set (JWKS); read again when it changes.'),
    discovery: z
      .union([z.literal(true), remoteUrl('is not a URL — write true, or the URL of the metadata')])
      .optional()
      .describe(
        'Finds the key set by the metadata of the issuer (OpenID Connect Discovery, RFC 8414): `true`, or its URL.',
      ),
    introspection: introspectionSchema()
      .optional()
      .describe('Asks the issuer about each token (RFC 7662), for `introspect`.'),
    code: file().optional().describe('File whose default export is made by `defineAuthService`.'),
    issuer: text().optional().describe('What `iss` must be, letter for letter.'),
    audience: audience()
      .optional()
      .describe('What `aud` must name: one, or one of a list. `any` takes tokens meant for anybody.'),
    algorithms: algorithms(),
    timeout: duration()
      .prefault('5s')
      .refine((ms) => ms >= 10, { error: 'is too short — write at least 10ms' })
      .describe(
        'How long `jwks` and `discovery` may take to answer. Until then, and when they fail, the keys of before go on.',
      ),
    maxTokenSize: size()
      .prefault('16KiB')
      .refine((bytes) => bytes >= 256, { error: 'is too small — write at least 256B' })
      .describe('Longest token that is looked at. The limits of the listener hold as well.'),
    leeway: duration()
      .prefault('30s')
      .refine((ms) => ms <= MAX_LEEWAY_MS, { error: 'is too long — write at most 5m' })
      .describe('By how much clocks may differ.'),
    maxTokenAge: duration()
      .refine((ms) => ms >= 1000, { error: 'is too short — write at least 1s' })
      .optional()
      .describe('How old, by its `iat`, a token may be; left out: until its `exp`.'),
    typ: text()
      .optional()
      .describe(
        'What the header `typ` must be, such as `at+jwt` (RFC 9068); left out: `JWT`, `at+jwt` or nothing.',
      ),
    ...claimSettings(),
    dangerouslyAllowHttp: z
      .boolean()
      .prefault(false)
      .describe('Takes keys and responses over plain HTTP. Anyone on the way can then make tokens.'),
  });
}

function algorithms() {
  return z
    .array(z.enum(SIGNATURE_ALGORITHMS))
    .min(1, { error: 'is empty — name an algorithm, or leave the key out' })
    .optional()
    .describe('Signature algorithms taken; left out: those that the key is made for, `HS256` for a secret.');
}

/** What a service reads in which claim. */
function claimSettings() {
  return {
    audienceClaim: text().prefault('aud').describe('Claim that says whom a token is for.'),
    subjectClaim: oneOrMore('is empty — name a claim')
      .prefault('sub')
      .describe(
        'Claim that names the subject, or a list of which the first that a token has does: `[sub, client_id]` for tokens of machines.',
      ),
    rolesClaim: text()
      .prefault('roles')
      .describe(
        'Claim with the roles, such as `realm_access.roles`: a list, a text for one role, or a map from roles to what is not empty or false. Names with dots in them are found: `resource_access.orders.api.roles`.',
      ),
    permissionsClaim: text()
      .optional()
      .describe(
        'Claim with the permissions, as `rolesClaim`; left out: all of `scope`, `scp` and `permissions`. A text in `scope` or `scp` has spaces between its permissions.',
      ),
    spaceDelimited: z
      .boolean()
      .prefault(false)
      .describe(
        'Reads a text in any claim with roles or permissions as a list with spaces between, as in `scope`.',
      ),
    planClaim: text().optional().describe('Claim with what the caller has bought, which chooses its limits.'),
  };
}

/** Makes the schema of the name of an entry of `authServices`. */
export function authServiceName() {
  return z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, {
    error: 'is not a name for an auth service — use letters, digits, hyphens, dots and underscores',
  });
}

/** Tells whether what is asked at `url` can be changed by nobody on the way: TLS, or this machine. */
export function isPrivateWay(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  if (protocol === 'https:') return true;
  return protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

function introspectionSchema() {
  return z.strictObject({
    url: remoteUrl('is not a URL — write that of the introspection endpoint').describe(
      'The introspection endpoint.',
    ),
    clientId: text().describe('Who the gateway is there.'),
    clientSecret: text().describe('Its secret.'),
    clientAuth: z
      .enum(['basic', 'post'])
      .prefault('basic')
      .describe('How it proves that: `basic` by header, `post` in the form.'),
    missingAudience: z
      .enum(['refuse', 'allow'])
      .prefault('refuse')
      .describe(
        'What becomes of a token about which the response names no audience, though `audience` is set.',
      ),
    timeout: duration()
      .prefault('1500ms')
      .refine((ms) => ms >= 10, { error: 'is too short — write at least 10ms' })
      .describe('How long a response may take; then requests are answered 503.'),
    cacheFor: duration()
      .prefault('30s')
      .describe(
        'How long a response is kept, at most until the token ends. As long a revoked token may pass.',
      ),
    maxConcurrent: wholeNumber(1)
      .prefault(100)
      .describe('Questions under way at a time; requests that need more are answered 503.'),
  });
}

function publicKey() {
  return z.union([text(), z.record(z.string(), z.unknown())], {
    error: 'is not a key — write PEM as text, or a JWK as a map',
  });
}

function oneOrMore(error: string) {
  return z.union([text().transform((one) => [one]), z.array(text()).min(1, { error })]);
}

function audience() {
  const list = z.array(text()).min(1, { error: 'is empty — name an audience' });
  return z.union([text().transform((one): 'any' | string[] => (one === 'any' ? 'any' : [one])), list]);
}

function remoteUrl(error: string) {
  return z.string({ error }).refine(isRemoteUrl, { error }).meta({ title: 'URL' });
}

function isRemoteUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password, hash, port } = new URL(url);
  return /^https?:$/.test(protocol) && username === '' && password === '' && hash === '' && port !== '0';
}
