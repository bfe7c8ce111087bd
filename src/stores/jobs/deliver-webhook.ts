import { request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { isPublicAddress, lookUpPublic, PrivateAddressError } from './public-address.ts';

export interface WebhookRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface WebhookRules {
  /** Whether addresses that are not public are connected to. */
  readonly allowsPrivate: boolean;
  readonly lookUp: LookupFunction;
}

/** How long a receiver may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/**
 * Posts to a webhook, and gives the status of the response. The address that was checked is the one that is connected to, and
 * a redirect leads nowhere. Rejects where there is no response.
 */
export function deliverWebhook(
  { url, headers, body }: WebhookRequest,
  { allowsPrivate, lookUp }: WebhookRules,
): Promise<number> {
  const { protocol, hostname } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  // No name is looked up for an address.
  if (!allowsPrivate && isIP(host) !== 0 && !isPublicAddress(host))
    return Promise.reject(new PrivateAddressError(host));
  return new Promise((resolve, reject) => {
    const request = (protocol === 'https:' ? requestSecure : requestPlain)(
      url,
      {
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'sallyport',
        },
        // Nothing is shared with other requests, each of which is checked by itself.
        agent: false,
        lookup: allowsPrivate ? lookUp : lookUpPublic(lookUp),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      },
      (response) => {
        response.once('error', () => {});
        response.destroy();
        resolve(response.statusCode ?? 0);
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}
