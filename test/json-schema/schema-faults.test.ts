import { describe, expect, test } from 'vitest';
import { compileSchema } from '../../src/json-schema/compile-schema.ts';
import { KnownMembers } from '../../src/json-schema/known-members.ts';
import { findSchemaFaults } from '../../src/json-schema/schema-faults.ts';

const places = (schema: unknown) => findSchemaFaults(schema).faults.map(({ path }) => path.join('/'));

describe('what is refused before it judges anything', () => {
  test.each([
    [{ properties: { a: { type: 'strin' } } }, 'properties/a/type'],
    [{ minLength: 'x' }, 'minLength'],
    [{ properties: { a: { $ref: '#/$defs/x' } } }, 'properties/a/$ref'],
    [{ $ref: '#nowhere' }, '$ref'],
    [{ $ref: 'https://example.com/other.json' }, '$ref'],
    [{ $ref: 'other.json#/a' }, '$ref'],
    [{ items: { pattern: '(a+)+$' } }, 'items/pattern'],
    [{ patternProperties: { '(a*)*b': {} } }, 'patternProperties/(a*)*b'],
    [{ pattern: '(' }, 'pattern'],
    [{ $schema: 'http://example.com/dialect' }, '$schema'],
    [{ $schema: 'http://json-schema.org/draft-07/schema#', items: { type: 1 } }, 'items/type'],
    [{ $ref: '#' }, ''],
    [{ allOf: [{ $ref: '#/$defs/a' }], $defs: { a: { not: { $ref: '#/$defs/a' } } } }, ''],
  ])('%j, at %s', (schema, place) => {
    expect(places(schema)[0]).toBe(place);
  });

  test.each([
    [true],
    [{ properties: { child: { $ref: '#' } } }],
    [{ $ref: '#/$defs/a', $defs: { a: { items: { $ref: '#/$defs/a' } } } }],
    [{ $ref: '#word', $defs: { a: { $anchor: 'word' } } }],
    [{ $id: 'https://example.com/a/', $ref: 'b', $defs: { b: { $id: 'b', type: 'string' } } }],
    [{ $ref: 'https://json-schema.org/draft/2020-12/schema' }],
    [{ $schema: 'http://json-schema.org/draft-07/schema#', definitions: { a: {} }, $ref: '#/definitions/a' }],
    [
      {
        $schema: 'http://json-schema.org/draft-07/schema#',
        definitions: { a: { $id: 'b', $ref: '#/definitions/c' }, c: true },
      },
    ],
    [
      {
        $schema: 'https://json-schema.org/draft/2019-09/schema',
        $id: 'urn:uuid:1',
        $ref: 'urn:uuid:1#/$defs/a',
        $defs: { a: true },
      },
    ],
    [{ const: { $ref: 'not a reference' }, enum: [{ pattern: '(' }], default: { $ref: '#/x' } }],
  ])('and not %j', (schema) => {
    expect(findSchemaFaults(schema)).toMatchObject({ faults: [] });
  });

  test('a pattern of a higher power is named, and taken', () => {
    const { faults, doubts } = findSchemaFaults({ pattern: '[a-z]+$' });
    expect(faults).toEqual([]);
    expect(doubts[0]?.text).toContain('1024 characters');
  });
});

describe('what a compiled schema says', () => {
  test('names places and keywords, and no values', () => {
    const { findErrors } = compileSchema({
      type: 'object',
      required: ['id', 'name'],
      properties: { id: { type: 'integer' }, tags: { items: { enum: ['a'] } }, 'a/b': { maxLength: 2 } },
      additionalProperties: false,
    });
    const errors = findErrors({ id: 'hunter2', tags: ['a', 'hunter2'], 'a/b': 'hunter2', more: 'hunter2' });
    expect(errors.map(({ pointer }) => pointer).sort()).toEqual([
      '/a~1b',
      '/id',
      '/more',
      '/name',
      '/tags/1',
    ]);
    expect(JSON.stringify(errors)).not.toContain('hunter2');
  });

  test.each(['toString', 'constructor', '__proto__', 'hasOwnProperty', 'valueOf'])(
    'knows %s as a name like any other',
    (name) => {
      const withOwn = (value: unknown) => JSON.parse(`{${JSON.stringify(name)}:${JSON.stringify(value)}}`);
      const properties = JSON.parse(`{${JSON.stringify(name)}:{"type":"integer"}}`);
      const optional = compileSchema({ properties });
      expect([optional.accepts({}), optional.accepts(withOwn(1)), optional.accepts(withOwn('x'))]).toEqual([
        true,
        true,
        false,
      ]);
      const required = compileSchema({ required: [name] });
      expect([required.accepts({}), required.accepts(withOwn(1))]).toEqual([false, true]);
    },
  );
});

test('up to draft 7 nothing beside $ref counts', () => {
  const of = ($schema: string) =>
    compileSchema({
      $schema,
      definitions: { list: { type: 'array' } },
      properties: { a: { $ref: '#/definitions/list', maxItems: 1 } },
    });
  expect(of('http://json-schema.org/draft-07/schema#').accepts({ a: [1, 2] })).toBe(true);
  expect(of('http://json-schema.org/draft-07/schema#').accepts({ a: 1 })).toBe(false);
  expect(of('https://json-schema.org/draft/2020-12/schema').accepts({ a: [1, 2] })).toBe(false);
});

describe('the members that a schema names', () => {
  const unknownOf = (schema: object, value: unknown) =>
    new KnownMembers(schema as never).findUnknown(value).map((path) => path.join('/'));

  test.each([
    [{ properties: { a: {} } }, { a: 1, b: 2 }, ['b']],
    [{ type: 'object' }, { a: 1 }, []],
    [{ properties: { a: {} }, additionalProperties: true }, { a: 1, b: 2 }, []],
    [
      { properties: { a: {} }, additionalProperties: { properties: { c: {} } } },
      { b: { c: 1, d: 2 } },
      ['b/d'],
    ],
    [{ properties: { a: {} }, patternProperties: { '^x-': {} } }, { a: 1, 'x-b': 2, y: 1 }, ['y']],
    [{ allOf: [{ properties: { a: {} } }, { properties: { b: {} } }] }, { a: 1, b: 2, c: 3 }, ['c']],
    [
      { oneOf: [{ properties: { a: {} } }, { $ref: '#/$defs/b' }], $defs: { b: { properties: { b: {} } } } },
      { b: 2, c: 3 },
      ['c'],
    ],
    [{ items: { properties: { a: {} } } }, [{ a: 1 }, { b: 1 }], ['1/b']],
    [{ properties: { child: { $ref: '#' } } }, { child: { child: { x: 1 } } }, ['child/child/x']],
    [{ additionalProperties: false }, { a: 1 }, ['a']],
    [{ not: { properties: { a: {} } }, properties: { b: {} } }, { a: 1 }, ['a']],
  ])('%j of %j leave %j', (schema, value, unknown) => {
    expect(unknownOf(schema, value)).toEqual(unknown);
  });
});
