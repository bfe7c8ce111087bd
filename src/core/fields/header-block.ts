import { fieldKindOf } from '../field-kind.ts';
import { sameName } from './same-name.ts';

/** Fields that are added together again and again, their lines written once. */
export class HeaderBlock {
  /** Names and values by turns. */
  readonly fields: readonly string[];
  readonly lines: string;
  /** The `FieldKind` of each field. */
  readonly kindOf: readonly number[];
  /** Bits of the `FieldKind`s in it. */
  readonly kinds: number;

  /** Takes names and values that are known to be safe. */
  constructor(fields: readonly string[]) {
    this.fields = fields;
    let lines = '';
    let kinds = 0;
    const kindOf: number[] = [];
    for (let i = 0; i < fields.length; i += 2) {
      lines += `${fields[i]}: ${fields[i + 1]}\r\n`;
      const kind = fieldKindOf(fields[i] as string);
      kindOf.push(kind);
      kinds |= 1 << kind;
    }
    this.lines = lines;
    this.kindOf = kindOf;
    this.kinds = kinds;
  }
}

const NO_FIELDS: readonly string[] = [];

/** Gives names and values by turns of fields of which some stand in blocks. */
export function expand(added: readonly (string | HeaderBlock)[]): readonly string[] {
  if (added.length === 0) return NO_FIELDS;
  return added.flatMap((item) => (typeof item === 'string' ? item : item.fields));
}

/** Joins the value of a field to those found before it (RFC 9110 §5.3). */
export function joined(found: string | undefined, value: string): string {
  return found === undefined ? value : `${found}, ${value}`;
}

/** Joins what a block has of `name` to the values found before it. */
export function joinedFrom(
  { fields }: HeaderBlock,
  name: string,
  found: string | undefined,
): string | undefined {
  let values = found;
  for (let i = 0; i < fields.length; i += 2) {
    if (sameName(fields[i] as string, name)) values = joined(values, fields[i + 1] as string);
  }
  return values;
}

/** Joins what a block has of a `FieldKind` to the values found before it. */
export function joinedKind(
  { fields, kindOf }: HeaderBlock,
  kind: number,
  found: string | undefined,
): string | undefined {
  let values = found;
  for (let i = 0; i < kindOf.length; i++) {
    if (kindOf[i] === kind) values = joined(values, fields[i * 2 + 1] as string);
  }
  return values;
}

/** Gives the bits of all kinds in marks, of which every `stride`-th is one. */
export function kindsOf(marks: readonly number[], stride: number): number {
  let kinds = 0;
  for (let i = 0; i < marks.length; i += stride) kinds |= 1 << (marks[i] as number);
  return kinds;
}
