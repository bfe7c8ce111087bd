import { z } from 'zod';
import { findOwnedField } from '../../core/fields/owned-fields.ts';
import { REQUEST_KEY, REQUEST_KEY_EXAMPLES } from '../../core/request-key.ts';
import { headerFields, headerName, headerValue, text, wholeNumber } from './scalars.ts';

/** Makes the schema of a route's `split`: its parts, or a map that also says by what they are told apart. */
export function splitSchema() {
  const parts = () =>
    z.array(splitPart()).min(2, { error: 'splits nothing — name two upstreams, or write upstream instead' });
  const whole = z.strictObject({
    by: splitKey()
      .prefault('subject')
      .describe(
        'What goes to the same part always: a key such as `subject` (without one, the address) or `header:x-tenant`; `request` for each request by chance.',
      ),
    parts: parts().describe('The upstreams, with their shares and conditions.'),
  });
  return z.union([parts().transform((list) => ({ by: 'subject', parts: list })), whole], {
    error: 'is not a split — write a list of parts, or a map with by and parts',
  });
}

function splitKey() {
  const error = 'is nothing to split by — write request, or a key such as subject, ip or header:<name>';
  return z
    .string()
    .regex(new RegExp(`^(?:request|${REQUEST_KEY.source.slice(1, -1)})$`), { error })
    .meta({
      examples: ['subject', 'request', ...REQUEST_KEY_EXAMPLES],
    });
}

function splitPart() {
  return z.strictObject({
    upstream: text().describe('Name of the upstream that answers this part.'),
    weight: wholeNumber(0)
      .prefault(0)
      .describe('Share of the requests that no condition takes, against the other parts.'),
    headers: headerFields()
      .prefault({})
      .describe('Headers that must have these values for a request to be taken, whatever the weights.'),
    cookies: z
      .record(headerName(), z.string())
      .prefault({})
      .describe('Cookies that must have these values for a request to be taken, whatever the weights.'),
    request: headerChanges().optional().describe('Headers to change of what this upstream gets.'),
    response: headerChanges().optional().describe('Headers to change of what this upstream answers.'),
  });
}

function headerChanges() {
  const fields = () => z.record(freeName(), headerValue()).prefault({});
  return z.strictObject({
    remove: z.array(freeName()).prefault([]).describe('Fields to take away. Runs before `set` and `add`.'),
    set: fields().describe('Fields to write, in place of any of that name.'),
    add: fields().describe('Fields to put beside those of that name.'),
  });
}

/** Takes the name of a field that is not the gateway's own. */
function freeName() {
  return headerName().check((context) => {
    const message = findOwnedField(context.value);
    if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
  });
}
