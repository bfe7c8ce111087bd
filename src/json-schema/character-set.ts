import type { AST } from '@eslint-community/regexpp';

/** Code points as ranges, in order, both ends included. */
export type CharacterSet = readonly (readonly [from: number, to: number])[];

const LAST = 0x10ffff;
/** Properties are looked up code point by code point below this; above it they are taken to hold everything. */
const LAST_LOOKED_UP = 0x2fff;

export const EVERY_CHARACTER: CharacterSet = [[0, LAST]];

/** The characters that one element of a regular expression takes. */
export function charactersOf(
  element: AST.Character | AST.CharacterSet | AST.CharacterClass | AST.ExpressionCharacterClass,
): CharacterSet {
  switch (element.type) {
    case 'Character':
      return [[element.value, element.value]];
    case 'CharacterSet':
      return charactersOfSet(element);
    case 'CharacterClass': {
      const ranges = element.elements.flatMap((each): CharacterSet => {
        if (each.type === 'CharacterClassRange') return [[each.min.value, each.max.value]];
        return each.type === 'ClassStringDisjunction' ? EVERY_CHARACTER : charactersOf(each);
      });
      return element.negate ? complement(ranges) : merge(ranges);
    }
    default:
      return EVERY_CHARACTER;
  }
}

function charactersOfSet(set: AST.CharacterSet): CharacterSet {
  switch (set.kind) {
    case 'any':
      return complement([
        [0x0a, 0x0a],
        [0x0d, 0x0d],
        [0x2028, 0x2029],
      ]);
    case 'property':
      return charactersOfProperty(set.raw);
    default: {
      const ranges = SHORTHANDS[set.kind];
      return set.negate ? complement(ranges) : ranges;
    }
  }
}

const SHORTHANDS: Readonly<Record<'digit' | 'space' | 'word', CharacterSet>> = {
  digit: [[0x30, 0x39]],
  word: [
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x5f, 0x5f],
    [0x61, 0x7a],
  ],
  space: [
    [0x09, 0x0d],
    [0x20, 0x20],
    [0xa0, 0xa0],
    [0x1680, 0x1680],
    [0x2000, 0x200a],
    [0x2028, 0x2029],
    [0x202f, 0x202f],
    [0x205f, 0x205f],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ],
};

function charactersOfProperty(raw: string): CharacterSet {
  const pattern = new RegExp(raw, 'u');
  const ranges: [number, number][] = [[LAST_LOOKED_UP + 1, LAST]];
  for (let code = 0; code <= LAST_LOOKED_UP; code++)
    if (pattern.test(String.fromCodePoint(code))) ranges.push([code, code]);
  return merge(ranges);
}

function merge(ranges: CharacterSet): CharacterSet {
  const merged: [number, number][] = [];
  for (const [from, to] of [...ranges].sort(([a], [b]) => a - b)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

function complement(ranges: CharacterSet): CharacterSet {
  const rest: [number, number][] = [];
  let next = 0;
  for (const [from, to] of merge(ranges)) {
    if (from > next) rest.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= LAST) rest.push([next, LAST]);
  return rest;
}

/** Gives each set as bits, one for each part of the alphabet that no set tells apart. */
export function asBits(sets: readonly CharacterSet[]): bigint[] {
  const starts = new Set([0]);
  for (const set of sets) {
    for (const [from, to] of set) {
      starts.add(from);
      starts.add(to + 1);
    }
  }
  const order = [...starts].sort((a, b) => a - b);
  const bitOf = new Map(order.map((start, i) => [start, i]));
  return sets.map((set) => {
    let bits = 0n;
    for (const [from, to] of set) {
      const first = BigInt(bitOf.get(from) as number);
      const end = BigInt(bitOf.get(to + 1) as number);
      bits |= ((1n << (end - first)) - 1n) << first;
    }
    return bits;
  });
}
