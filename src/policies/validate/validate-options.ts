import { z } from 'zod';
import { size, text, wholeNumber } from '../../config/schema/scalars.ts';
import { isSchema, type JsonSchema } from '../../json-schema/schema-text.ts';

/** The options of `validate`. */
export const validateOptions = z
  .strictObject({
    openapi: z
      .strictObject({
        file: text().describe('The document: OpenAPI 3.0, 3.1 or 3.2, as YAML or JSON.'),
        operation: text().describe('The `operationId`, or method and path: `GET /orders/{id}`.'),
      })
      .optional()
      .describe('The operation of an OpenAPI document that requests must be like, in place of schemas.'),
    params: parameterSchema().describe('What the parameters of the path must be: the schema of an object.'),
    query: parameterSchema().describe('What the parameters of the query must be: the schema of an object.'),
    headers: parameterSchema().describe(
      'What headers must be: the schema of an object. Those that it does not name are left alone.',
    ),
    cookies: parameterSchema().describe(
      'What cookies must be: the schema of an object. Those that it does not name are left alone.',
    ),
    body: writtenSchema()
      .optional()
      .describe('What a body must be, which then has to be JSON: a schema, or `{ file }` with one.'),
    unknown: z
      .enum(['refuse', 'strip', 'keep'])
      .optional()
      .describe(
        'What becomes of query parameters and of members of JSON that no schema names: `refuse`: 422; `strip`: the upstream does not see them; `keep`: it does. Left out: what the schema says, and for the query of an OpenAPI operation `refuse`.',
      ),
    coerce: z
      .boolean()
      .prefault(false)
      .describe(
        'Takes numbers and booleans of JSON that are written as text (`"12"`), and sends them on as what they are.',
      ),
    response: z
      .enum(['off', 'observe', 'enforce'])
      .prefault('off')
      .describe(
        'Whether responses are judged as well, by an OpenAPI operation: `observe` counts and logs, `enforce` answers 502 in place of a bad one.',
      ),
    maxDepth: wholeNumber(1).prefault(32).describe('How deep JSON may be nested.'),
    maxBody: size().prefault('1MiB').describe('Largest body, also decoded; more is answered 413.'),
  })
  .check(({ value, issues }) => {
    const { openapi, params, query, headers, cookies, body, response } = value;
    const own = { params, query, headers, cookies, body };
    const [first] = Object.entries(own).flatMap(([key, schema]) => (schema === undefined ? [] : [key]));
    const fail = (message: string, path: string[] = []) =>
      issues.push({ code: 'custom', message, path, input: value });
    if (openapi === undefined && first === undefined)
      fail('says nothing of what requests must be — add openapi, params, query, headers, cookies or body');
    if (openapi !== undefined && first !== undefined)
      fail('stands beside openapi, which says it already — keep one of them', [first]);
    if (openapi === undefined && response !== 'off')
      fail('is for OpenAPI operations, which describe responses — add openapi, or take it out', ['response']);
  });

/** The options as they are used. */
export type ValidateOptions = z.output<typeof validateOptions>;

/** A schema, or the file that holds it. */
export type WrittenSchema = JsonSchema;

/** Taken as it is: to check it is not a matter of its form, and a member may be called `__proto__`. */
function writtenSchema() {
  return z
    .unknown()
    .refine((value): value is WrittenSchema => isSchema(value), {
      error: 'is not a schema — write a map of keywords of JSON Schema, or { file }',
    })
    .transform((value) => value as WrittenSchema);
}

function parameterSchema() {
  return writtenSchema().optional();
}

/** The name of the file that holds a schema, `undefined` for one that is written out. */
export function fileOf(schema: WrittenSchema): string | undefined {
  if (typeof schema === 'boolean' || Object.keys(schema).length !== 1) return undefined;
  return typeof schema.file === 'string' ? schema.file : undefined;
}
