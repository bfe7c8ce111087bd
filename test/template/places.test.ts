import { describe, expect, it } from 'vitest';
import { HeaderList } from '../../src/core/header-list.ts';
import { compileJson } from '../../src/template/json-template.ts';
import { JsonValue } from '../../src/template/json-value.ts';
import { compileField, compileParameter, compilePath } from '../../src/template/places.ts';
import { TemplateScope } from '../../src/template/scope.ts';
import { TemplateError, UnfilledError } from '../../src/template/template-error.ts';
import { fc } from '../support/fast-check.ts';
import { exchangeWith, type Known } from './exchange-with.ts';

const names = { params: ['id', '*'], parts: ['p'], item: 'item', hasBody: true };
const scopeOf = (known: Known, json = 'null', item = 'null'): TemplateScope =>
  new TemplateScope(
    exchangeWith(known),
    new Map([
      ['p', { status: 201, headers: HeaderList.from({ etag: '"x"' }), body: JsonValue.ofValid(json) }],
    ]),
    { item: JsonValue.ofValid(item) },
  );
const path = (template: string, scope: TemplateScope): string => compilePath(template, names)(scope);

describe('a value in a path', () => {
  it('is one segment, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(text !== '');
        const scope = scopeOf({}, JSON.stringify({ x: text }));
        let filled: string;
        try {
          filled = path('/a/{parts.p.body.x}/b?q={parts.p.body.x}', scope);
        } catch (error) {
          expect(error).toBeInstanceOf(UnfilledError);
          expect(`${text}`).toMatch(/\0|(^|[/\\;])\.\.?($|[/\\;])/);
          return;
        }
        expect(filled).toMatch(/^\/[!-~]*$/);
        const url = new URL(filled, 'http://x');
        // The segments are there after a server has normalised them, and hold what was put in.
        expect(url.pathname.split('/').map(decodeURIComponent)).toEqual(['', 'a', text.toWellFormed(), 'b']);
        expect([...url.searchParams.keys()]).toEqual(['q']);
        expect(url.hash).toBe('');
      }),
      { numRuns: 3000 },
    );
  });

  it.each(['.', '..', '../x', 'x/..', 'a\\..\\b', '..;a', '\0', ''])('is refused as %j', (value) => {
    expect(() => path('/a/{params.id}', scopeOf({ params: { id: value } }))).toThrow(UnfilledError);
    expect(() => path('/a/{item}/b', scopeOf({}, 'null', JSON.stringify(value)))).toThrow(UnfilledError);
  });

  it.each([
    ['/a/.{params.id}', { id: '.' }],
    ['/a/{params.id}.', { id: '.' }],
    ['/a/{params.id}{params.id}', { id: '.' }],
    ['/{params.*}', { '*': 'a/../b' }],
  ])('makes no dot segment of %s', (template, params) => {
    expect(() => path(template, scopeOf({ params }))).toThrow(UnfilledError);
  });

  it('is several segments for the rest of the path alone', () => {
    expect(path('/v1/{params.*}', scopeOf({ params: { '*': 'a b/c;d/' } }))).toBe('/v1/a%20b/c%3Bd/');
    expect(path('/v1/{params.*}', scopeOf({ params: { '*': '' } }))).toBe('/v1/');
  });

  it('is refused where it is a list or map', () => {
    expect(() => path('/{parts.p.body}', scopeOf({}, '[1]'))).toThrow('is a list or map where text is due');
  });

  it('is a number as it was written', () => {
    expect(path('/{parts.p.body}', scopeOf({}, '12345678901234567890'))).toBe('/12345678901234567890');
  });
});

describe('a query parameter', () => {
  const parameter = (template: string, scope: TemplateScope) =>
    compileParameter('a&', template, names)(scope);

  it('is encoded, several for a list, none where it is missing', () => {
    expect(parameter('{parts.p.body}', scopeOf({}, '"x&y=z#"'))).toBe('a%26=x%26y%3Dz%23');
    expect(parameter('{parts.p.body}', scopeOf({}, '[1.0,"b"]'))).toBe('a%26=1.0&a%26=b');
    expect(parameter('{parts.p.body}', scopeOf({}, 'null'))).toBe('');
    expect(parameter('x&{query.none}', scopeOf({}))).toBe('a%26=x%26');
    expect(() => parameter('{parts.p.body}', scopeOf({}, '[[1]]'))).toThrow(UnfilledError);
  });
});

describe('a header', () => {
  it('is never two, whatever the value holds', () => {
    const field = compileField('a {parts.p.body}', names);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        let value: string | undefined;
        try {
          value = field(scopeOf({}, JSON.stringify(text)));
        } catch (error) {
          expect(error).toBeInstanceOf(UnfilledError);
          expect(text).toMatch(/[\0-\x08\x0a-\x1f\x7f]/);
          return;
        }
        HeaderList.from().append('x', value as string);
        expect(Buffer.from(value as string, 'latin1').toString()).toBe(
          `a ${text.toWellFormed()}`.replace(/[ \t]+$/, ''),
        );
      }),
      { numRuns: 2000 },
    );
    expect(() => field(scopeOf({}, '"x\\r\\nevil: 1"'))).toThrow(UnfilledError);
  });

  it('is left out where its one reference is missing', () => {
    expect(compileField('{headers.x-none}', names)(scopeOf({}))).toBeUndefined();
    expect(compileField('{headers.X-Some}', names)(scopeOf({ headers: [['x-some', 'v']] }))).toBe('v');
    expect(compileField('{parts.p.headers.etag}', names)(scopeOf({}))).toBe('"x"');
  });
});

describe('a JSON template', () => {
  const fill = (template: unknown, scope: TemplateScope) => compileJson(template, names)(scope);

  it('is valid JSON, and injects nothing, whatever the values hold', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
        const scope = scopeOf(
          { query: new URLSearchParams({ t: text }).toString() },
          JSON.stringify({ value }),
        );
        const template = {
          whole: '{parts.p.body.value}',
          text: 'a {query.t}',
          list: ['{query.t}'],
          fixed: 'x',
        };
        const filled = JSON.parse(fill(template, scope) as string);
        expect(filled).toEqual(
          JSON.parse(
            JSON.stringify({
              whole: value,
              text: `a ${text.toWellFormed()}`,
              list: [text.toWellFormed()],
              fixed: 'x',
            }),
          ),
        );
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps the type of one whole reference, and finds claims, subject and request id', () => {
    const scope = scopeOf({ claims: { org: { id: 7 }, 'a.b': true, big: Number.NaN } });
    const template = {
      id: '{claims.org.id}',
      dots: '{claims.a.b}',
      big: '{claims.big}',
      who: '{subject}',
      request: '{requestId}',
      status: '{parts.p.status}',
    };
    expect(fill(template, scope)).toBe(
      '{"id":7,"dots":true,"big":null,"who":"ada","request":"request-1","status":201}',
    );
  });

  it('takes a text in quotes within braces as it is', () => {
    expect(fill("{'{'}a{'}'}", scopeOf({}))).toBe('"{a}"');
  });

  it('merges maps, the later member winning, and refuses to merge anything else', () => {
    expect(fill({ '...': '{parts.p.body}', b: 'own' }, scopeOf({}, '{"a":1.0,"b":2,"c":3}'))).toBe(
      '{"a":1.0,"c":3,"b":"own"}',
    );
    expect(fill({ a: 1, '...': ['{parts.p.body.none}', null, { a: 2 }] }, scopeOf({}))).toBe('{"a":2}');
    expect(() => fill({ '...': '{parts.p.body}' }, scopeOf({}, '"x"'))).toThrow(UnfilledError);
  });

  it('is compiled or refused with a place and a remedy, whatever is written', () => {
    const token = fc.constantFrom(
      '{',
      '}',
      "'",
      'params.id',
      'parts.p.body',
      '.',
      '[0]',
      '["a"]',
      'item',
      'x',
      '*',
      ' ',
      '"',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(token, { maxLength: 10 }).map((tokens) => tokens.join('')),
    );
    fc.assert(
      fc.property(text, (written) => {
        for (const compile of [() => compileJson(written, names), () => compilePath(`/${written}`, names)]) {
          try {
            compile();
          } catch (error) {
            expect(error).toBeInstanceOf(TemplateError);
            expect((error as TemplateError).message).toContain(' — ');
          }
        }
      }),
      { numRuns: 3000 },
    );
  });
});
