import { describe, expect, it } from 'vitest';
import { type Directives, NO_DIRECTIVES, parseDirectives } from '../../src/cache/directives.ts';
import { fc } from '../support/fast-check.ts';

const said = (text: string): Partial<Directives> =>
  Object.fromEntries(
    Object.entries(parseDirectives(text)).filter(
      ([key, value]) => value !== NO_DIRECTIVES[key as keyof Directives],
    ),
  );

describe('Cache-Control', () => {
  it.each<[string, Partial<Directives>]>([
    ['', {}],
    ['max-age=3600', { maxAge: 3600 }],
    ['MaX-aGe=3600', { maxAge: 3600 }],
    ['max-age="3600"', { maxAge: 3600 }],
    ['max-age=003600', { maxAge: 3600 }],
    ['max-age=99999999999', { maxAge: 2_147_483_648 }],
    [' , max-age=1 ,, public, ', { maxAge: 1, public: true }],
    ['public, s-maxage=5, stale-while-revalidate=7', { public: true, sMaxage: 5, staleWhileRevalidate: 7 }],
    ['stale-if-error=9', { staleIfError: 9 }],
    ['No-StOrE', { noStore: true }],
    ['no-store=1', { noStore: true }],
    ['no-cache, private', { noCache: true, private: true }],
    [
      'must-revalidate, proxy-revalidate, must-understand',
      {
        mustRevalidate: true,
        proxyRevalidate: true,
        mustUnderstand: true,
      },
    ],
    [
      'only-if-cached, max-stale, min-fresh=3',
      {
        onlyIfCached: true,
        maxStale: Number.POSITIVE_INFINITY,
        minFresh: 3,
      },
    ],
    ['max-stale=4', { maxStale: 4 }],
    ['foobar, max-age=1', { maxAge: 1 }],
  ])('is read: %s', (text, expected) => {
    expect(said(text)).toEqual(expected);
  });

  it.each([
    'max-age=-100',
    'max-age=a100',
    'max-age=100a',
    "max-age='3600'",
    'max-age=3600.0',
    'max-age =3600',
    'max-age= 3600',
    'max-age=',
    'max-age',
    'max-age=1, max-age=1800',
    'max-age=1800, max-age=1',
    'max-age="3600',
  ])('with a lifetime that is none, or two, is stale at once: %s', (text) => {
    expect(parseDirectives(text).maxAge).toBe(0);
  });

  it('takes the same lifetime twice for one', () => {
    expect(said('max-age=60, max-age=60')).toEqual({ maxAge: 60 });
  });

  it.each<[string, Partial<Directives>]>([
    ['extension="max-age=3600", max-age=1', { maxAge: 1 }],
    ['max-age=1, extension="max-age=3600"', { maxAge: 1 }],
    ['extension="a, no-store", max-age=1', { maxAge: 1 }],
    ['extension="a\\", no-store", max-age=1', { maxAge: 1 }],
  ])('finds no directive in a quoted text: %s', (text, expected) => {
    expect(said(text)).toEqual(expected);
  });

  it.each<[string, Partial<Directives>]>([
    ['private="set-cookie"', { private: ['set-cookie'] }],
    ['no-cache="A, b", private="c"', { noCache: ['a', 'b'], private: ['c'] }],
    ['no-cache="a", no-cache="b"', { noCache: ['a', 'b'] }],
    ['no-cache="a", no-cache', { noCache: true }],
    ['private=""', { private: true }],
    ['private="a b"', { private: true }],
    ['private=set-cookie, x-other', { private: true }],
    ['private="set-cookie', { private: true }],
  ])(
    'knows the fields that a directive names, and takes what it cannot read for all: %s',
    (text, expected) => {
      expect(said(text)).toEqual(expected);
    },
  );

  it.each(['extension="a, no-store', 'x="private, max-age=3600', 'max-age=60, x="\\", no-cache'])(
    'believes what forbids behind a quote that does not end: %s',
    (text) => {
      expect(parseDirectives(text).noStore).toBe(true);
    },
  );

  it('can be anything without harm, and a lifetime is never negative or no number', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        const { maxAge = 0, sMaxage = 0 } = parseDirectives(`${text}, max-age=${text}`);
        expect(maxAge >= 0 && sMaxage >= 0).toBe(true);
      }),
    );
  });
});
