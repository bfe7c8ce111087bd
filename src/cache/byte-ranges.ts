import { trimOws } from '../core/fields/field-text.ts';
/** Bytes of a body, both ends included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** What a `Range` asks of a body: nothing that counts, nothing that is there, or these parts. */
export type RangeRequest = 'whole' | 'unsatisfiable' | readonly ByteRange[];

/** So many parts are not asked for by anybody who means well. */
const MAX_RANGES = 16;

/**
 * Reads `Range` against a body of `length` bytes (RFC 9110 §14.1.2). What is malformed, of another unit, or more work
 * than the whole (many parts, or parts that overlap: §17.15) is answered with the whole.
 */
export function readRanges(text: string | undefined, length: number): RangeRequest {
  const [, list] = /^bytes=(.*)$/i.exec(trimOws(text ?? '')) ?? [];
  if (list === undefined) return 'whole';
  const ranges: ByteRange[] = [];
  const parts = list.split(',', MAX_RANGES + 1).map((part) => trimOws(part));
  if (parts.length > MAX_RANGES) return 'whole';
  for (const part of parts) {
    const [, first, last] = /^(\d{0,15})-(\d{0,15})$/.exec(part) ?? [];
    if (first === undefined || last === undefined || (first === '' && last === '')) return 'whole';
    if (first !== '' && last !== '' && Number(last) < Number(first)) return 'whole';
    const range = resolveRange(first, last, length);
    if (range !== undefined) ranges.push(range);
  }
  if (ranges.length === 0) return 'unsatisfiable';
  return overlap(ranges) ? 'whole' : ranges;
}

function resolveRange(first: string, last: string, length: number): ByteRange | undefined {
  if (first === '') {
    const count = Math.min(Number(last), length);
    return count === 0 ? undefined : { first: length - count, last: length - 1 };
  }
  if (Number(first) >= length) return undefined;
  return { first: Number(first), last: last === '' ? length - 1 : Math.min(Number(last), length - 1) };
}

function overlap(ranges: readonly ByteRange[]): boolean {
  const sorted = [...ranges].sort((a, b) => a.first - b.first);
  return sorted.some((range, i) => i > 0 && range.first <= sorted[i - 1]!.last);
}
