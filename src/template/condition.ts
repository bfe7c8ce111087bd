import { compareNumbers, isEqual } from './compare-json.ts';
import { ConditionTokens, type Token } from './condition-tokens.ts';
import { JsonValue } from './json-value.ts';
import { type Reference, readReference, type TemplateNames } from './reference.ts';
import type { TemplateScope } from './scope.ts';
import { TemplateError } from './template-error.ts';

/** A condition as compiled: tells whether it holds. Never throws. */
export type Condition = (scope: TemplateScope) => boolean;

/** What is longer or deeper belongs into code. */
const MAX_CHARS = 1000;
const MAX_DEPTH = 24;

type Test = Condition;
type Operand =
  | { readonly kind: 'value'; readonly value: JsonValue; readonly at: number }
  | { readonly kind: 'list'; readonly values: readonly JsonValue[]; readonly at: number }
  | { readonly kind: 'reference'; readonly reference: Reference; readonly at: number };

/**
 * Compiles a condition such as `parts.user.body.vip == true and query.page != '1'`. The grammar is in the guide's page on
 * templates. Throws `TemplateError`.
 */
export function compileCondition(text: string, names: TemplateNames): Condition {
  if (text.length > MAX_CHARS)
    throw new TemplateError(`is longer than ${MAX_CHARS} characters — decide it in compose`, MAX_CHARS + 1);
  return new ConditionParser(text, names).parse();
}

/** One method for each rule of the grammar. */
class ConditionParser {
  private readonly source: string;
  private readonly names: TemplateNames;
  private readonly tokens: ConditionTokens;
  private depth = 0;

  constructor(source: string, names: TemplateNames) {
    this.source = source;
    this.names = names;
    this.tokens = new ConditionTokens(source);
  }

  parse(): Condition {
    const holds = this.either();
    const { kind, text, at } = this.tokens.peek;
    if (kind !== 'end')
      throw new TemplateError(
        `goes on with '${text}' where it could end — join the two with and, or`,
        at + 1,
      );
    return holds;
  }

  private either(): Test {
    let left = this.both();
    while (this.tokens.takes('or')) left = anyOf(left, this.both());
    return left;
  }

  private both(): Test {
    let left = this.negation();
    while (this.tokens.takes('and')) left = allOf(left, this.negation());
    return left;
  }

  private negation(): Test {
    const { at } = this.tokens.peek;
    if (!this.tokens.takes('not')) return this.comparison();
    const test = this.within(at, () => this.negation());
    return (scope) => !test(scope);
  }

  private comparison(): Test {
    const { at } = this.tokens.peek;
    if (this.tokens.takes('(')) return this.within(at, () => this.group());
    const left = this.operand();
    const operator = this.tokens.peek;
    if (COMPARISONS[operator.text] === undefined || operator.kind === 'text') return truthOf(left);
    this.tokens.take();
    return compare(left, operator, this.operand());
  }

  private group(): Test {
    const test = this.either();
    const { at } = this.tokens.peek;
    if (!this.tokens.takes(')')) throw new TemplateError("has a '(' that is not closed — write ')'", at + 1);
    return test;
  }

  private within(at: number, parse: () => Test): Test {
    if (++this.depth > MAX_DEPTH)
      throw new TemplateError('is nested too deep — take parentheses and nots out', at + 1);
    const test = parse();
    this.depth--;
    return test;
  }

  private operand(): Operand {
    const { kind, text, at } = this.tokens.peek;
    if (kind === 'operator' && text === '[') return this.list();
    if (kind === 'name' && !LITERALS.has(text) && !KEYWORDS.has(text)) {
      const { reference, end } = readReference(this.source, at, this.names);
      this.tokens.seek(end);
      return { kind: 'reference', reference, at };
    }
    return { kind: 'value', value: this.literal(), at };
  }

  private literal(): JsonValue {
    const { kind, text, at } = this.tokens.take();
    if (kind === 'text') return JsonValue.of(text);
    if (kind === 'number' || (kind === 'name' && LITERALS.has(text))) return JsonValue.ofValid(text);
    throw new TemplateError(
      `has ${kind === 'end' ? 'its end' : `'${text}'`} where a value is due — write a reference, a text in quotes, a number, true, false or null`,
      at + 1,
    );
  }

  private list(): Operand {
    const { at } = this.tokens.take();
    const values: JsonValue[] = [];
    while (!this.tokens.takes(']')) {
      if (values.length > 0 && !this.tokens.takes(','))
        throw new TemplateError("has a list that is not closed — write ',' or ']'", this.tokens.peek.at + 1);
      values.push(this.literal());
    }
    return { kind: 'list', values, at };
  }
}

const LITERALS: ReadonlySet<string> = new Set(['true', 'false', 'null']);
const KEYWORDS: ReadonlySet<string> = new Set(['and', 'or', 'not', 'in']);

const anyOf =
  (a: Test, b: Test): Test =>
  (scope) =>
    a(scope) || b(scope);

const allOf =
  (a: Test, b: Test): Test =>
  (scope) =>
    a(scope) && b(scope);

/** A value alone holds unless it is missing, null or false. */
function truthOf(operand: Operand): Test {
  if (operand.kind === 'list')
    throw new TemplateError('has a list alone — write what is in it, as in x in [1, 2]', operand.at + 1);
  const find = finderOf(operand);
  return (scope) => {
    const value = find(scope);
    return value !== undefined && value.kind !== 'null' && value.json !== 'false';
  };
}

type Finder = (scope: TemplateScope) => JsonValue | undefined;
type Comparison = (a: JsonValue | undefined, b: JsonValue | undefined) => boolean;

const ordered =
  (isMeant: (order: number) => boolean): Comparison =>
  (a, b) => {
    const order = compareNumbers(a, b);
    return order !== undefined && isMeant(order);
  };

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  '==': isEqual,
  '!=': (a, b) => !isEqual(a, b),
  '<': ordered((order) => order < 0),
  '<=': ordered((order) => order <= 0),
  '>': ordered((order) => order > 0),
  '>=': ordered((order) => order >= 0),
  in: (a, b) => b?.items.some((item) => isEqual(a, item)) ?? false,
};

function compare(left: Operand, operator: Token, right: Operand): Test {
  checkKinds(left, operator, right);
  if (right.kind === 'list') {
    const find = finderOf(left);
    return (scope) => {
      const value = find(scope);
      return right.values.some((item) => isEqual(value, item));
    };
  }
  const [a, b] = [finderOf(left), finderOf(right)];
  const comparison = COMPARISONS[operator.text] as Comparison;
  return (scope) => comparison(a(scope), b(scope));
}

function finderOf(operand: Operand): Finder {
  if (operand.kind === 'reference') return operand.reference.find;
  if (operand.kind === 'value') return () => operand.value;
  throw new TemplateError('has a list where one value is due — lists stand behind in', operand.at + 1);
}

/** What can never hold is a mistake: what a request says is text, and texts have no order here. */
function checkKinds(left: Operand, { text, at }: Token, right: Operand): void {
  if (right.kind === 'list' && text !== 'in')
    throw new TemplateError(`has a list behind ${text} — write in`, at + 1);
  const sides = [left, right].flatMap((side) => kindOf(side) ?? []);
  if (text === '<' || text === '<=' || text === '>' || text === '>=') {
    if (sides.some((kind) => kind !== 'number'))
      throw new TemplateError(`has ${text} for what is not a number — write == or !=`, at + 1);
    return;
  }
  if (text === 'in') {
    if (kindOf(right) !== undefined) throw new TemplateError('has no list behind in — write [ … ]', at + 1);
    const isOdd = right.kind === 'list' && right.values.some(({ kind }) => mismatch([kindOf(left), kind]));
    if (isOdd) throw new TemplateError(`looks for text among other things — ${QUOTE}`, at + 1);
    return;
  }
  if (mismatch(sides)) throw new TemplateError(`compares text with something else — ${QUOTE}`, at + 1);
}

const QUOTE = "put the other side in quotes, as in query.page == '2'";

function mismatch([a, b]: readonly (string | undefined)[]): boolean {
  if (a === undefined || b === undefined || a === 'null' || b === 'null') return false;
  return a !== b && (a === 'text' || b === 'text');
}

/** The kind of a side where it is known beforehand. */
function kindOf(side: Operand): string | undefined {
  if (side.kind === 'value') return side.value.kind;
  return side.kind === 'reference' && side.reference.isText ? 'text' : undefined;
}
