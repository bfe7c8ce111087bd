import { z } from 'zod';
import { headerName } from '../config/schema/scalars.ts';
import { plainAddress } from '../core/address-blocks.ts';
import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import { findOwnedField } from '../core/fields/owned-fields.ts';
import type { ApiKeyRejection, ApiKeyVerifier, VerifiedApiKey } from '../core/identity/api-keys.ts';
import type { Identification, Identifier } from '../core/identity/identifier.ts';
import { defineIdentifyingPolicy } from '../core/identity/identify.ts';
import { isPromise } from '../core/is-promise.ts';
import { dropTrailers } from './credentials/drop-trailers.ts';
import { LookalikeNames } from './credentials/lookalike-names.ts';
import { onward } from './credentials/onward.ts';

/** Asks for an API key, made with `sallyport keys` or the admin API. */
export const apiKey = defineIdentifyingPolicy({
  name: 'api-key',
  summary: 'Asks for an API key.',
  options: z.strictObject({
    header: headerName()
      .check((context) => {
        const message = findKeyHeaderFault(context.value);
        if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
      })
      .prefault('x-api-key')
      .describe('Header that carries the key. It never goes upstream.'),
    optional: z
      .boolean()
      .prefault(false)
      .describe(
        'Lets requests without a key pass as those of an anonymous caller. A bad key is rejected nevertheless.',
      ),
    forward: onward(),
    realm: z
      .string()
      .regex(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/, {
        error: 'is not a realm — write ASCII text without quotes and backslashes',
      })
      .prefault('api')
      .describe('Name of what is protected, in `WWW-Authenticate`.'),
  }),
  async createIdentifier({ header, optional, realm }, { apiKeys }) {
    if (apiKeys === undefined) throw new TypeError('there are no API keys here');
    return new ApiKeyIdentifier(await apiKeys.open(), header, optional, realm);
  },
});

class ApiKeyIdentifier implements Identifier {
  readonly challenge: string;
  readonly isOptional: boolean;
  private readonly verifier: ApiKeyVerifier;
  private readonly header: string;
  private readonly spellings: LookalikeNames;
  private readonly rejections: Readonly<Record<ApiKeyRejection | 'duplicate', GatewayError>>;
  private readonly wrongRoute = new GatewayError('GW_FORBIDDEN', { reason: 'route' });
  private readonly wrongAddress = new GatewayError('GW_FORBIDDEN', { reason: 'address' });

  constructor(verifier: ApiKeyVerifier, header: string, isOptional: boolean, realm: string) {
    this.challenge = `ApiKey realm="${realm}"`;
    this.isOptional = isOptional;
    this.verifier = verifier;
    this.header = header;
    this.spellings = new LookalikeNames(header, true);
    const headers = { 'www-authenticate': this.challenge };
    // One response for all of them: only the log tells a wrong key from one that was good once.
    const invalid = (reason: string) => new GatewayError('GW_CREDENTIALS_INVALID', { headers, reason });
    this.rejections = {
      malformed: invalid('malformed'),
      duplicate: invalid('duplicate'),
      unknown: invalid('unknown'),
      expired: invalid('expired'),
      disabled: invalid('disabled'),
      unavailable: new GatewayError('GW_AUTH_UNAVAILABLE', { reason: 'unavailable' }),
    };
  }

  identify(exchange: Exchange): Identification | Promise<Identification> {
    const { headers } = exchange;
    const key = headers.get(this.header);
    this.dropCredential(exchange);
    if (key === undefined) return undefined;
    const verdict = this.verifier.verify(key);
    if (!isPromise(verdict)) return this.judge(exchange, key, verdict);
    return verdict.then((settled) => this.judge(exchange, key, settled));
  }

  dropCredential(exchange: Exchange): void {
    exchange.headers.deleteAll(this.spellings);
    dropTrailers(exchange, this.spellings);
  }

  private judge(exchange: Exchange, key: string, verdict: VerifiedApiKey | ApiKeyRejection): Identification {
    if (typeof verdict === 'string') return this.reject(key, verdict);
    const { routes, addresses, identity } = verdict;
    if (routes !== undefined && !routes.has(exchange.route.id)) return this.wrongRoute;
    if (addresses !== undefined && !addresses.has(plainAddress(exchange.clientAddress)))
      return this.wrongAddress;
    return identity;
  }

  /** Several fields of the name come as one value with commas, which no key has: none of them is tried. */
  private reject(key: string, rejection: ApiKeyRejection): GatewayError {
    return this.rejections[rejection === 'malformed' && key.includes(',') ? 'duplicate' : rejection];
  }
}

/** Says why a field cannot carry keys, with the remedy behind ' — '. */
function findKeyHeaderFault(name: string): string | undefined {
  if (name.toLowerCase() === 'authorization' || name.toLowerCase() === 'cookie')
    return 'carries credentials of another kind — name a field of its own, such as x-api-key';
  return findOwnedField(name);
}
