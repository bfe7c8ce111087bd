import { expect, test } from 'vitest';
import { readStrictJson } from '../../src/json-schema/strict-json.ts';
import { fc } from '../support/fast-check.ts';

const options = { maxDepth: 3, allowsProto: false };
const read = (text: string | Buffer, more: object = {}) =>
  readStrictJson(Buffer.from(text as string), { ...options, ...more });

test.each([
  ['{"a":1,"a":2}', 'duplicate-key'],
  ['{"a":1,"\\u0061":2}', 'duplicate-key'],
  ['[{"a":{"b":1,"c":2,"b":3}}]', 'duplicate-key'],
  ['[[[[]]]]', 'depth'],
  ['{"a":{"b":{"c":{}}}}', 'depth'],
  ['{"__proto__":1}', 'prototype-key'],
  ['[{"constructor":{"prototype":1}}]', 'prototype-key'],
  ['1e400', 'number'],
  ['[-1e999]', 'number'],
  ['\ufeff{}', 'syntax'],
  ['{"a":1,}', 'syntax'],
  ["{'a':1}", 'syntax'],
  ['{"a":1}{"a":2}', 'syntax'],
  ['"open', 'syntax'],
  ['', 'syntax'],
  ['NaN', 'syntax'],
])('%s is refused: %s', (text, fault) => {
  expect(read(text)).toEqual({ fault });
});

test('bytes that are not UTF-8 are refused', () => {
  expect(read(Buffer.from([0x22, 0xff, 0x22]))).toEqual({ fault: 'encoding' });
  expect(read(Buffer.from('"\u00e9"', 'latin1'))).toEqual({ fault: 'encoding' });
  expect(read(Buffer.from('{"a":1}', 'utf16le'))).toEqual({ fault: 'syntax' });
});

test('a name like that of a prototype is taken where it is meant', () => {
  expect(read('{"__proto__":1}', { allowsProto: true }).fault).toBeUndefined();
  expect(read('{"constructor":1,"toString":2}').fault).toBeUndefined();
});

test('brackets, colons and quotes within texts count for nothing', () => {
  expect(read('{"a\\"b:c":"[[[[{{{{","d":"\\\\"}')).toMatchObject({
    value: { 'a"b:c': '[[[[{{{{', d: '\\' },
  });
});

test('gives what JSON.parse gives for whatever JSON there is', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      const found = read(text, { maxDepth: 100 });
      const parsed: unknown = JSON.parse(text);
      const isDoubtful = /__proto__|constructor/.test(text);
      if (found.fault === undefined) expect(found.value).toEqual(parsed);
      else expect(isDoubtful || JSON.stringify(parsed).length !== text.replace(/\s/g, '').length).toBe(true);
    }),
  );
});
