import { describe, expect, it } from 'vitest';
import { suggest } from '../../src/config/suggest.ts';
import { fc } from '../support/fast-check.ts';

const KEYS = ['listeners', 'upstreams', 'routes', 'policies', 'accessLog', 'drain'];

describe('a suggestion', () => {
  it.each([
    ['listner', 'listeners'],
    ['uptsreams', 'upstreams'],
    ['access-log', 'accessLog'],
    ['Routes', 'routes'],
    ['polices', 'policies'],
  ])('for %s is %s', (word, expected) => {
    expect(suggest(word, KEYS)).toBe(expected);
  });

  it.each(['workers', 'x', '', 'authServices'])('is not made for %j', (word) => {
    expect(suggest(word, KEYS)).toBeUndefined();
  });

  it('finds every word with one letter missing', () => {
    fc.assert(
      fc.property(fc.constantFrom(...KEYS), fc.nat(), (key, at) => {
        const i = at % key.length;
        expect(suggest(key.slice(0, i) + key.slice(i + 1), KEYS)).toBe(key);
      }),
    );
  });
});
