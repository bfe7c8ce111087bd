import { describe, expect, test } from 'vitest';
import {
  type BareItem,
  type InnerList,
  type Item,
  parseDictionary,
  writeInnerList,
  writeItem,
} from '../../src/core/fields/structured-fields.ts';
import { fc } from '../support/fast-check.ts';

const letters = (alphabet: string) => fc.constantFrom(...alphabet);
const key = fc
  .tuple(letters('abcxyz*'), fc.string({ unit: letters('abc019_-.*'), maxLength: 6 }))
  .map(([first, rest]) => first + rest);
const bareItem: fc.Arbitrary<BareItem> = fc.oneof(
  fc.string({ unit: letters(' !"\\#09AZaz~,;=()') }).map((text): BareItem => ({ kind: 'string', text })),
  fc.integer({ min: -1e9, max: 1e9 }).map((value): BareItem => ({ kind: 'integer', value })),
  fc.boolean().map((value): BareItem => ({ kind: 'boolean', value })),
  fc.uint8Array({ maxLength: 9 }).map((bytes): BareItem => ({ kind: 'bytes', bytes: Buffer.from(bytes) })),
  fc.constantFrom('*', 'a', 'text/html', 'A:b').map((text): BareItem => ({ kind: 'token', text })),
  fc.constantFrom('1.0', '-12.125', '0.5').map((text): BareItem => ({ kind: 'decimal', text })),
);
const parameters = fc.uniqueArray(fc.tuple(key, bareItem), { maxLength: 3, selector: ([name]) => name });
const item: fc.Arbitrary<Item> = fc
  .tuple(bareItem, parameters)
  .map(([value, own]) => ({ kind: 'item', value, parameters: new Map(own) }));
const list: fc.Arbitrary<InnerList> = fc
  .tuple(fc.array(item, { maxLength: 4 }), parameters)
  .map(([items, own]) => ({ kind: 'list', items, parameters: new Map(own) }));
const members = fc.uniqueArray(fc.tuple(key, fc.oneof(item, list)), { selector: ([name]) => name });

const write = (member: Item | InnerList): string =>
  member.kind === 'list' ? writeInnerList(member) : writeItem(member);

describe('a dictionary', () => {
  test('that is written is read as what it was', () => {
    fc.assert(
      fc.property(
        members,
        letters(' \t').map((space) => `,${space}`),
        (entries, comma) => {
          const text = entries.map(([name, member]) => `${name}=${write(member)}`).join(comma);
          expect(parseDictionary(text)).toEqual(new Map(entries));
        },
      ),
    );
  });

  test('that is read is written as it was, or in a shorter way', () => {
    fc.assert(
      fc.property(fc.string({ unit: letters('a=("1 ;:?,\\.)-*\t\u00e9'), maxLength: 30 }), (text) => {
        const read = parseDictionary(text);
        if (read === undefined) return;
        const again = Array.from(read, ([name, member]) => `${name}=${write(member)}`).join(', ');
        expect(parseDictionary(again)).toEqual(read);
      }),
      { numRuns: 5000 },
    );
  });

  test.each([
    ['', 0],
    ['a', 1],
    ['a, b;x;y=1', 2],
    ['a=1,\tb=(1  2 )', 2],
    ['  a=1  ', 1],
    ['a=();created=1', 1],
  ])('may be %j', (text, size) => {
    expect(parseDictionary(text)?.size).toBe(size);
  });

  test.each([
    'a=1,',
    ',a',
    'a=1 b=2',
    'a=1,,b=2',
    'a=1, a=2',
    'a=1;x;x',
    'A=1',
    '1=a',
    'a=',
    'a="',
    'a="\\a"',
    'a="\u00e9"',
    'a="\n"',
    'a=(1',
    'a=(1\t2)',
    'a=("b""c")',
    'a=((1))',
    'a=:a:',
    'a=:aaaa',
    'a=:aa aa:',
    'a=1.',
    'a=1.2345',
    'a=1234567890123456',
    'a=--1',
    'a=?2',
    'a=@1',
    'a;',
    'a=1;X',
    'a\t',
  ])('is not %j', (text) => {
    expect(parseDictionary(text)).toBeUndefined();
  });
});
