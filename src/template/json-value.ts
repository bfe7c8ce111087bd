import { endOfText, endOfValue, skipSpace } from './json-scan.ts';

export type JsonKind = 'text' | 'number' | 'boolean' | 'null' | 'list' | 'map';

const KINDS: Readonly<Record<string, JsonKind>> = {
  '"': 'text',
  t: 'boolean',
  f: 'boolean',
  n: 'null',
  '[': 'list',
  '{': 'map',
};

/**
 * A value within JSON that is known to be valid. It is the text itself, so what is only passed on stays as it was
 * written: `1.0`, integers of any length, names that stand twice. Of a list or map no more is read than is asked for.
 */
export class JsonValue {
  readonly kind: JsonKind;
  private readonly source: string;
  private readonly start: number;
  private readonly end: number;
  private knownItems: readonly JsonValue[] | undefined = undefined;
  private repeats = false;
  private knownMembers: ReadonlyMap<string, JsonValue> | undefined = undefined;

  private constructor(source: string, start: number, end: number) {
    this.source = source;
    this.start = start;
    this.end = end;
    this.kind = KINDS[source[start] as string] ?? 'number';
  }

  /** Wraps a whole JSON text, which must be valid. */
  static ofValid(json: string): JsonValue {
    const start = skipSpace(json, 0);
    return new JsonValue(json, start, endOfValue(json, start));
  }

  /** Makes a value of data that JSON knows. */
  static of(data: unknown): JsonValue {
    return JsonValue.ofValid(JSON.stringify(data) ?? 'null');
  }

  /** The value as it was written. */
  get json(): string {
    return this.source.slice(this.start, this.end);
  }

  /** The elements of a list, none of anything else. */
  get items(): readonly JsonValue[] {
    this.knownItems ??= this.kind === 'list' ? this.readItems() : [];
    return this.knownItems;
  }

  /** The members of a map, none of anything else. Of a name that stands twice the last one, as for `JSON.parse`. */
  get members(): ReadonlyMap<string, JsonValue> {
    this.knownMembers ??= this.kind === 'map' ? this.readMembers() : NO_MEMBERS;
    return this.knownMembers;
  }

  /** Whether a map has a name twice, of which readers take the first or the last. */
  get hasRepeatedName(): boolean {
    return this.members.size > 0 && this.repeats;
  }

  /** Finds a member by its name, or an element by its index. */
  find(key: string | number): JsonValue | undefined {
    return typeof key === 'number' ? this.items[key] : this.members.get(key);
  }

  /** What a text, number or boolean says, a number as it was written; `undefined` for what is none of them. */
  get text(): string | undefined {
    switch (this.kind) {
      case 'text':
        return JSON.parse(this.json) as string;
      case 'number':
      case 'boolean':
        return this.json;
      default:
        return undefined;
    }
  }

  private readItems(): JsonValue[] {
    const items: JsonValue[] = [];
    let i = skipSpace(this.source, this.start + 1);
    while (this.source[i] !== ']') {
      const end = endOfValue(this.source, i);
      items.push(new JsonValue(this.source, i, end));
      i = this.afterComma(end);
    }
    return items;
  }

  private readMembers(): Map<string, JsonValue> {
    const members = new Map<string, JsonValue>();
    let i = skipSpace(this.source, this.start + 1);
    while (this.source[i] !== '}') {
      const nameEnd = endOfText(this.source, i);
      const name = JSON.parse(this.source.slice(i, nameEnd)) as string;
      const start = skipSpace(this.source, skipSpace(this.source, nameEnd) + 1);
      const end = endOfValue(this.source, start);
      this.repeats ||= members.has(name);
      members.set(name, new JsonValue(this.source, start, end));
      i = this.afterComma(end);
    }
    return members;
  }

  private afterComma(end: number): number {
    const i = skipSpace(this.source, end);
    return this.source[i] === ',' ? skipSpace(this.source, i + 1) : i;
  }
}

const NO_MEMBERS: ReadonlyMap<string, JsonValue> = new Map();
