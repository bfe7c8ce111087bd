import { z } from 'zod';
import { headerName } from '../config/schema/scalars.ts';
import { FieldKind } from '../core/field-kind.ts';
import { findOwnedField } from '../core/fields/owned-fields.ts';
import { definePolicy } from '../core/policy.ts';

/** What a proxy in front may choose: enough for UUIDs, trace ids and base64, nothing that a log could misread. */
const ID = /^[A-Za-z0-9._~:/+=@-]{1,128}$/;

/** Gives every request one id, which upstream and client see, and which stands in the log and in problem answers. */
export const requestId = definePolicy({
  name: 'request-id',
  summary: 'Puts the id of the request on what the upstream gets and on the response.',
  options: z.strictObject({
    header: headerName()
      .check((context) => {
        const message = findOwnedField(context.value);
        if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
      })
      .prefault('x-request-id')
      .describe('Header that carries the id. One sent by a peer in `trustedProxies` is kept.'),
  }),
  position: 'first',
  combination: 'replace',
  create: ({ header }) => ({
    onRequest(exchange) {
      const { headers } = exchange;
      if (exchange.isTrustedPeer) {
        const given = headers.get(header);
        if (given !== undefined && ID.test(given)) exchange.requestId = given;
      }
      // By kind as well: a backend may read x_request_id as x-request-id.
      headers.deleteKind(FieldKind.xRequestId);
      headers.delete(header);
      headers.appendTrusted(header, exchange.requestId);
    },
    onResponse({ requestId: id }, { headers }) {
      headers.delete(header);
      headers.appendTrusted(header, id);
    },
  }),
});
