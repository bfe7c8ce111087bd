import { z } from 'zod';
import { duration, headerName, size, text } from '../../config/schema/scalars.ts';

export type CacheOptions = z.output<ReturnType<typeof cacheOptions>>;

const METHODS = ['GET', 'HEAD', 'QUERY'] as const;

/** Makes the schema of the policy `cache`. */
export function cacheOptions() {
  return z.strictObject({
    maxAge: duration()
      .optional()
      .describe(
        'How long a response is fresh that says nothing of it; left out: such responses are not stored.',
      ),
    override: z
      .boolean()
      .prefault(false)
      .describe(
        'Whether `maxAge` wins over the lifetime that a response names. Never over `no-store`, `private` and `Set-Cookie`.',
      ),
    staleWhileRevalidate: duration()
      .prefault('0s')
      .describe(
        'How long a stale response is used while a new one is fetched behind it (RFC 5861), where the response itself does not say.',
      ),
    staleIfError: duration()
      .prefault('0s')
      .describe(
        'How long a stale response stands in for an upstream that fails, where the response itself does not say.',
      ),
    private: z
      .boolean()
      .prefault(false)
      .describe('Whether each subject has responses of its own, also those that say `private`.'),
    key: keySchema().prefault({}).describe('What tells requests apart, beside route, host, path and query.'),
    methods: z
      .array(z.enum(METHODS))
      .min(1, { error: 'is empty — name GET, or take the policy out' })
      .prefault(['GET', 'HEAD'])
      .describe('Methods that are answered from the cache. `QUERY` is keyed by its body.'),
    statuses: z
      .array(z.int().min(200).max(599))
      .min(1, { error: 'is empty — name a status, or leave `statuses` out' })
      .optional()
      .describe(
        'Statuses that are stored; left out: all whose response names its lifetime, and for `maxAge` 200, 203, 204, 300, 301, 404 and 410.',
      ),
    maxBody: size().prefault('8MiB').describe('Largest body that is stored; larger ones stream through.'),
    heuristic: z
      .boolean()
      .prefault(false)
      .describe(
        'Whether a response that says nothing is fresh for a tenth of its time since `Last-Modified`, a day at most.',
      ),
    requestDirectives: z
      .boolean()
      .prefault(false)
      .describe('Whether clients may ask for fresher or staler responses by their `Cache-Control`.'),
    etag: z
      .boolean()
      .prefault(false)
      .describe('Whether a stored response without an `ETag` gets one, so that clients can be answered 304.'),
    bypass: bypassSchema().prefault({}).describe('Requests that go past the cache.'),
  });
}

function keySchema() {
  return z.strictObject({
    headers: z
      .array(headerName())
      .prefault([])
      .describe(
        'Request headers whose values belong to the key, beside those that responses name in `Vary`.',
      ),
    query: z
      .strictObject({
        only: z
          .array(text())
          .optional()
          .describe('The only parameters that count; a name may end in `*`. The upstream sees no others.'),
        ignore: z
          .array(text())
          .prefault([])
          .describe('Parameters that do not count, such as `utm_*`. The upstream does not see them either.'),
        sort: z.boolean().prefault(false).describe('Whether the order of parameters makes no difference.'),
      })
      .prefault({})
      .describe('Which parameters of the query belong to the key.'),
    cookies: z.array(headerName()).prefault([]).describe('Cookies whose values belong to the key.'),
  });
}

function bypassSchema() {
  return z.strictObject({
    headers: z
      .array(headerName())
      .prefault([])
      .describe('Request headers that make a request go past the cache.'),
    cookies: z.array(headerName()).prefault([]).describe('Cookies that do.'),
  });
}
