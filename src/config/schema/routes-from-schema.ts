import { z } from 'zod';
import { findPatternFault } from './path-pattern.ts';
import { text } from './scalars.ts';

/** Makes the schema of `routesFrom`. `policies` is the schema of a list of policies, `file` takes the path of a file. */
export function routesFromSchema<Policies extends z.ZodType, File extends z.ZodType>(
  policies: Policies,
  file: () => File,
) {
  return z
    .array(entrySchema(policies, file))
    .prefault([])
    .describe(
      'OpenAPI documents whose operations are routes, behind `routes`. One of those that takes the same path and method takes the place of an operation.',
    );
}

function entrySchema<Policies extends z.ZodType, File extends z.ZodType>(
  policies: Policies,
  file: () => File,
) {
  return z.strictObject({
    openapi: file().describe('The document: OpenAPI 3.0, 3.1 or 3.2, as YAML or JSON.'),
    upstream: text().describe('Name of the upstream that serves what it describes.'),
    prefix: prefix()
      .optional()
      .describe(
        'What the paths of its routes begin with, and what the upstream does not see; left out: the path of its first server, which the upstream sees.',
      ),
    policies: policies.describe(
      'Policies of its routes, which run after the top-level ones and before `validate`.',
    ),
    validate: z
      .enum(['requests', 'both', 'off'])
      .prefault('requests')
      .describe(
        'Whether requests must be as they are described; with `both` responses as well: others are answered 502.',
      ),
  });
}

function prefix() {
  return z.string().check((context) => {
    const { value } = context;
    const fault = findPatternFault(value) ?? (/[:*]/.test(value) ? HAS_PARAMETERS : undefined);
    if (fault !== undefined) context.issues.push({ code: 'custom', message: fault, input: value });
  });
}

const HAS_PARAMETERS = 'has parameters — write the first segments alone, such as /v1';
