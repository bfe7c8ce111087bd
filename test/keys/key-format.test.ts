import { describe, expect, it } from 'vitest';
import { findKeyId, makeKey, newKeyId } from '../../src/keys/key-format.ts';
import { fc } from '../support/fast-check.ts';

/** As docs/guide/api-keys.md gives it to leak scanners. */
const SCANNED = /sp_[a-z0-9]{1,16}_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}/;

describe('an API key', () => {
  it('carries the id that it is found by', () => {
    const id = newKeyId();
    expect(findKeyId(makeKey('live', id))).toBe(id);
  });

  it('is one for leak scanners, wherever it stands', () => {
    for (const environment of ['live', 'a', 'production2']) {
      const key = makeKey(environment, newKeyId());
      expect(SCANNED.exec(`curl -H "x-api-key: ${key}"`)?.[0]).toBe(key);
    }
  });

  it('is never made twice', () => {
    const id = newKeyId();
    expect(new Set(Array.from({ length: 1000 }, () => makeKey('live', id))).size).toBe(1000);
  });

  it('is not one when any one letter is another', () => {
    const key = makeKey('live', newKeyId());
    fc.assert(
      fc.property(fc.nat(key.length - 1), fc.integer({ min: 0x20, max: 0xff }), (at, code) => {
        const letter = String.fromCharCode(code);
        fc.pre(letter !== key[at]);
        return findKeyId(key.slice(0, at) + letter + key.slice(at + 1)) === undefined;
      }),
    );
  });

  it.each([
    ['nothing', ''],
    ['a space behind it', `${makeKey('live', newKeyId())} `],
    ['a line break behind it', `${makeKey('live', newKeyId())}\n`],
    ['two keys joined', `${makeKey('live', newKeyId())}, ${makeKey('live', newKeyId())}`],
    ['letters of another script', makeKey('live', newKeyId()).replace('sp_', 'ѕp_')],
    ['an environment in capitals', makeKey('LIVE', newKeyId())],
    ['a megabyte', 'sp_live_'.padEnd(2 ** 20, 'a')],
  ])('is not %s', (_, text) => expect(findKeyId(text)).toBeUndefined());

  it('is not what is not made of its letters', () => {
    fc.assert(fc.property(fc.string(), (text) => findKeyId(text) === undefined));
  });
});
