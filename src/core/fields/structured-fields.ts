/** A bare item of a structured field (RFC 9651 §3.3), of the kinds that signatures and digests have. */
export type BareItem =
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'token'; readonly text: string }
  | { readonly kind: 'integer'; readonly value: number }
  | { readonly kind: 'decimal'; readonly text: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'bytes'; readonly bytes: Buffer };

export type Parameters = ReadonlyMap<string, BareItem>;

export interface Item {
  readonly kind: 'item';
  readonly value: BareItem;
  readonly parameters: Parameters;
}

export interface InnerList {
  readonly kind: 'list';
  readonly items: readonly Item[];
  readonly parameters: Parameters;
}

/** How many there may be, since nobody is known yet who sends them: what every parser has to take (RFC 9651 §3.1, §3.2). */
const MAX_MEMBERS = 1024;
const MAX_ITEMS = 256;
const MAX_PARAMETERS = 256;

/**
 * Parses a dictionary (RFC 9651 §4.2.2), or gives nothing where it is none. Stricter than that: a key that stands twice
 * is refused instead of overwritten, since two readers must not see two things, and what is longer than every parser has to take as well.
 */
export function parseDictionary(text: string): ReadonlyMap<string, Item | InnerList> | undefined {
  try {
    return new Scanner(text).dictionary();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Parses a list (RFC 9651 §4.2.1), or gives nothing where it is none. */
export function parseList(text: string): readonly (Item | InnerList)[] | undefined {
  try {
    return new Scanner(text).list();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Writes an item with its parameters in the one way that RFC 9651 §4.1 allows. */
export function writeItem({ value, parameters }: Item): string {
  return writeBareItem(value) + writeParameters(parameters);
}

/** Writes an inner list with its parameters. */
export function writeInnerList({ items, parameters }: InnerList): string {
  return `(${items.map(writeItem).join(' ')})${writeParameters(parameters)}`;
}

function writeParameters(parameters: Parameters): string {
  let text = '';
  for (const [key, value] of parameters) {
    const isTrue = value.kind === 'boolean' && value.value;
    text += isTrue ? `;${key}` : `;${key}=${writeBareItem(value)}`;
  }
  return text;
}

function writeBareItem(item: BareItem): string {
  switch (item.kind) {
    case 'string':
      return `"${item.text.replace(/["\\]/g, '\\$&')}"`;
    case 'bytes':
      return `:${item.bytes.toString('base64')}:`;
    case 'boolean':
      return item.value ? '?1' : '?0';
    case 'integer':
      return String(item.value);
    default:
      return item.text;
  }
}

const KEY = /[a-z*][a-z0-9_.*-]*/y;
const TOKEN = /[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*/y;
const STRING = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y;
const DECIMAL = /-?\d{1,12}\.\d{1,3}(?![\d.])/y;
const INTEGER = /-?\d{1,15}(?![\d.])/y;
const BYTES = /:((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?):/y;
const BOOLEAN = /\?([01])/y;
const SPACES = / */y;
const OPTIONAL_SPACE = /[ \t]*/y;

class Scanner {
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  dictionary(): Map<string, Item | InnerList> {
    const members = new Map<string, Item | InnerList>();
    this.separated(() => {
      const key = this.key();
      if (members.has(key)) throw new SyntaxError('a key stands twice');
      if (members.size === MAX_MEMBERS) throw new SyntaxError('there are too many members');
      members.set(key, this.member());
    });
    return members;
  }

  list(): (Item | InnerList)[] {
    const members: (Item | InnerList)[] = [];
    this.separated(() => {
      if (members.length === MAX_MEMBERS) throw new SyntaxError('there are too many members');
      members.push(this.isNext('(') ? this.innerList() : this.item());
    });
    return members;
  }

  private separated(takeMember: () => void): void {
    this.take(SPACES);
    while (this.at < this.text.length) {
      takeMember();
      const isSpaced = this.take(OPTIONAL_SPACE) !== '';
      if (this.at === this.text.length) {
        if (isSpaced && /\t$/.test(this.text)) throw new SyntaxError('it ends in a tab');
        break;
      }
      this.expect(',');
      this.take(OPTIONAL_SPACE);
      if (this.at === this.text.length) throw new SyntaxError('it ends in a comma');
    }
  }

  private member(): Item | InnerList {
    if (!this.isNext('=')) {
      return { kind: 'item', value: { kind: 'boolean', value: true }, parameters: this.parameters() };
    }
    this.at++;
    return this.isNext('(') ? this.innerList() : this.item();
  }

  private innerList(): InnerList {
    this.expect('(');
    const items: Item[] = [];
    this.take(SPACES);
    while (!this.isNext(')')) {
      if (items.length === MAX_ITEMS) throw new SyntaxError('there are too many items');
      items.push(this.item());
      if (this.take(SPACES) === '' && !this.isNext(')')) throw new SyntaxError('items touch each other');
    }
    this.at++;
    return { kind: 'list', items, parameters: this.parameters() };
  }

  private item(): Item {
    return { kind: 'item', value: this.bareItem(), parameters: this.parameters() };
  }

  private parameters(): Parameters {
    const parameters = new Map<string, BareItem>();
    while (this.isNext(';')) {
      this.at++;
      this.take(SPACES);
      const key = this.key();
      if (parameters.has(key)) throw new SyntaxError('a parameter stands twice');
      if (parameters.size === MAX_PARAMETERS) throw new SyntaxError('there are too many parameters');
      if (this.isNext('=')) {
        this.at++;
        parameters.set(key, this.bareItem());
      } else parameters.set(key, { kind: 'boolean', value: true });
    }
    return parameters;
  }

  private bareItem(): BareItem {
    const string = this.match(STRING);
    if (string !== undefined) return { kind: 'string', text: string.replace(/\\(.)/g, '$1') };
    const decimal = this.match(DECIMAL);
    if (decimal !== undefined) return { kind: 'decimal', text: decimal };
    const integer = this.match(INTEGER);
    if (integer !== undefined) return { kind: 'integer', value: Number(integer) };
    const bytes = this.match(BYTES);
    if (bytes !== undefined) return { kind: 'bytes', bytes: Buffer.from(bytes, 'base64') };
    const boolean = this.match(BOOLEAN);
    if (boolean !== undefined) return { kind: 'boolean', value: boolean === '1' };
    const token = this.match(TOKEN);
    if (token !== undefined) return { kind: 'token', text: token };
    throw new SyntaxError('an item is due');
  }

  private key(): string {
    const key = this.match(KEY);
    if (key === undefined) throw new SyntaxError('a key is due');
    return key;
  }

  /** Takes what `pattern` matches here, and gives its group, or the whole. */
  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) return undefined;
    this.at = pattern.lastIndex;
    return found[1] ?? found[0];
  }

  private take(pattern: RegExp): string {
    return this.match(pattern) ?? '';
  }

  private isNext(character: string): boolean {
    return this.text[this.at] === character;
  }

  private expect(character: string): void {
    if (!this.isNext(character)) throw new SyntaxError(`'${character}' is due`);
    this.at++;
  }
}
