import { describe, expect, it } from 'vitest';
import { HeaderList } from '../../src/core/header-list.ts';
import { compileCondition } from '../../src/template/condition.ts';
import { compileJson, findJsonFaults } from '../../src/template/json-template.ts';
import { JsonValue } from '../../src/template/json-value.ts';
import { compileField, compileParameter, compilePath, compileWhole } from '../../src/template/places.ts';
import type { TemplateNames } from '../../src/template/reference.ts';
import { TemplateScope } from '../../src/template/scope.ts';
import { TemplateError, UnfilledError } from '../../src/template/template-error.ts';
import { fc } from '../support/fast-check.ts';
import { exchangeWith } from './exchange-with.ts';

const names: TemplateNames = {
  params: ['id', '*'],
  parts: ['p', 'list'],
  lists: ['list'],
  item: 'item',
  hasBody: true,
  hasResponse: true,
};

/** What templates are made of, so that many of the texts are nearly right. */
const WORDS = [
  ...[
    '{',
    '}',
    '{{',
    "{'",
    "'}",
    "'",
    '"',
    '\\',
    '[',
    ']',
    '(',
    ')',
    '.',
    ',',
    '-',
    '/',
    '?',
    '%2e',
    '..',
    '*',
    ' ',
  ],
  ...[
    'params.id',
    'params.*',
    'parts.p.body',
    'parts.p.status',
    'parts.list.headers.a',
    'parts.p.headers.etag',
  ],
  ...[
    'body',
    'body.a[0]',
    "body['x y']",
    'body["\\u0041"]',
    'response.body',
    'response.status',
    'item',
    'item.a.b',
  ],
  ...['query.q', 'headers.x', 'claims.a.b', 'subject', 'requestId', 'nothing', '__proto__', 'constructor'],
  ...[
    'and',
    'or',
    'not',
    'in',
    '==',
    '!=',
    '<',
    '<=',
    '&&',
    '||',
    '!',
    '=',
    'true',
    'null',
    '1',
    '-0.5e3',
    '007',
    'ü',
    '\0',
  ],
];
const text = fc.oneof(
  fc.array(fc.constantFrom(...WORDS), { maxLength: 12 }).map((words) => words.join('')),
  fc.string({ unit: 'binary', maxLength: 20 }),
);

const json = fc.json({ maxDepth: 3 });
const scope = fc.record({ part: json, body: json, response: json, item: json, id: fc.string() }).map(
  ({ part, body, response, item, id }) =>
    new TemplateScope(
      exchangeWith({ params: { id, '*': id } }),
      new Map([
        ['p', { status: 200, headers: HeaderList.from({ etag: '"x"' }), body: JsonValue.ofValid(part) }],
      ]),
      {
        item: JsonValue.ofValid(item),
        body: JsonValue.ofValid(body),
        response: { status: 201, headers: HeaderList.from(), body: JsonValue.ofValid(response) },
      },
    ),
);

/** Gives what was compiled, or checks that the mistake says where it is and what to write. */
function compiled<T>(source: string, compile: () => T): T | undefined {
  try {
    return compile();
  } catch (error) {
    expect(error).toBeInstanceOf(TemplateError);
    const { message, column } = error as TemplateError;
    expect(message).toMatch(/^\S.* — \S/s);
    expect(column).toBeGreaterThanOrEqual(1);
    expect(column).toBeLessThanOrEqual(source.length + 1);
    return undefined;
  }
}

/** Gives what a template was filled to, `undefined` where it does not fit. */
function filled<T>(fill: (() => T) | undefined): T | undefined {
  try {
    return fill?.();
  } catch (error) {
    expect(error).toBeInstanceOf(UnfilledError);
    return undefined;
  }
}

describe('whatever is written', () => {
  it('as a path stays one path, or is a mistake with its column', () => {
    fc.assert(
      fc.property(text, scope, (source, known) => {
        const template = compiled(`/${source}`, () => compilePath(`/${source}`, names));
        const path = filled(template && (() => template(known)));
        if (path === undefined) return;
        expect(path).toMatch(/^\/[!-~]*$/);
        expect(path).not.toMatch(/#/);
        const [start = ''] = path.split('?');
        // No segment is taken away by who normalises it.
        expect(new URL(`http://x${start}`).pathname.split('/')).toHaveLength(start.split('/').length);
      }),
      { numRuns: 4000 },
    );
  });

  it('as a query parameter or a header is one line without more of either, or a mistake with its column', () => {
    fc.assert(
      fc.property(text, scope, (source, known) => {
        const parameter = compiled(source, () => compileParameter('q', source, names));
        const written = filled(parameter && (() => parameter(known)));
        if (written !== undefined && written !== '') expect(written).toMatch(/^q=[^&#]*(?:&q=[^&#]*)*$/);
        const field = compiled(source, () => compileField(source, names));
        const value = filled(field && (() => field(known)));
        if (value !== undefined && !/[\0-\x08\x0a-\x1f\x7f]/.test(source))
          HeaderList.from().append('x', value);
        compiled(source, () => compileWhole(source, names));
      }),
      { numRuns: 4000 },
    );
  });

  it('as a condition is true or false, or a mistake with its column', () => {
    fc.assert(
      fc.property(text, scope, (source, known) => {
        const condition = compiled(source, () => compileCondition(source, names));
        if (condition !== undefined) expect(typeof condition(known)).toBe('boolean');
      }),
      { numRuns: 4000 },
    );
  });

  it('as JSON gives JSON, or is a mistake that is found beforehand', () => {
    const keys = fc.constantFrom('a', 'b', '...', '...without', '...each', 'as', 'give', '__proto__');
    const { template } = fc.letrec((tie) => ({
      template: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        text,
        fc.constantFrom<unknown>(1, true, null, '{body}', '{item}', '{parts.p.body}', 'item', ['a']),
        fc.array(tie('template'), { maxLength: 3 }),
        fc.dictionary(keys, tie('template'), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(template, scope, (source, known) => {
        const faults = findJsonFaults(source, names);
        if (faults.length > 0) {
          expect(() => compileJson(source, names)).toThrow(TemplateError);
          return;
        }
        const compiledJson = compileJson(source, names);
        const made = filled(() => compiledJson(known));
        if (made !== undefined) expect(() => JSON.parse(made)).not.toThrow();
      }),
      { numRuns: 4000 },
    );
  });
});
