import { z } from 'zod';
import { duration, period, size, text } from '../../config/schema/scalars.ts';
import { defineIdentifyingPolicy } from '../../core/identity/identify.ts';
import { onward } from '../credentials/onward.ts';
import { realm } from '../credentials/realm.ts';
import { SignatureIdentifier } from './signature-identifier.ts';
import { readSignatureKey, SIGNATURE_ALGORITHMS } from './signature-key.ts';

/** What a request is: without one of these, a signature could be put on another request. */
const USUAL_COMPONENTS = ['@method', '@authority', '@path', '@query'];
const COMPONENT =
  /^(?:@(?:method|scheme|authority|path|query|target-uri|request-target)|[!#$%&'*+\-.^_`|~0-9a-z]+)$/;

/** Asks for a signature of the request (RFC 9421), by a secret or by a key pair of which we know the public half. */
export const signature = defineIdentifyingPolicy({
  name: 'signature',
  summary: 'Asks for a signed request (HTTP Message Signatures, RFC 9421), each of which is good once.',
  options: z.strictObject({
    keys: z
      .record(keyId(), signingKey())
      .refine((keys) => Object.keys(keys).length > 0, { error: 'is empty — name a key' })
      .describe('Whose signatures are taken, by `keyid`.'),
    components: z
      .array(component())
      .min(1, { error: 'is empty — name what must be signed' })
      .prefault(USUAL_COMPONENTS)
      .describe(
        'What a signature must cover: `@method`, `@authority`, `@path`, `@query` (or `@target-uri` for the last three), or names of headers. Where there is a body, `content-digest` as well.',
      ),
    maxAge: period(1000).prefault('5m').describe('How old `created` may be.'),
    leeway: duration().prefault('30s').describe("How far clients' clocks may be wrong."),
    requireNonce: z
      .boolean()
      .prefault(false)
      .describe(
        'Whether a signature must have a `nonce`, without which two equal requests have one signature.',
      ),
    tag: text().optional().describe('What `tag` must be, where signatures of other kinds stand beside ours.'),
    maxBody: size().prefault('1MiB').describe('Largest request body; more is answered 413.'),
    onStoreFailure: z
      .enum(['closed', 'local'], { error: 'is not one of the ways out — write closed or local' })
      .prefault('closed')
      .describe(
        'What holds while Redis is away, where that remembers signatures: `closed`: signed requests are answered 503; `local`: each gateway remembers by itself, so that a signature is good once at each.',
      ),
    forward: onward(),
    realm: realm(),
    optional: z
      .boolean()
      .prefault(false)
      .describe(
        'Lets requests without a signature pass as those of an anonymous caller. A bad one is rejected.',
      ),
  }),
  createIdentifier: (options, services) => new SignatureIdentifier(options, services),
});

function signingKey() {
  return z
    .strictObject({
      secret: text().optional().describe('Shared secret as text, of at least 32 bytes.'),
      base64Secret: z
        .string()
        .regex(/^[A-Za-z0-9+/]+={0,2}$/, { error: 'is not base64 — write letters, digits, + and /' })
        .optional()
        .describe('Shared secret in base64, in place of `secret`.'),
      publicKey: text().optional().describe('Public key as PEM: the text, or a reference to a file.'),
      algorithm: z
        .enum(SIGNATURE_ALGORITHMS)
        .optional()
        .describe('What the key is used with; left out: what is usual for its kind.'),
      subject: text().optional().describe('Who signs with this key. Default: the `keyid`.'),
      roles: z.array(text()).prefault([]).describe('Roles of who signs with this key.'),
      permissions: z.array(text()).prefault([]).describe('Permissions of who signs with this key.'),
      plan: text().optional().describe('Plan of who signs with this key, for limits.'),
    })
    .check(({ value, issues }) => {
      const key = readSignatureKey(value);
      if (typeof key === 'string') issues.push({ code: 'custom', message: key, input: value });
    });
}

function keyId() {
  return z.string().regex(/^[\x20-\x7e]+$/, { error: 'is not a key id — use ASCII text' });
}

function component() {
  return z.string().regex(COMPONENT, {
    error:
      'is nothing that can be signed here — write @method, @authority, @path, @query, @target-uri, or the name of a header in lower case',
  });
}
