import { expect, it } from 'vitest';
import { parseStrictObject } from '../../src/auth/strict-json.ts';
import { fc } from '../support/fast-check.ts';

const parse = (text: string) => parseStrictObject(Buffer.from(text));

it('reads every object that JSON can write', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue()),
      fc.integer({ min: 0, max: 3 }),
      (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        const exactly = (_: string, item: unknown) =>
          Number.isInteger(item) && !Number.isSafeInteger(item) ? Number.NaN : item;
        expect(parse(text)).toEqual(JSON.parse(text, exactly));
      },
    ),
  );
});

it('reads no object with a name twice, wherever and however it is written', () => {
  const depth = fc.array(fc.constantFrom('[', '{"x":'), { maxLength: 5 });
  const spelling = fc.constantFrom('"ab"', '"\\u0061b"', '"a\\u0062"', '"\\u0061\\u0062"');
  fc.assert(
    fc.property(fc.jsonValue(), depth, spelling, spelling, (value, openings, first, second) => {
      const inner = `{${first} : ${JSON.stringify(value)}, ${second}\n:1}`;
      const whole = openings.reduceRight((text, open) => `${open}${text}${open === '[' ? ']' : '}'}`, inner);
      expect(parse(`{"outer":${whole}}`)).toBeUndefined();
    }),
  );
});

it.each(['', '[]', 'null', '1', '"a"', '{', '{"a":1}x', '{"a":1,}', "{'a':1}", '\ufeff{}', '{"a":1}{"a":2}'])(
  'reads nothing of %j',
  (text) => {
    expect(parse(text)).toBeUndefined();
  },
);

it('takes values for no names', () => {
  expect(parse('{"a":"b","b":"a","c":["a","a"],"d":{"a":"\\"a\\":1"}}')).toBeDefined();
});

it('reads nothing that is not UTF-8', () => {
  expect(parseStrictObject(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBeUndefined();
});
