import { describe, expect, it } from 'vitest';
import { normaliseTarget } from '../../src/router/normalise.ts';
import { DEFAULT_SPELLING } from '../../src/router/path-spelling.ts';
import { compileRewrite, compileStripPrefix } from '../../src/router/path-template.ts';
import { fc } from '../support/fast-check.ts';

describe('a rewrite', () => {
  it.each([
    ['/v1/orders/{params.id}', ['id'], ['7'], '/v1/orders/7'],
    ['/v1', ['id'], ['7'], '/v1'],
    ['/{params.b}/{params.a}/{params.b}', ['a', 'b'], ['1', '2'], '/2/1/2'],
    ['/x/{params.id}.json', ['id'], ['a.b'], '/x/a.b.json'],
    ['/new/{params.*}', ['*'], ['a/b/'], '/new/a/b/'],
    ['/new/{params.*}', ['*'], [''], '/new/'],
    ['/new/{params.*}/end', ['*'], [''], '/new/end'],
    ['/new/{params.*}/end', ['*'], ['a/'], '/new/a/end'],
    ['{params.*}', ['*'], ['a'], undefined],
    ['/café/{params.id}', ['id'], ['%C3%A9%25'], '/caf%C3%A9/%C3%A9%25'],
    ['/%7e{params.id}', ['id'], ['a'], '/~a'],
  ] as const)('%s with %j = %j is %j', (template, names, values, path) => {
    if (path === undefined) expect(() => compileRewrite(template, names)).toThrow(TypeError);
    else expect(compileRewrite(template, names)(values)).toBe(path);
  });

  it.each([
    ['/a/{params.id}', ['.']],
    ['/a/{params.id}', ['..']],
    ['/a/x{params.id}', ['..']],
    ['/a/.{params.id}', ['']],
    ['/a/.{params.id}/b', ['.']],
    ['/a/{params.id}', ['b/../c']],
    ['/a/{params.id}', ['..%2Fc']],
    ['/a/{params.id}', ['..;x']],
    ['/a/{params.id}', []],
  ])('%s refuses %j', (template, values) => {
    expect(compileRewrite(template, ['id'])(values)).toBeUndefined();
  });

  it.each([
    ['/a/{params.other}', /no parameter 'other', it has \{params.id\}/],
    ['/a/{id}', /write '\{params.name\}'/],
    ['/a/{params.id', /write '\{params.name\}'/],
    ['/a/../{params.id}', /dot segments/],
    ['/a//{params.id}', /repeated slashes/],
    ['a/{params.id}', /begins with/],
    ['/a?q={params.id}', /percent-encoded/],
  ])('%s is refused when compiled', (template, message) => {
    expect(() => compileRewrite(template, ['id'])).toThrow(message);
    expect(() => compileRewrite(template, ['id'])).toThrow(TypeError);
  });

  it('gives a path in its one spelling, or none', () => {
    const value = fc.string({ unit: fc.constantFrom('a', '.', '/', '~', '%2E', '%20', ';') });
    const template = fc.constantFrom(
      '/{params.*}',
      '/x/{params.*}/y',
      '/x.{params.*}',
      '/.{params.*}',
      '/{params.*}.',
    );
    fc.assert(
      fc.property(template, value, (text, rest) => {
        const normal = normaliseTarget(`/${rest}`, 'GET', DEFAULT_SPELLING);
        fc.pre(normal.ok);
        const path = compileRewrite(text, ['*'])([normal.path.slice(1)]);
        if (path !== undefined)
          expect(normaliseTarget(path, 'GET', DEFAULT_SPELLING)).toMatchObject({ path });
      }),
    );
  });
});

describe('stripping a prefix', () => {
  it.each([
    ['/orders', '/orders/7', '/7'],
    ['/orders', '/orders/', '/'],
    ['/orders', '/orders', '/'],
    ['/orders/', '/orders/7/', '/7/'],
    ['/orders', '/orders2', '/orders2'],
    ['/a/b', '/a/b/c', '/c'],
    ['/café', '/caf%C3%A9/x', '/x'],
    ['/', '/a', '/a'],
    ['/', '/', '/'],
  ])('%s of %s leaves %s', (prefix, path, rest) => {
    expect(compileStripPrefix(prefix)(path)).toBe(rest);
  });

  it('refuses what is not a path', () => {
    expect(() => compileStripPrefix('orders')).toThrow(TypeError);
  });
});
