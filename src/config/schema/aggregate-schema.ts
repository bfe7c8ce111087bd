import { z } from 'zod';
import { duration, headerName, period, size, text, wholeNumber } from './scalars.ts';

/** The methods that a part may be asked with. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** Makes the schema of `aggregate`: a response out of those of several upstreams. `file` takes the path of a file. */
export function aggregateSchema<File extends z.ZodType>(file: () => File) {
  return z.strictObject({
    deadline: duration()
      .prefault('30s')
      .describe(
        'Time for all parts together, from the end of the policies on. It is not divided among the parts.',
      ),
    parts: z.record(partName(), partSchema()).describe('The parts, by name.'),
    response: z
      .json()
      .optional()
      .describe(
        'The response, in whose texts `{parts.name.body}` and the like stand; left out: the parts by their names.',
      ),
    compose: file()
      .optional()
      .describe(
        'A file whose default export, made with `compose`, makes the response of the parts; instead of `response`.',
      ),
    passStatus: z
      .boolean()
      .prefault(false)
      .describe('Whether a 4xx of a required part is answered as it is, instead of 502.'),
    maxBody: size().prefault('8MiB').describe('How large the responses of all parts together may be.'),
    maxRequestBody: size()
      .prefault('1MiB')
      .describe('How large the body of the request may be, where parts refer to it.'),
    maxDepth: wholeNumber(1)
      .prefault(64)
      .describe('How deep lists and maps may be nested in the response of a part, and in the request.'),
  });
}

function partName() {
  return z.string().regex(/^[A-Za-z][A-Za-z0-9_-]*$/, {
    error: 'is not a name — use letters, digits, hyphens and underscores',
  });
}

function partSchema() {
  return z.strictObject({
    upstream: text().describe('Name of the upstream that is called.'),
    method: z.enum(METHODS).prefault('GET').describe('Method of the request.'),
    path: text().describe('Path of the request, such as `/users/{params.id}`.'),
    query: z
      .record(text(), z.string())
      .prefault({})
      .describe('Query parameters. One whole reference to a list gives several, one that is missing none.'),
    headers: z
      .record(headerName(), z.string())
      .prefault({})
      .describe("Headers. Nothing of the client's is passed on but what is named here."),
    body: z.json().optional().describe('Body, sent as JSON, with references in its texts.'),
    identity: z
      .boolean()
      .prefault(false)
      .describe('Whether it gets the identity of the caller, in `x-auth-subject` and its like.'),
    timeout: duration()
      .optional()
      .describe(
        "Time for its whole response; left out: the upstream's `timeouts.response` for the head, and the deadline.",
      ),
    cache: period()
      .optional()
      .describe(
        'How long its response is kept where that does not say so itself, as the policy `cache` does with `maxAge`; left out: not at all.',
      ),
    optional: z
      .boolean()
      .prefault(false)
      .describe(
        'Whether there is a response without it. Such a response says so in `x-partial` and `_partial`.',
      ),
    fallback: z.json().optional().describe('What stands in its place then; left out: nothing.'),
    when: text()
      .optional()
      .describe('Condition under which it is called, such as `parts.user.body.vip == true`.'),
    forEach: text()
      .optional()
      .describe(
        'A list, such as `{parts.orders.body}`, for each element of which it is called; the responses are a list too.',
      ),
    as: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'is not a name — use letters, digits and underscores' })
      .optional()
      .describe('Name of the element in the templates of this part.'),
    concurrency: wholeNumber(1).optional().describe('How many elements are requested at once; left out: 4.'),
    maxItems: wholeNumber(1)
      .optional()
      .describe('How long the list may be; a longer one fails the part. Left out: 50.'),
    format: z
      .enum(['json', 'text'])
      .prefault('json')
      .describe('What its response is: `json`, or `text`, which becomes a JSON string.'),
    maxBody: size().prefault('1MiB').describe('How large its response may be.'),
  });
}
