import { TemplateError } from './template-error.ts';

export interface Token {
  readonly kind: 'operator' | 'text' | 'number' | 'name' | 'end';
  /** The operator or word in its one spelling, the text itself, or the number as written. */
  readonly text: string;
  /** Where it begins, counted from 0. */
  readonly at: number;
}

const OPERATOR = /==|!=|<=|>=|&&|\|\||[<>!()[\],]/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])/y;
const NAME = /[A-Za-z_][A-Za-z0-9_-]*/y;
const WORDS: Readonly<Record<string, string>> = { '&&': 'and', '||': 'or', '!': 'not' };

/** Reads a condition token by token. A name is given without what follows it, which `seek` goes past. */
export class ConditionTokens {
  private readonly source: string;
  private position = 0;
  private next: Token | undefined = undefined;

  constructor(source: string) {
    this.source = source;
  }

  /** The token that is on, without taking it. */
  get peek(): Token {
    this.next ??= this.read();
    return this.next;
  }

  take(): Token {
    const token = this.peek;
    this.next = undefined;
    return token;
  }

  /** Takes the token if it is the operator or word `text`, and tells whether. */
  takes(text: string): boolean {
    const { kind, text: found } = this.peek;
    if (found !== text || (kind !== 'operator' && kind !== 'name')) return false;
    this.take();
    return true;
  }

  /** Goes on behind `position`. */
  seek(position: number): void {
    this.next = undefined;
    this.position = position;
  }

  private read(): Token {
    while (/\s/.test(this.source[this.position] ?? '')) this.position++;
    const at = this.position;
    const char = this.source[at];
    if (char === undefined) return { kind: 'end', text: '', at };
    if (char === '"' || char === "'") return this.readText(char, at);
    const number = this.match(NUMBER);
    if (number !== undefined) return { kind: 'number', text: number, at };
    const operator = this.match(OPERATOR);
    if (operator !== undefined) return { kind: 'operator', text: WORDS[operator] ?? operator, at };
    const name = this.match(NAME);
    if (name !== undefined) return { kind: 'name', text: name, at };
    if (char === '=') throw new TemplateError("has one '=' — write == to compare", at + 1);
    throw new TemplateError(`has ${JSON.stringify(char)}, which is nothing here — take it out`, at + 1);
  }

  private readText(quote: string, at: number): Token {
    const end = this.source.indexOf(quote, at + 1);
    if (end < 0) throw new TemplateError('has a quote without its other half — close the text', at + 1);
    this.position = end + 1;
    return { kind: 'text', text: this.source.slice(at + 1, end), at };
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.source)?.[0];
    if (found !== undefined) this.position += found.length;
    return found;
  }
}
