import { z } from 'zod';
import { headerName, jsonData, size, text, wholeNumber } from '../../config/schema/scalars.ts';
import { findOwnedField } from '../../core/fields/owned-fields.ts';

export type TransformOptions = z.output<ReturnType<typeof transformOptions>>;
export type MessageChanges = NonNullable<TransformOptions['request']>;

/** Makes the schema of the policy `transform`. Its templates are judged with the parameters of their route. */
export function transformOptions() {
  return z
    .strictObject({
      request: z
        .strictObject(messageFields())
        .optional()
        .describe('What to change before the upstream gets the request.'),
      response: z
        .strictObject({
          ...messageFields(),
          status: z
            .int()
            .min(200)
            .max(599)
            .refine((status) => status !== 205 && status !== 304, {
              error: 'describes what another response has — write another status',
            })
            .optional()
            .describe('Status that takes the place of the one of the response. `204` drops the body.'),
        })
        .optional()
        .describe('What to change before the client gets the response.'),
      unsupported: z
        .enum(['refuse', 'pass'])
        .prefault('refuse')
        .describe(
          'What becomes of a message whose body is needed but cannot be read: not JSON, encoded, a part of one (206), or with `Cache-Control: no-transform`. `refuse` rejects it with 415 or 502; `pass` leaves all of it as it is.',
        ),
      maxBody: size().prefault('1MiB').describe('How large a body may be that is read.'),
      maxDepth: wholeNumber(1).prefault(64).describe('How deep lists and maps may be nested in it.'),
    })
    .refine(({ request, response }) => request !== undefined || response !== undefined, {
      error: 'changes nothing — add request or response',
    });
}

function messageFields() {
  return {
    when: text()
      .optional()
      .describe('Condition under which it is changed, such as `response.status == 200`.'),
    headers: z
      .record(freeName(), z.string().nullable())
      .prefault({})
      .describe(
        'Headers to write in place of those of that name, with references in their values; `null` removes, and so does a value whose one reference is missing.',
      ),
    body: jsonData()
      .optional()
      .describe('Body to send in place of it, as JSON, with references such as `{body.name}` in its texts.'),
  };
}

/** Takes the name of a header that is not the gateway's own. */
function freeName() {
  return headerName().check((context) => {
    const message = findOwnedField(context.value);
    if (message !== undefined) context.issues.push({ code: 'custom', message, input: context.value });
  });
}
