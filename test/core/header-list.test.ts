import { describe, expect, it, test } from 'vitest';
import { FieldKind, fieldKindOf } from '../../src/core/field-kind.ts';
import { compactHeaders } from '../../src/core/fields/compact-headers.ts';
import { HeaderList } from '../../src/core/header-list.ts';
import { NameSet } from '../../src/core/identity/name-set.ts';
import { fc } from '../support/fast-check.ts';
import { receivedHeaders } from './stub-exchange.ts';

type Fields = (readonly [string, string])[];

const name = fc.constantFrom('Accept', 'accept', 'X-A', 'x-a', 'x-b', 'Host', 'x-auth-user', 'Via', 'X_A');
const value = fc.constantFrom('1', '2', '', 'a b');
const fields = fc.array(fc.tuple(name, value), { maxLength: 6 });
const command = fc.oneof(
  fc.record({ does: fc.constant('delete' as const), name, value }),
  fc.record({ does: fc.constant('set' as const), name, value }),
  fc.record({ does: fc.constant('append' as const), name, value }),
  fc.record({ does: fc.constant('deleteAll' as const), name, value }),
);

test('does as a plain list of pairs does, whatever was received and is done to it', () => {
  fc.assert(
    fc.property(fields, fc.array(command, { maxLength: 8 }), (received, commands) => {
      const list = receivedHeaders(received);
      let model: Fields = received;
      for (const { does, name, value } of commands) {
        if (does === 'append') list.append(name, value);
        else if (does === 'deleteAll') list.deleteAll(new NameSet([name, 'Via']));
        else if (does === 'set') list.set(name, value);
        else list.delete(name);
        model = applyTo(model, does, name, value);
      }
      expect([...list]).toEqual(model);
      expect(list.toLines()).toBe(model.map(([name, value]) => `${name}: ${value}\r\n`).join(''));
      for (const each of ['accept', 'X-A', 'host', 'X-Auth-User']) {
        const values = model.filter(([name]) => isSame(name, each)).map(([, value]) => value);
        expect(list.getAll(each)).toEqual(values);
        expect(list.get(each)).toBe(values.length === 0 ? undefined : values.join(', '));
      }
    }),
  );
});

test('a copy is independent', () => {
  const list = receivedHeaders([['a', '1']]);
  list.append('b', '2');
  const copy = list.clone();
  copy.delete('a');
  copy.set('b', '3');
  expect(list.toLines()).toBe('a: 1\r\nb: 2\r\n');
  expect(copy.toLines()).toBe('b: 3\r\n');
});

describe('refuses what HTTP forbids', () => {
  test.each([
    ['', 'x'],
    ['a b', 'x'],
    ['a:', 'x'],
    ['a\r\nb', 'x'],
    ['a', 'x\r\nb: c'],
    ['a', 'x\0'],
    ['a', 'x\n'],
    ['a', '\u0100'],
  ])('%j: %j', (name, value) => {
    expect(() => HeaderList.from([[name, value]])).toThrow(TypeError);
    expect(() => HeaderList.from().set(name, value)).toThrow(TypeError);
  });
});

describe('kinds of fields', () => {
  test.each([
    ['Host', FieldKind.host],
    ['CONTENT-LENGTH', FieldKind.contentLength],
    ['content_length', FieldKind.contentLength],
    ['X-Auth-User', FieldKind.xAuth],
    ['x_auth_user', FieldKind.xAuth],
    ['X-Auth', FieldKind.other],
    ['Access-Control-Allow-Origin', FieldKind.accessControl],
    ['access-control', FieldKind.other],
    ['x-request-ids', FieldKind.other],
    ['', FieldKind.other],
  ])('%s', (name, kind) => expect(fieldKindOf(name)).toBe(kind));
});

function applyTo(model: Fields, does: string, name: string, value: string): Fields {
  if (does === 'append') return [...model, [name, value]];
  const gone = does === 'deleteAll' ? [name, 'via'] : [name];
  const kept = model.filter(([each]) => !gone.some((other) => isSame(each, other)));
  return does === 'set' ? [...kept, [name, value]] : kept;
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

describe('conditions of a request', () => {
  it('are known to be absent without a look at any field', () => {
    const conditions = 1 << FieldKind.condition;
    expect(HeaderList.from({ accept: '*/*', 'x-range': '1' }).mayHaveKinds(conditions)).toBe(false);
    for (const name of [
      'If-Match',
      'if-none-match',
      'If-Modified-Since',
      'if-unmodified-since',
      'If-Range',
      'RANGE',
    ])
      expect(HeaderList.from({ [name]: '1' }).mayHaveKinds(conditions), name).toBe(true);
  });

  it('are told apart by name, though they are of one kind', () => {
    const headers = HeaderList.from({ Range: 'bytes=0-1', 'If-Range': '"a"' });
    expect([headers.get('range'), headers.get('if-range'), headers.get('if-match')]).toEqual([
      'bytes=0-1',
      '"a"',
      undefined,
    ]);
    headers.delete('range');
    expect([headers.get('range'), headers.get('if-range')]).toEqual([undefined, '"a"']);
  });
});

describe('a compact copy', () => {
  it('has the same fields in the same order, whatever was removed and added before', () => {
    const name = fc.constantFrom('Date', 'etag', 'X-A', 'x-b', 'Cache-Control', 'Via', 'Connection');
    const fields = fc.array(fc.tuple(name, fc.stringMatching(/^[!-~]{0,30}$/)), { maxLength: 8 });
    fc.assert(
      fc.property(fields, fields, name, (received, added, removed) => {
        const headers = receivedHeaders(received);
        headers.delete(removed);
        for (const [each, value] of added) headers.append(each, value);
        const copy = compactHeaders(headers);
        expect([...copy]).toEqual([...headers]);
        expect(copy.toLines()).toBe(headers.toLines());
        for (const each of ['date', 'ETAG', 'x-a', 'via']) expect(copy.get(each)).toBe(headers.get(each));
        copy.delete('via');
        expect(copy.toLines()).toBe(HeaderList.from([...headers].filter(([n]) => n !== 'Via')).toLines());
      }),
    );
  });
});
