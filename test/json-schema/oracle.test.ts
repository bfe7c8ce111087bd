import { registerSchema, unregisterSchema, validate } from '@hyperjump/json-schema/draft-2020-12';
import { expect, test } from 'vitest';
import { compileSchema } from '../../src/json-schema/compile-schema.ts';
import { findSchemaFaults } from '../../src/json-schema/schema-faults.ts';
import type { JsonSchema } from '../../src/json-schema/schema-text.ts';
import { fc } from '../support/fast-check.ts';

const NAMES = ['a', 'b', 'toString', 'constructor', 'x-y', '0'];
const name = fc.constantFrom(...NAMES);

/** Values in which the schemas below find something. */
const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(0, 1, 1.5, -1, 2, 10, '', 'a', 'ab', 'abc', '\ud83d\udca9', true, false, null),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(name, tie('value'), { maxKeys: 3 }),
  ),
})).value;

const one = <T>(keyword: string, arbitrary: fc.Arbitrary<T>) =>
  arbitrary.map((given) => [keyword, given] as const);

/** Schemas of few keywords each, so that they often mean something together. */
const schema = fc.letrec<{ schema: JsonSchema }>((tie) => {
  const inner = tie('schema') as fc.Arbitrary<JsonSchema>;
  const small = fc.integer({ min: 0, max: 3 });
  const keyword = fc.oneof(
    one(
      'type',
      fc.constantFrom('object', 'array', 'string', 'number', 'integer', 'boolean', 'null', [
        'string',
        'object',
      ]),
    ),
    one('enum', fc.array(value, { minLength: 1, maxLength: 3 })),
    one('const', value),
    one('minimum', small),
    one('exclusiveMaximum', small),
    one('multipleOf', fc.constantFrom(1, 2, 0.5)),
    one('minLength', small),
    one('maxLength', small),
    one('pattern', fc.constantFrom('^a', 'b$', '^\\S*$', '.')),
    one('minItems', small),
    one('maxItems', small),
    one('uniqueItems', fc.boolean()),
    one('minProperties', small),
    one('maxProperties', small),
    one('required', fc.uniqueArray(name, { maxLength: 2 })),
    one('dependentRequired', fc.dictionary(name, fc.uniqueArray(name, { maxLength: 1 }), { maxKeys: 2 })),
    one('properties', fc.dictionary(name, inner, { maxKeys: 2 })),
    one('patternProperties', fc.dictionary(fc.constantFrom('^a', 'o', '-'), inner, { maxKeys: 1 })),
    one('additionalProperties', inner),
    one('unevaluatedProperties', inner),
    one('propertyNames', inner),
    one('items', inner),
    one('prefixItems', fc.array(inner, { minLength: 1, maxLength: 2 })),
    one('unevaluatedItems', inner),
    one('contains', inner),
    one('allOf', fc.array(inner, { minLength: 1, maxLength: 2 })),
    one('anyOf', fc.array(inner, { minLength: 1, maxLength: 2 })),
    one('oneOf', fc.array(inner, { minLength: 1, maxLength: 2 })),
    one('not', inner),
    one('if', inner),
    one('then', inner),
    one('else', inner),
    one('dependentSchemas', fc.dictionary(name, inner, { maxKeys: 1 })),
    one('$ref', fc.constantFrom('#/$defs/a', '#/$defs/b')),
  );
  return {
    schema: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'schema' },
      fc.boolean(),
      fc.array(keyword, { maxLength: 3 }).map((keywords) => Object.fromEntries(keywords)),
    ) as fc.Arbitrary<JsonSchema>,
  };
}).schema;

test('judges as another validator does', async () => {
  let number = 0;
  await fc.assert(
    fc.asyncProperty(
      schema,
      schema,
      schema,
      fc.array(value, { minLength: 1, maxLength: 6 }),
      async (root, a, b, values) => {
        const whole = { allOf: [root], $defs: { a, b } } as JsonSchema;
        // What refers to itself without end is refused before it judges anything.
        if (findSchemaFaults(whole).faults.length > 0) return;
        const compiled = compileSchema(whole);
        const isAboutUnevaluated = JSON.stringify(whole).includes('unevaluatedProperties');
        const uri = `https://example.com/${number++}`;
        registerSchema(whole as never, uri, 'https://json-schema.org/draft/2020-12/schema');
        try {
          for (const each of values) {
            // The compiler takes a list for an object there, and so rejects what it should not.
            if (isAboutUnevaluated && JSON.stringify(each).includes('[')) continue;
            const { valid } = await validate(uri, each as never);
            // Copied, since a validator may take the prototypes off what it judges.
            expect([compiled.accepts(structuredClone(each)), each]).toEqual([valid, each]);
            expect(compiled.findErrors(structuredClone(each)).length === 0).toBe(valid);
          }
        } finally {
          unregisterSchema(uri);
        }
      },
    ),
    { numRuns: 150 },
  );
});
