import { describe, expect, it } from 'vitest';
import { compileCondition } from '../../src/template/condition.ts';
import { JsonValue } from '../../src/template/json-value.ts';
import { TemplateScope } from '../../src/template/scope.ts';
import { TemplateError } from '../../src/template/template-error.ts';
import { fc } from '../support/fast-check.ts';
import { exchangeWith } from './exchange-with.ts';

const names = { params: ['id'], parts: ['user'] };
const body =
  '{"vip":true,"age":36,"big":12345678901234567891,"name":"Ada","list":[1,"a"],"no":null,"deep":{"a b":[0]}}';
const scope = new TemplateScope(
  exchangeWith({ query: 'page=2&empty=', params: { id: '7' } }),
  new Map([['user', { status: 200, body: JsonValue.ofValid(body) }]]),
);
const holds = (text: string): boolean => compileCondition(text, names)(scope);

describe('a condition', () => {
  it.each([
    'parts.user.body.vip == true',
    'parts.user.body.vip',
    'parts.user.status == 200',
    'parts.user.status >= 200 and parts.user.status < 300',
    "query.page == '2'",
    'query.page != "3"',
    "params.id in ['7', '8']",
    'parts.user.body.age in [36.0, 37]',
    "'a' in parts.user.body.list",
    'parts.user.body.big > 12345678901234567890',
    'parts.user.body.big == 12345678901234567891',
    'parts.user.body.missing == null',
    'parts.user.body.no == null',
    'not parts.user.body.no',
    '!(query.none) && (false || true)',
    'parts.user.body.deep["a b"][0] == 0',
    "parts.user.body.name == 'Ada' or false",
    'not not true',
    'query.empty',
  ])('%s holds', (text) => {
    expect(holds(text)).toBe(true);
  });

  it.each([
    'parts.user.body.age == "36"',
    'parts.user.body.big == 12345678901234567892',
    'parts.user.body.name > 1',
    'parts.user.body.list == parts.user.body.list',
    'parts.user.body.missing',
    'parts.user.body.missing.more == 1',
    'true and false',
    'not true',
    'false',
    'parts.user.body.constructor',
    'parts.user.body.__proto__',
  ])('%s does not hold', (text) => {
    expect(holds(text)).toBe(false);
  });

  it('binds not before and before or', () => {
    expect(holds('true or true and false')).toBe(true);
    expect(holds('(true or true) and false')).toBe(false);
    expect(holds('not false and false')).toBe(false);
  });

  it.each([
    ['', 1, 'where a value is due'],
    ['query.page == 2', 12, 'compares text with something else'],
    ["query.page > '1'", 12, 'for what is not a number'],
    ['query.page = 2', 12, "has one '='"],
    ['true true', 6, 'goes on with'],
    ['(true', 6, 'not closed'],
    ["query.page == '2", 15, 'quote without its other half'],
    ['true and', 9, 'where a value is due'],
    ['query', 1, 'one text and no more'],
    ['nothing.here', 1, "refers to 'nothing'"],
    ['parts.other.body', 1, 'a part that there is not'],
    ['params.other == null', 1, 'a parameter that there is not'],
    ['[1, 2]', 1, 'a list alone'],
    ['query.a == [1]', 9, 'a list behind =='],
    ['query.a in [1]', 9, 'looks for text among other things'],
    ['query.a in 1', 9, 'has no list behind in'],
    ['true % false', 6, 'has "%"'],
    [`${'('.repeat(30)}true`, 25, 'nested too deep'],
    [`${'not '.repeat(30)}true`, 97, 'nested too deep'],
    [`'${'x'.repeat(1000)}'`, 1001, 'longer than 1000'],
  ])('%s is refused at character %i', (text, column, message) => {
    expect(() => compileCondition(text, names)).toThrow(TemplateError);
    try {
      compileCondition(text, names);
    } catch (error) {
      expect((error as TemplateError).message).toContain(message);
      expect((error as TemplateError).column).toBe(column);
    }
  });

  it('is compiled or refused with a place and a remedy, whatever is written', () => {
    const token = fc.constantFrom(
      '(',
      ')',
      'and',
      'or',
      'not',
      '==',
      '<',
      'in',
      '[',
      ']',
      ',',
      "'a'",
      '1',
      'true',
      'query.a',
      'parts.user.body.x[0]',
      'subject',
      ' ',
      '"',
      '-',
      '.',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(token, { maxLength: 12 }).map((tokens) => tokens.join(' ')),
    );
    fc.assert(
      fc.property(text, (written) => {
        try {
          expect(typeof holds(written)).toBe('boolean');
        } catch (error) {
          expect(error).toBeInstanceOf(TemplateError);
          expect((error as TemplateError).message).toMatch(/^[^\0]+ — [^\0]+$/s);
          expect((error as TemplateError).column).toBeGreaterThan(0);
          expect((error as TemplateError).column).toBeLessThanOrEqual(written.length + 1);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('decides as JavaScript does, for what both know', () => {
    const literal = fc.constantFrom('true', 'false');
    const expression: fc.Arbitrary<string> = fc.letrec<{ any: string }>((tie) => ({
      any: fc.oneof(
        { depthSize: 'small' },
        literal,
        fc
          .tuple(tie('any'), fc.constantFrom('&&', '||'), tie('any'))
          .map(([a, op, b]) => `(${a} ${op} ${b})`),
        tie('any').map((a) => `!${a}`),
        fc
          .tuple(fc.integer(), fc.constantFrom('==', '!=', '<', '<=', '>', '>='), fc.integer())
          .map((one) => one.join(' '))
          .map((text) => `(${text})`),
      ),
    })).any;
    fc.assert(
      fc.property(expression, (text) => {
        fc.pre(text.length < 1000 && (text.match(/[(!]/g)?.length ?? 0) < 20);
        expect(holds(text)).toBe(new Function(`return ${text}`)());
      }),
      { numRuns: 500 },
    );
  });
});
