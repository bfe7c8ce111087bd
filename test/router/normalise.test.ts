import { describe, expect, it } from 'vitest';
import { normaliseTarget } from '../../src/router/normalise.ts';
import { DEFAULT_SPELLING, type SpellingRules } from '../../src/router/path-spelling.ts';
import { fc } from '../support/fast-check.ts';

const ALL: SpellingRules = {
  ...DEFAULT_SPELLING,
  slash: true,
  backslash: true,
  semicolon: true,
  nul: true,
};

function pathOf(target: string, allow: SpellingRules = DEFAULT_SPELLING): string | undefined {
  const result = normaliseTarget(target, 'GET', allow);
  return result.ok ? result.path : undefined;
}

describe('origin form', () => {
  it.each([
    ['/', '/'],
    ['/orders/123', '/orders/123'],
    ['/orders/', '/orders/'],
    ["/a-b._~!$&'()*+,=:@", "/a-b._~!$&'()*+,=:@"],
    ['/.well-known/x', '/.well-known/x'],
    ['/...', '/...'],
    ['/a..b/..c/d..', '/a..b/..c/d..'],
  ])('leaves %s as it is', (target, path) => {
    expect(pathOf(target)).toBe(path);
  });

  it.each([
    ['/.', '/'],
    ['/..', '/'],
    ['/../../a', '/a'],
    ['/a/.', '/a/'],
    ['/a/./b', '/a/b'],
    ['/a/..', '/'],
    ['/a/../', '/'],
    ['/a/b/..', '/a/'],
    ['/a/b/../c', '/a/c'],
    ['/a/%2e%2E/b', '/b'],
    ['/a/.%2e/b', '/b'],
    ['/a/%2e/b', '/a/b'],
    ['//', '/'],
    ['//a///b//', '/a/b/'],
    ['/a//../b', '/b'],
    ['//evil.example/a', '/evil.example/a'],
    ['/a/..?x=/../b', '/'],
  ])('resolves %s to %s', (target, path) => {
    expect(pathOf(target)).toBe(path);
  });

  it.each([
    ['/%61%5A%39%2d%2E%5f%7e', '/aZ9-._~'],
    ['/caf%c3%a9', '/caf%C3%A9'],
    ['/a%2cb,c', '/a,b,c'],
    ['/v1/items%3Apurge', '/v1/items:purge'],
    ['/users/%40root', '/users/@root'],
    ['/%3a%40%21%24%26%27%28%29%2a%2b%2c%3d', "/:@!$&'()*+,="],
    ['/%2A', '/*'],
    ['/%5b%5D%7b', '/%5B%5D%7B'],
    ['/%252e%252e/a', '/%252e%252e/a'],
    ['/%3fa%23b%25c%20', '/%3Fa%23b%25c%20'],
    ['/a|b{c}[d]^`', '/a%7Cb%7Bc%7D%5Bd%5D%5E%60'],
  ])('spells %s as %s', (target, path) => {
    expect(pathOf(target)).toBe(path);
  });

  it.each([
    '',
    'orders',
    '?x=1',
    '/a%2fb',
    '/a%2Fb',
    '/a\\b',
    '/a%5cb',
    '/%00',
    '/a;b=c',
    '/a%3Bb',
    '/%',
    '/%4',
    '/%zz',
    '/%u0041',
    '/%ff',
    '/%c0%ae%c0%ae/a',
    '/%ed%a0%80',
    '/%c3',
    '/é',
    '/\u0130',
    '/a b',
    '/a\tb',
    '/a\0b',
    '/a\x7fb',
    '/a#b',
    '/a"b',
    '/a<b',
    '/a>b',
  ])('refuses %j', (target) => {
    expect(normaliseTarget(target, 'GET', DEFAULT_SPELLING)).toEqual({
      ok: false,
      reason: expect.any(String),
    });
  });

  it('says which character it refuses', () => {
    const reasonFor = (target: string) => normaliseTarget(target, 'GET', DEFAULT_SPELLING);
    expect(reasonFor('/a%2fb')).toMatchObject({ reason: 'The path holds an encoded slash' });
    expect(reasonFor('/%')).toMatchObject({ reason: expect.stringContaining('hexadecimal') });
    expect(reasonFor('/%ff')).toMatchObject({ reason: expect.stringContaining('UTF-8') });
  });
});

describe('what a listener may allow', () => {
  it.each([
    ['slash', '/a%2fb', '/a%2Fb'],
    ['backslash', '/a\\b', '/a%5Cb'],
    ['backslash', '/a%5cb', '/a%5Cb'],
    ['semicolon', '/a;v=1/b', '/a;v=1/b'],
    ['semicolon', '/a%3bv', '/a%3Bv'],
    ['nul', '/a%00', '/a%00'],
  ] as const)('%s alone lets %j through as %s', (name, target, path) => {
    expect(pathOf(target, { ...DEFAULT_SPELLING, [name]: true })).toBe(path);
    expect(pathOf(target, { ...ALL, [name]: false })).toBeUndefined();
  });

  it.each([
    '/a/..%2fb',
    '/a%2f..',
    '/a%2f%2e%2e%5cb',
    '/a/..;/b',
    '/a/..;v=1',
    '/..\\a',
    '/a%5c.',
    '/..%00/a',
    '/.;',
    '/..%3b/a',
  ])('lets no dot segment hide: %s', (target) => {
    expect(pathOf(target, ALL)).toBeUndefined();
  });

  it.each([
    ['/%ff', '/%FF'],
    ['/caf%e9/x', '/caf%E9/x'],
    ['/%c3%a9%ff', '/%C3%A9%FF'],
  ])('bytes that are not UTF-8: %s', (target, path) => {
    expect(pathOf(target, { ...DEFAULT_SPELLING, invalidUtf8: true })).toBe(path);
    expect(pathOf(target)).toBeUndefined();
  });

  it.each([
    '/public/%252e%252e/admin',
    '/..%255c',
    '/a%252Fb',
    '/a%253bb',
    '/a%2500',
    '/a%253f',
    '/a%2523',
    '/a%25252f',
    '/%25%32%66',
    '/%25c0%25ae',
    '/%25u002e',
    '/%2561dmin',
  ])('what decodes twice is refused on demand: %s', (target) => {
    expect(pathOf(target, { ...DEFAULT_SPELLING, doubleEncoded: false })).toBeUndefined();
    expect(pathOf(target)).toBeDefined();
  });

  it.each(['/100%25', '/50%25off', '/a%20b', '/%25%20'])('a percent sign alone is taken: %s', (target) => {
    expect(pathOf(target, { ...DEFAULT_SPELLING, doubleEncoded: false })).toBe(target);
  });

  it.each([
    ['/unsafe/https://host/a.jpg', '/unsafe/https://host/a.jpg'],
    ['//', '//'],
    ['//a///b//', '//a///b//'],
    ['/a/.//b/./', '/a//b/'],
    ['/a/b/..//c', '/a//c'],
    ['/a//b/..', '/a//'],
    ['/a//b/../c', '/a//c'],
    ['/', '/'],
    ['/.', '/'],
  ])('several slashes are kept on demand: %s', (target, path) => {
    expect(pathOf(target, { ...DEFAULT_SPELLING, mergeSlashes: false })).toBe(path);
  });

  it.each(['/a//../b', '//..', '/a//./../b', '/a//b/../../c'])('but not before dots: %s', (target) => {
    expect(pathOf(target, { ...DEFAULT_SPELLING, mergeSlashes: false })).toBeUndefined();
  });

  it('is never a raw NUL', () => {
    expect(pathOf('/a\0', ALL)).toBeUndefined();
  });
});

describe('the query', () => {
  it.each([
    ['/a?x=1', 'x=1'],
    ['/a', ''],
    ['/a?', ''],
    ['/?a?b', 'a?b'],
    ['/a/../b?x=%2e%2E&y=%zz', 'x=%2e%2E&y=%zz'],
    ['/a?x=[1]|{2}"<3>\\^`', 'x=[1]|{2}"<3>\\^`'],
  ])('of %s is passed as received', (target, query) => {
    expect(normaliseTarget(target, 'GET', DEFAULT_SPELLING)).toMatchObject({ ok: true, query });
  });

  it.each(['/a?b c', '/a?b#c', '/a?\0', '/a?\r\n', '/a?\x7f', '/a?é', '/../a?b c'])(
    'of %j is refused',
    (target) => {
      expect(normaliseTarget(target, 'GET', DEFAULT_SPELLING).ok).toBe(false);
    },
  );
});

describe('absolute form', () => {
  it.each([
    ['http://example.com/a/../b?x=1', '/b', 'x=1', 'example.com'],
    ['HTTPS://Example.com:8443', '/', '', 'Example.com:8443'],
    ['http://example.com?x=1', '/', 'x=1', 'example.com'],
    ['http://[2001:db8::1]:80/a', '/a', '', '[2001:db8::1]:80'],
  ])('gives the authority of %s', (target, path, query, authority) => {
    expect(normaliseTarget(target, 'GET', DEFAULT_SPELLING)).toEqual({ ok: true, path, query, authority });
  });

  it.each([
    'http://',
    'http:///a',
    'http:/a',
    'http://user@example.com/',
    'http://user:pw@example.com/',
    'http://exa mple.com/',
    'http://a\\b/',
    'http://a:b/',
    'http://[::1/',
    'http://example.com#a',
    'http://example.com/a%2fb',
    'ftp://example.com/',
    'javascript:alert(1)',
    'example.com:443',
  ])('refuses %j', (target) => {
    expect(normaliseTarget(target, 'GET', DEFAULT_SPELLING).ok).toBe(false);
  });
});

describe('the server as a whole', () => {
  it('is * for OPTIONS only', () => {
    expect(normaliseTarget('*', 'OPTIONS', DEFAULT_SPELLING)).toMatchObject({ ok: true, path: '*' });
    expect(normaliseTarget('*', 'GET', DEFAULT_SPELLING).ok).toBe(false);
    expect(normaliseTarget('**', 'OPTIONS', DEFAULT_SPELLING).ok).toBe(false);
  });

  it('is an absolute form without path and query for OPTIONS', () => {
    const of = (target: string) => normaliseTarget(target, 'OPTIONS', DEFAULT_SPELLING);
    expect(of('http://example.com')).toMatchObject({ path: '*', authority: 'example.com' });
    expect(of('http://example.com/')).toMatchObject({ path: '/' });
    expect(of('http://example.com?x')).toMatchObject({ path: '/', query: 'x' });
  });

  it('is never the target of CONNECT, in whatever form', () => {
    for (const target of ['example.com:443', '/', '*', 'http://example.com/']) {
      expect(normaliseTarget(target, 'CONNECT', DEFAULT_SPELLING).ok).toBe(false);
    }
  });
});

/** One way to write each byte of a path, chosen by `pick`: plain where RFC 3986 has it unreserved, or percent form. */
function spellRandomly(path: string, pick: () => number): string {
  let spelled = '';
  for (const byte of Buffer.from(path)) {
    const character = String.fromCharCode(byte);
    const hex = byte.toString(16).padStart(2, '0');
    if (character === '/') spelled += ['/', '//', '/./', '/%2e/', '/x/../', '/x/%2E./'][pick() % 6];
    else if (/[A-Za-z0-9._~-]/.test(character) && pick() % 2 === 0) spelled += character;
    else spelled += `%${pick() % 2 === 0 ? hex : hex.toUpperCase()}`;
  }
  return spelled;
}

/** The obvious model: bytes in, segments resolved on decoded text, everything encoded but what a segment may hold. */
function modelOf(target: string): string | undefined {
  const path = target.split('?', 1)[0] as string;
  if (!/^(?:[\x21\x24-\x3a\x3d\x40-\x7e]|%[0-9a-f]{2})+$/i.test(path) || /%(?![0-9a-f]{2})/i.test(path))
    return undefined;
  const atoms = path.match(/%..|./g) ?? [];
  const bytes = atoms.map((atom) =>
    atom.length === 1 ? atom.charCodeAt(0) : Number.parseInt(atom.slice(1), 16),
  );
  if (!isValidUtf8(bytes)) return undefined;
  const spelled = atoms.map((atom, i) => {
    const character = String.fromCharCode(bytes[i] as number);
    if (/[A-Za-z0-9._~!$&'()*+,=:@-]/.test(character)) return character;
    if (/[\\;\0]/.test(character) || (character === '/' && atom !== '/')) return 'REFUSED';
    if (atom.length === 1 && !/[|{}[\]^`]/.test(atom)) return atom;
    return `%${(bytes[i] as number).toString(16).toUpperCase().padStart(2, '0')}`;
  });
  if (spelled.includes('REFUSED')) return undefined;
  const text = spelled.join('');
  const kept = text.split('/').reduce<string[]>((stack, segment) => {
    if (segment === '..') return stack.slice(0, -1);
    return segment === '' || segment === '.' ? stack : stack.concat(segment);
  }, []);
  return `/${kept.join('/')}${kept.length > 0 && /\/\.{0,2}$/.test(text) ? '/' : ''}`;
}

function isValidUtf8(bytes: number[]): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(new Uint8Array(bytes));
    return true;
  } catch {
    return false;
  }
}

const hostileTarget = fc
  .array(
    fc.constantFrom(
      ...[
        '/',
        '/',
        '.',
        '..',
        '%2e',
        '%2E',
        '%2f',
        '%5c',
        '\\',
        '%00',
        ';',
        '%3b',
        '%',
        '%4',
        'a',
        'B',
        '%41',
        '%c3%a9',
      ],
      ...[
        '%C3',
        '%ff',
        '~',
        '%7e',
        '|',
        '%7c',
        ':',
        '%3A',
        '?',
        '#',
        ' ',
        'é',
        '*',
        '"',
        '[',
        '%20',
        '%25',
        '%252e',
        '\0',
      ],
    ),
    { maxLength: 14 },
  )
  .map((pieces) => `/${pieces.join('')}`);

describe('any path', () => {
  it('has one result, whatever its spelling', () => {
    const segment = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 6 })
      .filter((text) => text.isWellFormed() && !/[/\\;\0]/.test(text) && text !== '.' && text !== '..');
    fc.assert(
      fc.property(
        fc.array(segment, { maxLength: 4 }),
        fc.boolean(),
        fc.infiniteStream(fc.nat()),
        (segments, isOpen, picks) => {
          const plain = `/${segments.join('/')}${isOpen && segments.length > 0 ? '/' : ''}`;
          const expected = plain.replace(/[^/]+/g, (text) =>
            encodeURIComponent(text).replace(/%(?:3A|40|24|26|2B|2C|3D)/g, decodeURIComponent),
          );
          const pick = () => picks.next().value as number;
          expect(pathOf(spellRandomly(plain, pick))).toBe(expected);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('comes out as the obvious model says', () => {
    fc.assert(
      fc.property(hostileTarget, (target) => {
        fc.pre(!/\?.*[ #é\0]/.test(target));
        expect(pathOf(target)).toBe(modelOf(target));
      }),
      { numRuns: 5000 },
    );
  });

  it('is stable: a normalised path normalises to itself', () => {
    fc.assert(
      fc.property(hostileTarget, fc.constantFrom(DEFAULT_SPELLING, ALL), (target, allow) => {
        const path = pathOf(target, allow);
        if (path !== undefined) expect(pathOf(path, allow)).toBe(path);
      }),
      { numRuns: 5000 },
    );
  });

  it('never keeps what servers read differently', () => {
    fc.assert(
      fc.property(hostileTarget, (target) => {
        const path = pathOf(target);
        if (path === undefined) return;
        expect(path).toMatch(/^\/(?:[A-Za-z0-9._~!$&'()*+,=:@/-]|%[0-9A-F]{2})*$/);
        expect(path).not.toMatch(
          /\/\/|\/\.{1,2}(?:\/|$)|%2F|%5C|%3B|%00|%2[1467-9A-E]|%3A|%3D|%40|%7E|%4[1-9A-F]/,
        );
      }),
      { numRuns: 5000 },
    );
  });

  it('is refused or taken, never a crash', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.constantFrom('GET', 'OPTIONS', 'CONNECT'),
        (target, method) => {
          for (const text of [target, `/${target}`, `http://${target}`]) {
            expect(typeof normaliseTarget(text, method, ALL).ok).toBe('boolean');
          }
        },
      ),
    );
  });
});
