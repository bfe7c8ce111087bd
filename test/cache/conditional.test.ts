import { describe, expect, it } from 'vitest';
import { readRanges } from '../../src/cache/byte-ranges.ts';
import { allowsRange, isNotModified } from '../../src/cache/conditional.ts';
import { contradicts, freshenHeaders, isAboutStored } from '../../src/cache/freshen.ts';
import { writeHttpDate } from '../../src/cache/http-date.ts';
import { type Fields, headersOf, NOW } from './cached-response.ts';

const modified = NOW - 5_000_000;
const stored = (fields: Fields) => ({
  headers: headersOf({ date: writeHttpDate(NOW), ...fields }),
  responseTime: NOW,
});

describe('a conditional request', () => {
  const whole = stored({ etag: '"abc"', 'last-modified': writeHttpDate(modified) });

  it.each<[string, Fields, boolean]>([
    ['the same tag', { 'if-none-match': '"abc"' }, true],
    ['the same tag, weak', { 'if-none-match': 'W/"abc"' }, true],
    ['another tag', { 'if-none-match': '"abd"' }, false],
    ['a list with it', { 'if-none-match': '"1", "2",W/"3" , "abc"' }, true],
    ['lines with it', { 'if-none-match': ['"1"', '"abc"'] }, true],
    ['a tag that holds commas', { 'if-none-match': '"x, "abc"' }, false],
    ['any', { 'if-none-match': '*' }, true],
    ['no tag at all', { 'if-none-match': 'abc' }, false],
    [
      'a tag first, whatever the date',
      { 'if-none-match': '"x"', 'if-modified-since': writeHttpDate(NOW) },
      false,
    ],
    ['the time of change', { 'if-modified-since': writeHttpDate(modified) }, true],
    ['a later time', { 'if-modified-since': writeHttpDate(modified + 1000) }, true],
    ['an earlier time', { 'if-modified-since': writeHttpDate(modified - 1000) }, false],
    ['no time', { 'if-modified-since': 'yesterday' }, false],
    ['nothing', {}, false],
  ])('is answered 304 where what is stored is what the client has: %s', (_, fields, expected) => {
    expect(isNotModified(headersOf(fields), whole)).toBe(expected);
  });

  it('takes Date for the time of change where none is said', () => {
    const request = headersOf({ 'if-modified-since': writeHttpDate(NOW) });
    expect(isNotModified(request, stored({}))).toBe(true);
    expect(isNotModified(headersOf({ 'if-modified-since': writeHttpDate(NOW - 1000) }), stored({}))).toBe(
      false,
    );
  });
});

describe('If-Range', () => {
  const whole = stored({ etag: '"abc"', 'last-modified': writeHttpDate(modified) });

  it.each<[string, Fields, boolean]>([
    ['nothing', {}, true],
    ['the strong tag', { 'if-range': '"abc"' }, true],
    ['a weak tag', { 'if-range': 'W/"abc"' }, false],
    ['another tag', { 'if-range': '"x"' }, false],
    ['the time of change', { 'if-range': writeHttpDate(modified) }, true],
    ['another time', { 'if-range': writeHttpDate(modified + 1000) }, false],
    ['no time', { 'if-range': 'abc' }, false],
  ])('lets ranges through: %s', (_, fields, expected) => {
    expect(allowsRange(headersOf(fields), whole)).toBe(expected);
  });

  it('does not by a date that may stand for two responses of one second', () => {
    const fresh = stored({ 'last-modified': writeHttpDate(NOW) });
    expect(allowsRange(headersOf({ 'if-range': writeHttpDate(NOW) }), fresh)).toBe(false);
  });
});

describe('Range', () => {
  it.each<[string | undefined, ReturnType<typeof readRanges>]>([
    ['bytes=0-4', [{ first: 0, last: 4 }]],
    ['bytes=5-', [{ first: 5, last: 9 }]],
    ['bytes=-3', [{ first: 7, last: 9 }]],
    ['bytes=-30', [{ first: 0, last: 9 }]],
    ['bytes=2-100', [{ first: 2, last: 9 }]],
    [
      'Bytes=0-0, 9-9',
      [
        { first: 0, last: 0 },
        { first: 9, last: 9 },
      ],
    ],
    ['bytes=0-1, 50-60', [{ first: 0, last: 1 }]],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=4-2', 'whole'],
    ['bytes=-', 'whole'],
    ['bytes=a-b', 'whole'],
    ['bytes=0-1-2', 'whole'],
    ['bytes=99999999999999999-', 'whole'],
    ['lines=0-4', 'whole'],
    ['bytes=0-5, 3-9', 'whole'],
    [`bytes=${'0-0,'.repeat(1000)}1-1`, 'whole'],
    [undefined, 'whole'],
  ])('of ten bytes: %s', (text, expected) => {
    expect(readRanges(text, 10)).toEqual(expected);
  });
});

describe('a 304', () => {
  it('updates what is stored, but for what belongs to the body and the connection', () => {
    const before = headersOf({
      'Content-Type': 'text/plain',
      'Content-Length': '5',
      'Cache-Control': 'max-age=1',
      'X-A': ['1', '2'],
      'X-B': 'kept',
    });
    const update = headersOf({
      'content-type': 'text/html',
      'content-length': '0',
      'cache-control': 'max-age=60',
      'x-a': '3',
      'set-cookie': 'a=b',
      connection: 'close',
      'x-new': '4',
    });
    expect([...freshenHeaders(before, update)]).toEqual([
      ['Content-Type', 'text/plain'],
      ['Content-Length', '5'],
      ['X-B', 'kept'],
      ['cache-control', 'max-age=60'],
      ['x-a', '3'],
      ['x-new', '4'],
    ]);
  });

  it.each<[string | undefined, string | undefined, boolean]>([
    ['"a"', '"a"', true],
    ['"b"', '"a"', false],
    ['W/"a"', 'W/"a"', true],
    ['"b"', undefined, false],
    [undefined, '"a"', true],
  ])('with the tag %s speaks of what is stored with %s: %s', (said, own, expected) => {
    const tag = (etag: string | undefined) => headersOf(etag === undefined ? {} : { etag });
    expect(isAboutStored(tag(said), tag(own))).toBe(expected);
  });
});

describe('the answer to a HEAD', () => {
  it.each<[Fields, boolean]>([
    [{ etag: '"a"', 'content-length': '5' }, false],
    [{ etag: '"b"' }, true],
    [{ 'content-length': '6' }, true],
    [{}, false],
  ])('shows that what is stored has changed: %j', (fields, expected) => {
    expect(contradicts(headersOf(fields), headersOf({ etag: '"a"', 'content-length': '5' }))).toBe(expected);
  });
});
