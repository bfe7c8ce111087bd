import { describe, expect, it } from 'vitest';
import { parseDirectives } from '../../src/cache/directives.ts';
import { writeHttpDate } from '../../src/cache/http-date.ts';
import { ANN, ANYBODY, type Fields, judge, NOW, rulesOf } from './cached-response.ts';

const HOUR = 3_600_000;
const inAnHour = writeHttpDate(NOW + HOUR);

describe('a response', () => {
  it.each<[string, Fields, number]>([
    ['s-maxage before max-age', { 'cache-control': 'max-age=1, s-maxage=3600' }, HOUR],
    ['max-age before Expires', { 'cache-control': 'max-age=3600', expires: '0' }, HOUR],
    ['Expires minus Date', { expires: inAnHour, date: writeHttpDate(NOW - HOUR) }, 2 * HOUR],
    ['Expires without a Date', { expires: inAnHour, date: [] }, HOUR],
    ['Expires beside a Date that is none', { expires: inAnHour, date: 'yesterday' }, HOUR],
    ['lines that are joined', { 'cache-control': ['public', 'max-age=3600'] }, HOUR],
  ])('lives by %s', (_, fields, lifetimeMs) => {
    expect(rulesOf(fields).lifetimeMs).toBe(lifetimeMs);
  });

  it.each<[string, Fields]>([
    ['nothing said', {}],
    ['no-store', { 'cache-control': 'no-store, max-age=60' }],
    ['private', { 'cache-control': 'private, max-age=60' }],
    ['private for the whole, malformed', { 'cache-control': 'private="", max-age=60' }],
    ['a lifetime of 0', { 'cache-control': 'max-age=0' }],
    ['no-cache without a validator', { 'cache-control': 'no-cache, max-age=60' }],
    ['Expires that is not a date', { expires: '0' }],
    ['two Expires', { expires: [inAnHour, writeHttpDate(NOW + 1000)] }],
    ['Vary: *', { 'cache-control': 'max-age=60', vary: 'accept, *' }],
    ['Vary on what the gateway writes', { 'cache-control': 'max-age=60', vary: 'X-Auth-Subject' }],
    ['Vary on what it forwards', { 'cache-control': 'max-age=60', vary: 'X-Forwarded-For' }],
    ['Set-Cookie', { 'cache-control': 'public, max-age=60', 'set-cookie': 'sid=1' }],
    ['an age beyond its lifetime', { 'cache-control': 'max-age=3600', age: '7200' }],
    ['only Last-Modified, by no heuristic but a validation', { pragma: 'no-cache', expires: inAnHour }],
  ])('is not stored with %s', (_, fields) => {
    expect(judge(fields).isStorable).toBe(false);
  });

  it.each([100, 101, 199, 206, 304])('of status %i is never stored', (status) => {
    expect(judge({ 'cache-control': 'max-age=60' }, { status }).isStorable).toBe(false);
  });

  it.each([200, 203, 204, 299, 301, 302, 307, 400, 404, 410, 418, 451, 500, 503, 599])(
    'of status %i is stored where it names its lifetime itself',
    (status) => {
      expect(rulesOf({ 'cache-control': 'max-age=60' }, { status }).lifetimeMs).toBe(60_000);
    },
  );

  it('of a status that is not listed is not stored', () => {
    const settings = { statuses: new Set([200]) };
    expect(judge({ 'cache-control': 'max-age=60' }, { status: 404, settings }).isStorable).toBe(false);
  });

  it('is stored for maxAge where it says nothing, but for statuses that are cacheable by default', () => {
    const settings = { maxAgeMs: 5000 };
    expect(rulesOf({}, { settings }).lifetimeMs).toBe(5000);
    expect(rulesOf({ 'cache-control': 'max-age=60' }, { settings }).lifetimeMs).toBe(60_000);
    expect(judge({}, { status: 500, settings }).isStorable).toBe(false);
    expect(judge({ 'cache-control': 'no-store' }, { settings }).isStorable).toBe(false);
  });

  it('is stored for maxAge whatever it says where that overrides, but for what forbids', () => {
    const settings = { maxAgeMs: 5000, override: true };
    expect(rulesOf({ 'cache-control': 'max-age=60' }, { settings }).lifetimeMs).toBe(5000);
    expect(rulesOf({ 'cache-control': 'no-cache, max-age=0' }, { settings })).toMatchObject({
      lifetimeMs: 5000,
      alwaysValidate: false,
    });
    for (const forbidding of ['no-store', 'private'])
      expect(judge({ 'cache-control': forbidding }, { settings }).isStorable).toBe(false);
  });

  it('lives by a tenth of its time since Last-Modified, a day at most, where that is allowed', () => {
    const fields = (ageMs: number): Fields => ({ 'last-modified': writeHttpDate(NOW - ageMs) });
    const settings = { heuristic: true };
    expect(rulesOf(fields(10 * HOUR), { settings }).lifetimeMs).toBe(HOUR);
    expect(rulesOf(fields(1000 * HOUR), { settings }).lifetimeMs).toBe(24 * HOUR);
    expect(rulesOf(fields(-HOUR), { settings }).lifetimeMs).toBe(0);
    expect(rulesOf(fields(10 * HOUR)).lifetimeMs).toBe(0);
    expect(rulesOf(fields(10 * HOUR), { status: 403, settings }).lifetimeMs).toBe(0);
    expect(
      rulesOf({ ...fields(10 * HOUR), 'cache-control': 'public' }, { status: 403, settings }).lifetimeMs,
    ).toBe(HOUR);
  });

  it('with must-understand is stored in spite of no-store where its status is known, else not', () => {
    const fields = { 'cache-control': 'must-understand, no-store, max-age=60' };
    expect(judge(fields).isStorable).toBe(true);
    expect(judge(fields, { status: 299 }).isStorable).toBe(false);
  });

  it('keeps none of the fields that private and no-cache name', () => {
    const fields = {
      'cache-control': 'max-age=60, private="Set-Cookie", no-cache="x-a"',
      'set-cookie': 'a=b',
    };
    expect(rulesOf(fields).hiddenFields).toEqual(['set-cookie', 'x-a']);
  });

  it('is not stored for a request that says no-store', () => {
    const requestTraits = { ...ANYBODY, directives: parseDirectives('no-store') };
    expect(judge({ 'cache-control': 'max-age=60' }, { requestTraits }).isStorable).toBe(false);
  });

  it('with a validator is stored though it has no lifetime', () => {
    expect(rulesOf({ etag: '"a"' }).lifetimeMs).toBe(0);
    expect(rulesOf({ 'cache-control': 'no-cache', etag: '"a"' }).alwaysValidate).toBe(true);
  });
});

describe('CDN-Cache-Control', () => {
  it.each<[string, Fields, number | undefined]>([
    ['a long one over a short max-age', { 'cache-control': 'max-age=1' }, 3600],
    ['over Cache-Control: no-store', { 'cache-control': 'no-store' }, 3600],
    ['over an Expires in the past', { expires: '0' }, 3600],
  ])('wins: %s', (_, fields, seconds) => {
    const rules = rulesOf({ ...fields, 'cdn-cache-control': `max-age=${seconds}` });
    expect(rules.lifetimeMs).toBe(HOUR);
  });

  it.each(['max-age=0', 'private', 'no-store', 'no-cache', 'max-age=1, private'])(
    'wins where it forbids: %s',
    (text) => {
      const fields = { 'cache-control': 'public, max-age=3600', expires: inAnHour };
      expect(judge({ ...fields, 'cdn-cache-control': text }).isStorable).toBe(false);
    },
  );

  it('beside Expires leaves nothing to it', () => {
    expect(judge({ 'cdn-cache-control': 'public', expires: inAnHour }).isStorable).toBe(false);
  });

  it.each(['', 'max-age=10000, &&&&&', 'max-age="10000"', 'max-age=3600.5', 'MaX-aGe=3600', 'max-age=-1'])(
    'that is not a dictionary with numbers is ignored: %s',
    (text) => {
      expect(judge({ 'cdn-cache-control': text, 'cache-control': 'no-store' }).isStorable).toBe(false);
      const rules = rulesOf({ 'cdn-cache-control': text, 'cache-control': 'max-age=60' });
      expect(rules.lifetimeMs).toBe(60_000);
    },
  );
});

describe('an answer to somebody who is known', () => {
  const settings = { maxAgeMs: 60_000, override: true };

  it.each<[string, Fields, 'everybody' | 'subject']>([
    ['max-age alone', { 'cache-control': 'max-age=60' }, 'subject'],
    ['must-revalidate', { 'cache-control': 'max-age=60, must-revalidate' }, 'subject'],
    ['nothing said', {}, 'subject'],
    ['public', { 'cache-control': 'public' }, 'everybody'],
    ['s-maxage', { 'cache-control': 's-maxage=60' }, 'everybody'],
    ['public for caches like this', { 'cdn-cache-control': 'public, max-age=60' }, 'everybody'],
    [
      'public, but not for caches like this',
      {
        'cdn-cache-control': 'max-age=60',
        'cache-control': 'public',
      },
      'subject',
    ],
  ])('belongs to that subject unless it says that it is for all: %s', (_, fields, scope) => {
    expect(rulesOf(fields, { requestTraits: ANN, settings }).scope).toBe(scope);
  });

  it('that is private is stored only where each subject has its own', () => {
    const fields = { 'cache-control': 'private, max-age=60' };
    expect(judge(fields, { requestTraits: ANN }).isStorable).toBe(false);
    expect(rulesOf(fields, { requestTraits: ANN, settings: { private: true } }).scope).toBe('subject');
    expect(judge(fields, { settings: { private: true } }).isStorable).toBe(false);
  });

  it('belongs to that subject where each has its own, also if it is public', () => {
    const judged = { requestTraits: ANN, settings: { private: true } };
    expect(rulesOf({ 'cache-control': 'public, max-age=60' }, judged).scope).toBe('subject');
  });

  it('whom nobody here knows is not stored unless it is for all', () => {
    const requestTraits = { ...ANYBODY, hasAuthorization: true };
    expect(judge({ 'cache-control': 'max-age=60' }, { requestTraits, settings }).isStorable).toBe(false);
    expect(rulesOf({ 'cache-control': 'public, max-age=60' }, { requestTraits }).scope).toBe('everybody');
  });
});

describe('a stale response', () => {
  const settings = { staleWhileRevalidateMs: 1000, staleIfErrorMs: 2000 };
  const allowed = (text: string): readonly number[] => {
    const rules = rulesOf({ 'cache-control': text, etag: '"a"' }, { settings });
    return [rules.staleWhileRevalidateMs, rules.staleIfErrorMs];
  };

  it.each<[string, readonly number[]]>([
    ['max-age=1', [1000, 2000]],
    ['max-age=1, stale-while-revalidate=7', [7000, 2000]],
    ['max-age=1, stale-if-error=0', [1000, 0]],
    ['max-age=1, must-revalidate, stale-if-error=9', [0, 0]],
    ['max-age=1, proxy-revalidate, stale-while-revalidate=9', [0, 0]],
    ['no-cache, stale-if-error=9', [0, 0]],
    ['s-maxage=1', [0, 0]],
    ['s-maxage=1, stale-while-revalidate=9', [9000, 0]],
  ])('may be used as it says, and as configured where it is silent: %s', (text, expected) => {
    expect(allowed(text)).toEqual(expected);
  });
});
