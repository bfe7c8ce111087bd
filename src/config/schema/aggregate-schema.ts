import { z } from 'zod';
import { duration, headerName, size, text, wholeNumber } from './scalars.ts';

/** The methods that a part may be asked with. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** Makes the schema of `aggregate`: an answer out of those of several upstreams. `file` takes the path of a file. */
export function aggregateSchema<File extends z.ZodType>(file: () => File) {
  return z.strictObject({
    deadline: duration()
      .prefault('30s')
      .describe('Time for all parts together, from the end of the policies on. No part gets a share of it.'),
    parts: z.record(partName(), partSchema()).describe('What is asked, by name.'),
    response: z
      .json()
      .optional()
      .describe(
        'The answer, in whose texts `{parts.name.body}` and the like stand; left out: the parts by their names.',
      ),
    compose: file()
      .optional()
      .describe(
        'A file whose default export, made with `compose`, makes the answer of the parts; instead of `response`.',
      ),
    passStatus: z
      .boolean()
      .prefault(false)
      .describe('Whether a 4xx of a required part is answered as it is, instead of 502.'),
    maxBody: size().prefault('8MiB').describe('How large the answers of all parts together may be.'),
    maxDepth: wholeNumber(1)
      .prefault(64)
      .describe('How deep lists and maps may be nested in the answer of a part.'),
  });
}

function partName() {
  return z.string().regex(/^[A-Za-z][A-Za-z0-9_-]*$/, {
    error: 'is not a name — use letters, digits, hyphens and underscores',
  });
}

function partSchema() {
  return z.strictObject({
    upstream: text().describe('Name of the upstream that is asked.'),
    method: z.enum(METHODS).prefault('GET').describe('Method that it is asked with.'),
    path: text().describe('Path that it is asked for, such as `/users/{params.id}`.'),
    query: z
      .record(text(), z.string())
      .prefault({})
      .describe('Query parameters. One whole reference to a list gives several, one that is missing none.'),
    headers: z
      .record(headerName(), z.string())
      .prefault({})
      .describe("Header fields. Nothing of the client's is passed on but what is named here."),
    body: z.json().optional().describe('Body, sent as JSON, with references in its texts.'),
    identity: z
      .boolean()
      .prefault(false)
      .describe('Whether it is told who is calling, in `x-auth-subject` and its like.'),
    timeout: duration()
      .optional()
      .describe(
        "Time for its whole answer; left out: the upstream's `timeouts.response` for the head, and the deadline.",
      ),
    optional: z
      .boolean()
      .prefault(false)
      .describe(
        'Whether there is an answer without it. Such an answer says so in `x-partial` and `_partial`.',
      ),
    fallback: z.json().optional().describe('What stands in its place then; left out: nothing.'),
    when: text()
      .optional()
      .describe('Condition under which it is asked, such as `parts.user.body.vip == true`.'),
    forEach: text()
      .optional()
      .describe(
        'A list, such as `{parts.orders.body}`, for each element of which it is asked; the answers are a list too.',
      ),
    as: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'is not a name — use letters, digits and underscores' })
      .optional()
      .describe('Name of the element in the templates of this part.'),
    concurrency: wholeNumber(1).optional().describe('How many elements are asked for at once; left out: 4.'),
    maxItems: wholeNumber(1)
      .optional()
      .describe('How long the list may be; a longer one fails the part. Left out: 50.'),
    format: z
      .enum(['json', 'text'])
      .prefault('json')
      .describe('What its answer is: `json`, or `text`, which becomes a JSON string.'),
    maxBody: size().prefault('1MiB').describe('How large its answer may be.'),
  });
}
