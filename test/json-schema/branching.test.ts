// biome-ignore-all lint/suspicious/noThenProperty: a keyword of JSON Schema.
import { expect, test } from 'vitest';
import { isBranchingWithoutEnd } from '../../src/json-schema/branching.ts';

const self = { $ref: '#' };

test.each([
  [{ anyOf: [{ properties: { a: self } }, { properties: { b: self } }] }],
  [
    {
      oneOf: [{ $ref: '#/$defs/and' }, { $ref: '#/$defs/or' }],
      $defs: { and: { items: self }, or: { items: self } },
    },
  ],
  [{ properties: { a: self }, allOf: [{ properties: { a: self } }] }],
  [{ if: { properties: { a: self } }, then: { properties: { a: self } } }],
])('%j could double its time with each level', (schema) => {
  expect(isBranchingWithoutEnd(schema)).toBe(true);
});

test.each([
  [true],
  [{ properties: { left: self, right: self }, items: self }],
  [{ anyOf: [{ type: 'string' }, { items: self }] }],
  [{ allOf: [{ $ref: '#/$defs/base' }], properties: { child: self }, $defs: { base: { type: 'object' } } }],
  [{ anyOf: [{ properties: { a: {} } }, { properties: { a: {} } }] }],
])('%j could not', (schema) => {
  expect(isBranchingWithoutEnd(schema)).toBe(false);
});
