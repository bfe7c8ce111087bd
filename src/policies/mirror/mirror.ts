import { z } from 'zod';
import { headerName, share, size, text, wholeNumber } from '../../config/schema/scalars.ts';
import { bodyFrom, EMPTY_BODY } from '../../core/body.ts';
import type { Exchange } from '../../core/exchange.ts';
import { IDENTITY_HEADERS } from '../../core/identity/identity.ts';
import { definePolicy } from '../../core/policy.ts';
import { CopiedBody } from './copied-body.ts';
import { IgnoredResponse } from './ignored-response.ts';

/** Fields that prove or say who somebody is. */
const CREDENTIALS = ['authorization', 'proxy-authorization', 'cookie', 'x-api-key', ...IDENTITY_HEADERS];
const RESPONSE_TIMEOUT_MS = 15_000;

/** Sends copies of requests elsewhere, to try something on real traffic. */
export const mirror = definePolicy({
  name: 'mirror',
  summary: 'Sends a copy of some requests to another upstream, whose responses are ignored.',
  options: z.strictObject({
    upstream: text().describe('Name of the upstream that gets the copies.'),
    share: share().prefault('100%').describe('Share of the requests that are copied, at random.'),
    maxBody: size()
      .prefault('64KiB')
      .describe('Largest request body that is copied; requests with more are not.'),
    maxActive: wholeNumber(1)
      .prefault(100)
      .describe('Copies under way at a time; while there are more, none is made.'),
    credentials: z
      .array(headerName())
      .prefault([])
      .describe(
        'Which of `authorization`, `cookie`, `x-api-key`, `x-auth-subject`, `x-auth-roles`, `x-auth-permissions` and the header of a token go along; the others do not.',
      ),
  }),
  create(
    { upstream, share: sampled, maxBody, maxActive, credentials },
    { upstream: findUpstream, random, metrics },
  ) {
    if (findUpstream === undefined) throw new TypeError('mirror cannot send requests here');
    const target = findUpstream(upstream);
    const kept = new Set(credentials.map((name) => name.toLowerCase()));
    const dropped = CREDENTIALS.filter((name) => !kept.has(name));
    const copies = new WeakMap<Exchange, CopiedBody | undefined>();
    const count = (result: string) =>
      metrics.counter('gateway_mirrored_requests_total', 'Copies of requests, by upstream and result.', {
        upstream,
        result,
      });
    const [sent, skipped] = [count('sent'), count('skipped')];
    let active = 0;
    return {
      onRequest(exchange) {
        if (random() >= sampled) return;
        copies.set(exchange, copyBody(exchange, maxBody));
      },
      // When all is over, so that the real answer waits for nothing.
      onFinish(exchange) {
        const { request, upstreamPath, credentialField } = exchange;
        if (!copies.has(exchange) || upstreamPath === '' || request.upgrade !== undefined) return;
        const copied = copies.get(exchange);
        const bytes = copied === undefined ? exchange.bodyBytes : copied.bytes;
        const isWhole = copied === undefined || bytes !== undefined;
        if (!isWhole || (bytes?.length ?? 0) > maxBody || active >= maxActive) return skipped.add();
        const headers = exchange.headers.clone();
        for (const name of dropped) headers.delete(name);
        if (credentialField !== '' && !kept.has(credentialField)) headers.delete(credentialField);
        active++;
        const ignored = new IgnoredResponse(() => active--);
        ignored.follow(
          target.send(
            exchange,
            {
              method: request.method,
              path: upstreamPath,
              host: exchange.upstreamHost,
              headers,
              body: bytes === undefined || bytes.length === 0 ? EMPTY_BODY : bodyFrom(bytes),
              upgrade: undefined,
              acceptsTrailers: false,
              responseTimeoutMs: RESPONSE_TIMEOUT_MS,
            },
            ignored,
            { once: true },
          ),
        );
        sent.add();
      },
    };
  },
});

/** Has a body copied while it passes, unless there is none or it is at hand anyway. */
function copyBody(exchange: Exchange, maxBytes: number): CopiedBody | undefined {
  if (exchange.body.length === 0 || exchange.bodyBytes !== undefined) return undefined;
  const copied = new CopiedBody(exchange.body, maxBytes);
  exchange.body = copied;
  return copied;
}
