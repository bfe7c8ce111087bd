import { z } from 'zod';
import { SIGNING_ALGORITHMS } from '../key-material/signing-key.ts';
import { duration, text } from './scalars.ts';

export type InternalTokensConfig = z.output<ReturnType<typeof internalTokensSchema>>;

/** Makes the schema of `internalTokens`. */
export function internalTokensSchema<File extends z.ZodType<string>>(file: () => File) {
  return z.strictObject({
    issuer: text().describe('`iss` of the tokens: what upstreams know this gateway as, such as its URL.'),
    audience: text()
      .optional()
      .describe('`aud` of the tokens. Left out: the name of the upstream that gets the token.'),
    ttl: duration()
      .prefault('60s')
      .refine((ms) => ms >= 10_000 && ms <= 3_600_000, { error: 'is no such time — write 10s to 1h' })
      .describe(
        'How long a token is good, at most as long as what the caller has shown. A request carries one of which at least half is left.',
      ),
    algorithm: z
      .enum(SIGNING_ALGORITHMS, { error: 'is not an algorithm for these — write ES256, EdDSA or RS256' })
      .prefault('ES256')
      .describe('What tokens are signed with, where the gateway makes the key itself.'),
    rotateEvery: duration()
      .prefault('30d')
      .refine((ms) => ms >= 3_600_000, { error: 'is too short — write at least 1h' })
      .describe('How long a key of our own making signs. It is published as long before, and as long after.'),
    keyFile: file()
      .optional()
      .describe(
        'Private key as PEM (EC on P-256, Ed25519 or RSA), the same for all machines; left out: made and kept in `dataDir`.',
      ),
    formerKeyFiles: z
      .array(file())
      .prefault([])
      .describe(
        'Keys as PEM, public or private, that signed before: published, so that their tokens stay good.',
      ),
  });
}
