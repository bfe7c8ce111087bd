import { describe, expect, it } from 'vitest';
import { JsonValue } from '../../src/template/json-value.ts';
import { toData, writeData } from '../../src/template/plain-json.ts';
import { readJson } from '../../src/template/read-json.ts';
import { fc } from '../support/fast-check.ts';

/** Reads a value by its parts alone. */
function read(value: JsonValue): unknown {
  if (value.kind === 'list') return value.items.map(read);
  if (value.kind === 'map')
    return Object.fromEntries([...value.members].map(([name, one]) => [name, read(one)]));
  return JSON.parse(value.json);
}

const space = fc.constantFrom('', ' ', '\n', '\t\r ');
/** Valid JSON with white space in all places. */
const json = fc
  .tuple(fc.jsonValue(), space, space)
  .map(([value, a, b]) => `${a}${JSON.stringify(value, null, b)}${b}`);

describe('a JSON value', () => {
  it('has the parts that JSON.parse finds', () => {
    fc.assert(
      fc.property(json, (text) => {
        expect(read(JsonValue.ofValid(text))).toEqual(JSON.parse(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('is written as it came', () => {
    const text = '{ "a" : [1.0, 1e400, 123456789012345678901, "\\u0041\\"]"], "a" : { } }';
    expect(JsonValue.ofValid(` ${text}\n`).json).toBe(text);
    expect(JsonValue.ofValid(text).members.get('a')?.json).toBe('{ }');
    expect(JsonValue.ofValid('[[1.0],{"x":"]"}]').items.map((item) => item.json)).toEqual([
      '[1.0]',
      '{"x":"]"}',
    ]);
  });

  it('takes bytes for JSON that JSON.parse takes, and no others', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      json.map((text) => Buffer.from(text)),
      fc
        .array(fc.constantFrom(...'[]{}",:0123.eE-+truefalsn \\u'), { maxLength: 12 })
        .map((all) => Buffer.from(all.join(''))),
    );
    fc.assert(
      fc.property(bytes, (given) => {
        const value = readJson(given, 100);
        let parsed: unknown;
        try {
          parsed = { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(given)) };
        } catch {
          parsed = undefined;
        }
        expect(typeof value === 'string' ? undefined : { value: read(value) }).toEqual(parsed);
      }),
      { numRuns: 3000 },
    );
  });

  it('is refused where it is nested deeper than allowed, brackets in texts not counted', () => {
    expect(readJson(Buffer.from('[[1]]'), 1)).toBe('too-deep');
    expect(readJson(Buffer.from('["[[[["]'), 1)).toBeInstanceOf(JsonValue);
    expect(readJson(Buffer.from(`${'['.repeat(200_000)}${']'.repeat(200_000)}`), 64)).toBe('too-deep');
    expect(readJson(Buffer.from([0x22, 0xff, 0x22]), 1)).toBe('not-utf8');
  });
});

describe('data for code', () => {
  it('is written back byte for byte where code gives it back whole', () => {
    const data = toData(JsonValue.ofValid('{ "n": 1.0, "big": 12345678901234567890, "l": [1.10] }')) as {
      n: number;
      big: bigint;
      l: number[];
    };
    expect(writeData({ data, l: data.l, big: data.big, n: data.n })).toBe(
      '{"data":{ "n": 1.0, "big": 12345678901234567890, "l": [1.10] },"l":[1.10],"big":12345678901234567890,"n":1}',
    );
    expect(() => data.l.push(2)).toThrow(TypeError);
  });

  it('has no prototype that JSON could set', () => {
    const data = toData(JsonValue.ofValid('{"__proto__":{"admin":true}}')) as { admin?: boolean };
    expect(data.admin).toBeUndefined();
    expect(writeData({ ...data })).toBe('{"__proto__":{"admin":true}}');
  });

  it('is written as JSON.stringify does', () => {
    fc.assert(
      fc.property(fc.anything({ withDate: true, maxDepth: 4 }), (data) => {
        const expected = JSON.stringify(data);
        if (expected === undefined) expect(() => writeData(data)).toThrow(TypeError);
        else expect(writeData(data)).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it('is refused where it contains itself, or is nothing', () => {
    const loop: { self?: unknown } = {};
    loop.self = loop;
    expect(() => writeData(loop)).toThrow('contains itself');
    expect(() => writeData(undefined)).toThrow(TypeError);
  });
});
