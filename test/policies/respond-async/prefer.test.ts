import { describe, expect, it } from 'vitest';
import { readPreference } from '../../../src/policies/respond-async/prefer.ts';
import { fc } from '../../support/fast-check.ts';

describe('Prefer (RFC 7240)', () => {
  it.each([
    ['respond-async', true, undefined],
    ['Respond-Async', true, undefined],
    ['respond-async, wait=10', true, 10],
    ['wait = 5 , respond-async', true, 5],
    ['return=minimal, respond-async; a=b; c="x,y"', true, undefined],
    ['foo="a, respond-async", wait=3', false, 3],
    ['foo="a\\", respond-async"', false, undefined],
    ['respond-async=""', true, undefined],
    ['respond-async=no', false, undefined],
    ['wait=1, wait=2', false, 1],
    ['wait="7"', false, 7],
    ['wait=-1', false, undefined],
    ['wait=1.5', false, undefined],
    ['wait=99999999999999999999', false, undefined],
    ['respond-asyncx', false, undefined],
    ['respond async', false, undefined],
    ['', false, undefined],
  ])('%s', (value, respondAsync, wait) => {
    expect(readPreference(value)).toMatchObject({ respondAsync, wait });
  });

  it('names a callback by its parameter url', () => {
    const callbackOf = (value: string) => readPreference(value).callback;
    expect(callbackOf('respond-async, callback; url="https://a.example.com/x?a=1,2;b"')).toBe(
      'https://a.example.com/x?a=1,2;b',
    );
    expect(callbackOf('callback; x=1; URL=https://a.example.com, callback; url=b')).toBe(
      'https://a.example.com',
    );
    expect([callbackOf('callback'), callbackOf('url="x"'), callbackOf('')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('never fails, whatever is sent', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (value) => {
        expect(typeof readPreference(value).respondAsync).toBe('boolean');
      }),
    );
  });
});
