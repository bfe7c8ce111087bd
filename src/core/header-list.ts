import { FieldKind, fieldKindAt, fieldKindOf } from './field-kind.ts';
import { expand, type HeaderBlock, joined, joinedFrom, joinedKind, kindsOf } from './fields/header-block.ts';
import { sameLetters, sameName } from './fields/same-name.ts';
import type { NameSet } from './identity/name-set.ts';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
export const STRIDE = 5;

/** By which a list is known as one where another copy of this module made it. */
const BRAND = Symbol.for('sallyport.HeaderList');

/**
 * Finds the list in what code gave: one of ours, or a like one where another copy made it; `undefined` where it is none.
 * Never throws, whatever is looked at.
 */
export function asHeaderList(value: unknown): HeaderList | undefined {
  if (value instanceof HeaderList) return value;
  try {
    const isCopy = typeof value === 'object' && value !== null && BRAND in value;
    return isCopy ? HeaderList.from(value as unknown as Iterable<[string, string]>) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * An ordered list of headers that keeps duplicates and the spelling of names; names match whatever their case.
 *
 * A received head stays one string with offsets into it (`raw`, `marks`), so that what is only passed on is copied
 * in whole runs of lines. What the gateway adds stands behind it in `added`.
 */
export class HeaderList {
  /** The received lines, each closed by CRLF; empty for a list made by hand. */
  private readonly raw: string;
  /** Five numbers a received field: kind, name start, name end, value start, value end. */
  private readonly marks: number[];
  private readonly rawEnd: number;
  /** Name and value by turns, or a block in the place of both. */
  private added: (string | HeaderBlock)[] = [];

  /** Bits of the `FieldKind`s that may be there, so that asking for one that is not costs nothing. */
  private kinds: number;

  private constructor(raw: string, rawEnd: number, marks: number[], kinds: number) {
    this.raw = raw;
    this.rawEnd = rawEnd;
    this.marks = marks;
    this.kinds = kinds;
  }

  /**
   * Wraps received lines. `marks` holds five numbers a field as `markField` writes them; `rawEnd` is the end of the
   * last line; `kinds` has the bits of all kinds in `marks`.
   */
  static received(raw: string, rawEnd: number, marks: number[], kinds = kindsOf(marks, STRIDE)): HeaderList {
    return new HeaderList(raw, rawEnd, marks, kinds);
  }

  /** Builds a list from pairs or a record. Throws `TypeError` for a name or value that HTTP does not allow. */
  static from(fields: Iterable<readonly [string, string]> | Record<string, string> = []): HeaderList {
    const list = new HeaderList('', 0, [], 0);
    const pairs = Symbol.iterator in fields ? fields : Object.entries(fields);
    for (const [name, value] of pairs as Iterable<readonly [string, string]>) list.append(name, value);
    return list;
  }

  /** Returns the value of `name`, several joined by `, ` (RFC 9110 §5.3), or `undefined`. */
  get(name: string): string | undefined {
    const kind = fieldKindOf(name);
    if ((this.kinds & (1 << kind)) === 0) return undefined;
    let found: string | undefined;
    for (let i = 0; i < this.marks.length; i += STRIDE) {
      if (this.matches(i, name, kind)) found = joined(found, this.valueAt(i));
    }
    for (let i = 0; i < this.added.length; i++) {
      const item = this.added[i] as string | HeaderBlock;
      if (typeof item === 'string') {
        i++;
        if (sameName(item, name)) found = joined(found, this.added[i] as string);
      } else found = joinedFrom(item, name, found);
    }
    return found;
  }

  /** Returns every value of `name`, in order. */
  getAll(name: string): string[] {
    const kind = fieldKindOf(name);
    const values: string[] = [];
    for (let i = 0; i < this.marks.length; i += STRIDE) {
      if (this.matches(i, name, kind)) values.push(this.valueAt(i));
    }
    if (this.added.length > 0) values.push(...this.addedValues((other) => sameName(other, name)));
    return values;
  }

  /** Tells whether `name` stands there more than once. */
  isRepeated(name: string): boolean {
    const kind = fieldKindOf(name);
    if ((this.kinds & (1 << kind)) === 0) return false;
    let count = 0;
    for (let i = 0; i < this.marks.length && count < 2; i += STRIDE) if (this.matches(i, name, kind)) count++;
    if (count < 2 && this.added.length > 0)
      count += this.addedValues((other) => sameName(other, name)).length;
    return count > 1;
  }

  /** Tells whether there is a field of this name, in any case. */
  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** Returns the joined value of the fields of one `FieldKind`, or `undefined`. */
  getKind(kind: number): string | undefined {
    if ((this.kinds & (1 << kind)) === 0) return undefined;
    let found: string | undefined;
    for (let i = 0; i < this.marks.length; i += STRIDE) {
      if (this.marks[i] === kind) found = joined(found, this.valueAt(i));
    }
    for (let i = 0; i < this.added.length; i++) {
      const item = this.added[i] as string | HeaderBlock;
      if (typeof item === 'string') {
        i++;
        if (fieldKindOf(item) === kind) found = joined(found, this.added[i] as string);
      } else if ((item.kinds & (1 << kind)) !== 0) found = joinedKind(item, kind, found);
    }
    return found;
  }

  /** Tells whether there may be a field whose kind has its bit set in `kinds`. */
  mayHaveKinds(kinds: number): boolean {
    return (this.kinds & kinds) !== 0;
  }

  /** Removes every field of one `FieldKind`. */
  deleteKind(kind: number): void {
    this.deleteKinds(1 << kind);
  }

  /** Removes every field whose kind has its bit set in `kinds`, in one pass. */
  deleteKinds(kinds: number): void {
    if ((this.kinds & kinds) === 0) return;
    this.kinds &= ~kinds;
    const marks = this.marks;
    for (let i = 0; i < marks.length; i += STRIDE) {
      const kind = marks[i] as number;
      if (kind > 0 && (kinds & (1 << kind)) !== 0) marks[i] = FieldKind.removed;
    }
    if (this.mayHaveAdded(kinds)) this.dropAdded((name) => (kinds & (1 << fieldKindOf(name)) & ~1) !== 0);
  }

  /** Adds a field behind the others. Throws `TypeError` for a name or value that HTTP does not allow. */
  append(name: string, value: string): void {
    if (!TOKEN.test(name)) throw new TypeError(`'${name}' is not a header name`);
    if (BAD_VALUE.test(value))
      throw new TypeError(`the value for header '${name}' holds a forbidden character`);
    this.appendTrusted(name, value);
  }

  /** Adds a field that the gateway itself made of parts known to be safe, unchecked. */
  appendTrusted(name: string, value: string): void {
    this.kinds |= 1 << fieldKindOf(name);
    this.added.push(name, value);
  }

  /** Replaces every field called `name` by one. Throws `TypeError` as `append` does. */
  set(name: string, value: string): void {
    this.delete(name);
    this.append(name, value);
  }

  /** Takes out all fields of this name, in any case. */
  delete(name: string): void {
    const kind = fieldKindOf(name);
    if ((this.kinds & (1 << kind)) === 0) return;
    for (let i = 0; i < this.marks.length; i += STRIDE) {
      if (this.matches(i, name, kind)) this.marks[i] = FieldKind.removed;
    }
    if (this.added.length > 0) this.dropAdded((other) => sameName(other, name));
  }

  /** Removes every field whose name is in `names`, in one pass. */
  deleteAll(names: Pick<NameSet, 'hasAt'>): void {
    const marks = this.marks;
    for (let i = 0; i < marks.length; i += STRIDE) {
      if (names.hasAt(this.raw, marks[i + 1] as number, marks[i + 2] as number)) marks[i] = FieldKind.removed;
    }
    if (this.added.length > 0) this.dropAdded((name) => names.hasAt(name, 0, name.length));
  }

  /** Adds the fields of `block`, as `appendTrusted` does. */
  appendBlock(block: HeaderBlock): void {
    this.kinds |= block.kinds;
    this.added.push(block);
  }

  /**
   * Gives names and values by turns of what was added to the received fields, or put in their place.
   * @internal
   */
  get addedFields(): readonly string[] {
    return this.added.length === 0 ? NONE : expand(this.added);
  }

  /**
   * Lists the names of the fields whose kind has its bit set in `kinds`, in lower case, but for those in `known`.
   * @internal
   */
  namesBut(known: Pick<NameSet, 'hasAt'>, kinds: number): readonly string[] {
    if ((this.kinds & kinds) === 0) return NONE;
    const { marks, raw } = this;
    let found: string[] | undefined;
    for (let i = 0; i < marks.length; i += STRIDE) {
      const kind = marks[i] as number;
      if (kind === FieldKind.removed || (kinds & (1 << kind)) === 0) continue;
      const [start, end] = [marks[i + 1] as number, marks[i + 2] as number];
      if (!known.hasAt(raw, start, end)) {
        found ??= [];
        found.push(raw.slice(start, end).toLowerCase());
      }
    }
    for (let i = 0, { addedFields } = this; i < addedFields.length; i += 2) {
      const name = addedFields[i] as string;
      if ((kinds & (1 << fieldKindOf(name))) === 0 || known.hasAt(name, 0, name.length)) continue;
      found ??= [];
      found.push(name.toLowerCase());
    }
    return found ?? NONE;
  }

  /** Yields name and value of each field, in order, the names as they were spelt. */
  *entries(): Generator<[name: string, value: string]> {
    for (let i = 0; i < this.marks.length; i += STRIDE) {
      if (this.marks[i] === FieldKind.removed) continue;
      yield [this.raw.slice(this.marks[i + 1], this.marks[i + 2]), this.valueAt(i)];
    }
    const added = expand(this.added);
    for (let i = 0; i < added.length; i += 2) yield [added[i] as string, added[i + 1] as string];
  }

  /** @internal */
  get [BRAND](): true {
    return true;
  }

  /** Gives all fields in their order, names as they were written. */
  [Symbol.iterator](): Generator<[name: string, value: string]> {
    return this.entries();
  }

  /** Returns an independent copy. */
  clone(): HeaderList {
    const copy = new HeaderList(this.raw, this.rawEnd, this.marks.slice(), this.kinds);
    copy.added = this.added.slice();
    return copy;
  }

  /** Writes the fields as lines, each closed by CRLF: received runs as they came, then what was added. */
  toLines(): string {
    const marks = this.marks;
    let lines = '';
    let runStart = -1;
    for (let i = 0; i < marks.length; i += STRIDE) {
      if (marks[i] !== FieldKind.removed) {
        if (runStart < 0) runStart = marks[i + 1] as number;
      } else if (runStart >= 0) {
        lines += this.raw.slice(runStart, marks[i + 1]);
        runStart = -1;
      }
    }
    if (runStart >= 0) lines += this.raw.slice(runStart, this.rawEnd);
    for (let i = 0; i < this.added.length; i++) {
      const item = this.added[i] as string | HeaderBlock;
      lines += typeof item === 'string' ? `${item}: ${this.added[++i]}\r\n` : item.lines;
    }
    return lines;
  }

  private matches(i: number, name: string, kind: number): boolean {
    const mark = this.marks[i] as number;
    if (mark === FieldKind.removed) return false;
    if (kind !== FieldKind.other && kind !== FieldKind.xAuth && mark !== kind) return false;
    const start = this.marks[i + 1] as number;
    return (this.marks[i + 2] as number) - start === name.length && sameLetters(this.raw, start, name);
  }

  private valueAt(i: number): string {
    return this.raw.slice(this.marks[i + 3], this.marks[i + 4]);
  }

  /** Tells whether an added field can be of one of these kinds, bits as in `HeaderBlock`. */
  private mayHaveAdded(kinds: number): boolean {
    for (let i = 0; i < this.added.length; i++) {
      const item = this.added[i] as string | HeaderBlock;
      if (typeof item !== 'string') {
        if ((item.kinds & kinds) !== 0) return true;
      } else {
        i++;
        if ((kinds & (1 << fieldKindOf(item))) !== 0) return true;
      }
    }
    return false;
  }

  private addedValues(isMeant: (name: string) => boolean): string[] {
    const added = expand(this.added);
    return added.filter((_, i) => i % 2 === 1 && isMeant(added[i - 1] as string));
  }

  private hasAdded(isMeant: (name: string) => boolean): boolean {
    for (let i = 0; i < this.added.length; i++) {
      const item = this.added[i] as string | HeaderBlock;
      if (typeof item !== 'string') {
        for (let j = 0; j < item.fields.length; j += 2) if (isMeant(item.fields[j] as string)) return true;
      } else {
        i++;
        if (isMeant(item)) return true;
      }
    }
    return false;
  }

  private dropAdded(isDropped: (name: string) => boolean): void {
    if (!this.hasAdded(isDropped)) return;
    const added = expand(this.added);
    this.added = added.filter((_, i) => !isDropped(added[i - (i % 2)] as string));
  }
}

const NONE: readonly string[] = [];

/** Writes the marks of one field to `marks`, from `at` on, and returns its kind. */
export function markField(
  marks: number[],
  at: number,
  raw: string,
  nameStart: number,
  nameEnd: number,
  valueStart: number,
  valueEnd: number,
): number {
  const kind = fieldKindAt(raw, nameStart, nameEnd);
  marks[at] = kind;
  marks[at + 1] = nameStart;
  marks[at + 2] = nameEnd;
  marks[at + 3] = valueStart;
  marks[at + 4] = valueEnd;
  return kind;
}
