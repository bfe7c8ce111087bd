import { describe, expect, it } from 'vitest';
import { compileQueryRule, joinParts } from '../../src/cache/cache-key.ts';
import { writeCacheStatus } from '../../src/cache/cache-status.ts';
import { invalidatedBy } from '../../src/cache/invalidation.ts';
import { tagsOf } from '../../src/cache/tags.ts';
import { variantKeyOf, varyOf } from '../../src/cache/vary.ts';
import { fc } from '../support/fast-check.ts';
import { type Fields, headersOf } from './cached-response.ts';

const part = fc.option(fc.string({ unit: fc.constantFrom('a', ':', '-', '1', '0', ',', '|') }), {
  nil: undefined,
});

describe('the parts of a key', () => {
  it('give one text only for the same parts', () => {
    fc.assert(
      fc.property(fc.array(part), fc.array(part), (one, other) => {
        const isSame = one.length === other.length && one.every((item, i) => item === other[i]);
        expect(joinParts(one) === joinParts(other)).toBe(isSame);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the query in a key', () => {
  const keep = (rule: Partial<Parameters<typeof compileQueryRule>[0]>, query: string) =>
    compileQueryRule({ only: undefined, ignore: [], sort: false, ...rule })?.(query) ?? query;

  it.each([
    [{ ignore: ['utm_*'] }, 'a=1&utm_source=x&b=2&utm=3', 'a=1&b=2&utm=3'],
    [{ ignore: ['utm_*'] }, '%75tm_source=x&a=1', 'a=1'],
    [{ ignore: ['utm_*'] }, 'utm_content=x;callback=evil&a=1', 'a=1'],
    [{ only: ['page'] }, 'page=2&evil=1&page=3', 'page=2&page=3'],
    [{ only: [] }, 'a=1', ''],
    [{ sort: true }, 'b=2&a=2&a=1', 'a=2&a=1&b=2'],
    [{ ignore: ['x'] }, '', ''],
    [{ ignore: ['%'] }, '%=1&a=2', 'a=2'],
    [{}, 'b=2&a=1', 'b=2&a=1'],
  ])('is what the rule %j leaves of %s', (rule, query, expected) => {
    expect(keep(rule, query)).toBe(expected);
  });
});

describe('Vary', () => {
  it.each<[Fields, '*' | string[]]>([
    [{}, []],
    [{ vary: 'Accept, accept-LANGUAGE' }, ['accept', 'accept-language']],
    [{ vary: ['b', 'a, b'] }, ['a', 'b']],
    [{ vary: 'a, *' }, '*'],
    [{ vary: 'a b' }, '*'],
    [{ vary: 'X-Auth-Roles' }, '*'],
    [{ vary: Array.from({ length: 17 }, (_, i) => `x-${i}`).join() }, '*'],
  ])('is read: %j', (fields, expected) => {
    expect(varyOf(headersOf(fields))).toEqual(expected);
  });

  it.each<[Fields, Fields, boolean]>([
    [{ foo: '1,2' }, { foo: ' 1, 2 ' }, true],
    [{ foo: '1, 2' }, { foo: ['1', '2'] }, true],
    [{ foo: '1' }, {}, false],
    [{ foo: '' }, {}, false],
    [{ foo: '1', bar: '2' }, { foo: '2', bar: '1' }, false],
    [{ FOO: '1', other: '1' }, { foo: '1', other: '2' }, true],
  ])('selects by the values of its fields: %j and %j: %s', (one, other, isSame) => {
    const key = (fields: Fields) => variantKeyOf(['bar', 'foo'], headersOf(fields));
    expect(key(one) === key(other)).toBe(isSame);
  });
});

describe('what an answer invalidates', () => {
  const answer = (status: number, fields: Fields = {}) => ({ status, headers: headersOf(fields) });

  it.each<[string, number, Fields, string[]]>([
    ['POST', 201, {}, ['/a?b']],
    ['PUT', 302, {}, ['/a?b']],
    ['M-SEARCH', 200, {}, ['/a?b']],
    ['POST', 200, { location: '/c', 'content-location': 'd?e' }, ['/a?b', '/c', '/d?e']],
    ['POST', 200, { location: 'http://shop.example:80/c#x' }, ['/a?b', '/c']],
    [
      'POST',
      200,
      { location: 'http://other.example/c', 'content-location': 'https://shop.example/d' },
      ['/a?b'],
    ],
    ['POST', 200, { location: 'http://' }, ['/a?b']],
    ['POST', 400, {}, []],
    ['POST', 500, {}, []],
    ['GET', 200, { location: '/c' }, []],
    ['QUERY', 200, {}, []],
  ])('of %s with %i and %j', (method, status, fields, expected) => {
    expect(invalidatedBy(method, '/a?b', 'http://shop.example', answer(status, fields))).toEqual(expected);
  });
});

describe('the tags of a response', () => {
  it('are whole, each once, of all three fields', () => {
    const fields = {
      'cache-tag': 'orders, Order-7,,orders',
      'surrogate-key': 'a  b a',
      'cache-groups': '"g 1", "g2";x=1, 7',
    };
    expect(tagsOf(headersOf(fields))).toEqual(['orders', 'Order-7', 'a', 'b', 'g 1', 'g2']);
  });

  it('are bounded in number and length', () => {
    const many = Array.from({ length: 500 }, (_, i) => `t${i}`).join();
    expect(tagsOf(headersOf({ 'cache-tag': `${'x'.repeat(300)},${many}` }))).toHaveLength(128);
  });
});

describe('Cache-Status', () => {
  it.each([
    [{ kind: 'hit', ttlSeconds: 12 } as const, 'sallyport; hit; ttl=12'],
    [{ kind: 'hit', ttlSeconds: -3 } as const, 'sallyport; hit; ttl=-3'],
    [
      { kind: 'forward', reason: 'stale', status: 304, isStored: true } as const,
      'sallyport; fwd=stale; fwd-status=304; stored',
    ],
    [
      { kind: 'forward', reason: 'uri-miss', isCollapsed: true } as const,
      'sallyport; fwd=uri-miss; collapsed',
    ],
  ])('says what was done: %j', (verdict, expected) => {
    expect(writeCacheStatus(verdict)).toBe(expected);
  });
});
