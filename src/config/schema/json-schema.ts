import { z } from 'zod';
import type { Policy } from '../../core/policy.ts';
import type { KnownKeys } from '../issue-problems.ts';
import type { ConfigPath } from '../problem.ts';
import { kept } from './kept.ts';
import { findEntryPolicies } from './policy-entry.ts';
import { gatewaySchema } from './schema.ts';

/** A JSON Schema, as far as it is read here. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

/** Makes the JSON Schema of the configuration as it is written, for editors and for the reference. */
export function gatewayJsonSchema(policies: readonly Policy[]): JsonSchema {
  return z.toJSONSchema(gatewaySchema(policies), {
    io: 'input',
    unrepresentable: 'any',
    override: completing(),
  }) as JsonSchema;
}

/** Makes the JSON Schema of one policy's options. */
export function policyJsonSchema(policy: Policy): JsonSchema {
  const { $schema: _, ...schema } = z.toJSONSchema(policy.options, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
    override: completing(),
  }) as JsonSchema;
  return schema as JsonSchema;
}

/**
 * Completes what zod makes: entries of policies, which stand within the options of a policy too, as those of `any` do, and
 * the words for what does not match a pattern.
 */
function completing(): (context: {
  zodSchema: z.core.$ZodType;
  jsonSchema: { pattern?: string | undefined };
}) => void {
  let last: { policies: readonly Policy[]; schema: JsonSchema } | undefined;
  return ({ zodSchema, jsonSchema }) => {
    if (jsonSchema.pattern !== undefined) Object.assign(jsonSchema, wordsForPattern(zodSchema));
    const policies = findEntryPolicies(zodSchema);
    if (policies === undefined) return;
    if (last?.policies !== policies) last = { policies, schema: policyEntryJsonSchema(policies) };
    Object.assign(jsonSchema, last.schema);
  };
}

const MATCHES_NOTHING = '\0';

/** Asks a schema what it says of a text that matches no pattern of ours, so that editors say what `check` says. */
function wordsForPattern(schema: z.core.$ZodType): { readonly patternErrorMessage?: string } {
  const message = z.safeParse(schema, MATCHES_NOTHING).error?.issues[0]?.message ?? '';
  return message.includes(' — ') ? { patternErrorMessage: message } : {};
}

const jsonSchemaFor = kept(gatewayJsonSchema);

/** Finds the keys that may stand at a place. The schema is made at the first question. */
export function knownKeysOf(policies: readonly Policy[]): KnownKeys {
  return (path) => {
    const schemas = schemasAt(jsonSchemaFor(policies), path);
    return [...new Set(schemas.flatMap(({ properties }) => Object.keys(properties ?? {})))];
  };
}

function schemasAt(root: JsonSchema, path: ConfigPath): JsonSchema[] {
  let found = membersOf(root);
  for (const key of path) {
    found = found.flatMap((schema) => {
      const next =
        typeof key === 'number'
          ? schema.items
          : (schema.properties?.[String(key)] ?? schema.additionalProperties);
      return typeof next === 'object' ? membersOf(next) : [];
    });
  }
  return found;
}

function membersOf(schema: JsonSchema): JsonSchema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(membersOf);
}

function policyEntryJsonSchema(policies: readonly Policy[]): JsonSchema {
  const ofOwn = { type: 'object', additionalProperties: true };
  const alone = policies.filter(hasNoRequiredOption);
  return {
    anyOf: [
      { enum: alone.map(({ name }) => name), enumDescriptions: alone.map(({ summary }) => summary) },
      {
        type: 'object',
        properties: Object.fromEntries(policies.map((policy) => [policy.name, withReservedKeys(policy)])),
        patternProperties: { '/': ofOwn },
        additionalProperties: false,
        minProperties: 1,
        maxProperties: 1,
      },
      { type: 'string', pattern: '/' },
    ],
  };
}

function hasNoRequiredOption(policy: Policy): boolean {
  const { type, required = [] } = policyJsonSchema(policy);
  return type !== 'array' && required.length === 0;
}

function withReservedKeys(policy: Policy): JsonSchema {
  const schema = policyJsonSchema(policy);
  if (schema.type === 'array') return { description: policy.summary, ...schema };
  const observe = {
    type: 'boolean',
    default: false,
    description: 'Decides, logs and counts, but lets pass.',
  };
  const observing = policy.access === 'none' ? 'observe' : 'dangerouslyObserve';
  return {
    description: policy.summary,
    ...schema,
    properties: {
      ...schema.properties,
      id: { type: 'string', description: 'Name of this use, in logs and metrics.' },
      ...(policy.refuses ? { [observing]: observe } : {}),
    },
  };
}
