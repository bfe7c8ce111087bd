import { z } from 'zod';
import type { Policy } from '../../core/policy.ts';
import type { KnownKeys } from '../issue-problems.ts';
import type { ConfigPath } from '../problem.ts';
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

const REFERENCE: JsonSchema = { type: 'string', pattern: '\\$\\{' };

/** Makes the JSON Schema of the configuration as it is written, for editors and for the reference. */
export function gatewayJsonSchema(policies: readonly Policy[]): JsonSchema {
  return z.toJSONSchema(gatewaySchema(policies), {
    io: 'input',
    unrepresentable: 'any',
    override: spellOutEntries(),
  }) as JsonSchema;
}

/** Makes the JSON Schema of one policy's options. */
export function policyJsonSchema(policy: Policy): JsonSchema {
  const { $schema: _, ...schema } = z.toJSONSchema(policy.options, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
    override: spellOutEntries(),
  }) as JsonSchema;
  return schema as JsonSchema;
}

/** Entries of policies stand within the options of a policy too, as those of `any` do. */
function spellOutEntries(): (context: { zodSchema: object; jsonSchema: object }) => void {
  let last: { policies: readonly Policy[]; schema: JsonSchema } | undefined;
  return ({ zodSchema, jsonSchema }) => {
    const policies = findEntryPolicies(zodSchema);
    if (policies === undefined) return;
    if (last?.policies !== policies) last = { policies, schema: policyEntryJsonSchema(policies) };
    Object.assign(jsonSchema, last.schema);
  };
}

/** Lets a reference such as `${PORT}` stand for every value that is not free text anyway, as the loader does. */
export function acceptReferences(schema: JsonSchema): JsonSchema {
  const { properties, additionalProperties, items, anyOf, ...rest } = schema;
  const inside: Record<string, unknown> = { ...rest };
  if (properties !== undefined) {
    const accepting = Object.entries(properties).map(([key, inner]) => [key, acceptReferences(inner)]);
    inside.properties = Object.fromEntries(accepting);
  }
  if (items !== undefined) inside.items = acceptReferences(items);
  if (anyOf !== undefined) inside.anyOf = anyOf.map(acceptReferences);
  if (additionalProperties !== undefined) {
    inside.additionalProperties =
      typeof additionalProperties === 'object'
        ? acceptReferences(additionalProperties)
        : additionalProperties;
  }
  return isStrict(schema) ? { anyOf: [inside, REFERENCE] } : inside;
}

function isStrict({ type, pattern, enum: choices, const: only }: JsonSchema): boolean {
  if (type === 'string') return pattern !== undefined || choices !== undefined;
  return ['integer', 'number', 'boolean'].includes(type ?? '') || choices !== undefined || only !== undefined;
}

/** Finds the keys that may stand at a place. The schema is made at the first question. */
export function knownKeysOf(policies: readonly Policy[]): KnownKeys {
  let schema: JsonSchema | undefined;
  return (path) => {
    schema ??= gatewayJsonSchema(policies);
    return [...new Set(schemasAt(schema, path).flatMap(({ properties }) => Object.keys(properties ?? {})))];
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
  return {
    anyOf: [
      { enum: policies.filter(hasNoRequiredOption).map(({ name }) => name) },
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
  return (policyJsonSchema(policy).required ?? []).length === 0;
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
