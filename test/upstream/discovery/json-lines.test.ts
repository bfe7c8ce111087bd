import { describe, expect, it } from 'vitest';
import { readJsonLines } from '../../../src/upstream/discovery/json-lines.ts';
import { fc } from '../../support/fast-check.ts';

function read(chunks: readonly Buffer[]): unknown[] {
  const values: unknown[] = [];
  const take = readJsonLines((value) => values.push(value));
  for (const chunk of chunks) take(chunk);
  return values;
}

const toBytes = (values: readonly unknown[], ending = '\n'): Buffer =>
  Buffer.from(values.map((value) => `${JSON.stringify(value)}${ending}`).join(''));

describe('lines of JSON', () => {
  it('are the same wherever the stream is cut in two', () => {
    const values = [{ type: 'ADDED', object: { name: 'größe 雪 🚀' } }, { type: 'BOOKMARK' }, 7];
    const bytes = toBytes(values);
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(read([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(values);
    }
  });

  it('are the same for any values and any pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.array(fc.nat()), (values, cuts) => {
        const bytes = toBytes(values);
        const places = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
        const starts = [0, ...places];
        const chunks = starts.map((start, i) => bytes.subarray(start, starts[i + 1] ?? bytes.length));
        expect(read(chunks)).toEqual(JSON.parse(JSON.stringify(values)));
      }),
    );
  });

  it('may end with a carriage return and have empty lines between them', () => {
    expect(read([Buffer.concat([Buffer.from('\n'), toBytes([1, 2], '\r\n\n')])])).toEqual([1, 2]);
  });

  it('leave out a last line that never ended', () => {
    expect(read([toBytes([1]), Buffer.from('{"type":"ADD')])).toEqual([1]);
  });

  it('throw when one is not JSON', () => {
    expect(() => read([Buffer.from('<html>\n')])).toThrow(SyntaxError);
  });

  it('throw when one does not end, instead of filling memory', () => {
    const mebibyte = Buffer.alloc(1024 * 1024, 0x20);
    expect(() => read(new Array(17).fill(mebibyte))).toThrow('too long');
  });
});
