import type { AST } from '@eslint-community/regexpp';
import { type CharacterSet, charactersOf, EVERY_CHARACTER } from './character-set.ts';

/** A place in a pattern that takes one character. */
export interface PatternState {
  readonly characters: CharacterSet;
  /** The states that may come next, and whether there is more than one way there without a character between. */
  readonly next: Map<number, Ways>;
}

/** One way, or several. */
export type Ways = 1 | 2;

/** A piece of a pattern: where it may begin and end, and in how many ways it takes nothing. */
interface Piece {
  readonly first: ReadonlyMap<number, Ways>;
  readonly last: ReadonlyMap<number, Ways>;
  readonly empty: 0 | Ways;
}

const NOTHING: Piece = { first: new Map(), last: new Map(), empty: 1 };
/** A count above this is looked at as if there were no limit. */
const MANY = 8;
const MAX_STATES = 3000;

/** Thrown for a pattern that has more states than anybody needs. */
export class PatternTooLarge extends Error {}

/** The states of a pattern (its Glushkov automaton), in which a way through is a way in which a text may match. */
export class PatternAutomaton {
  readonly states: PatternState[] = [];
  /** What stands in lookarounds, each a pattern of its own. */
  readonly within: AST.Alternative[][] = [];

  /** `isSearch` is whether a match may begin anywhere in the text. */
  constructor(alternatives: readonly AST.Alternative[], isSearch: boolean) {
    const pieces = alternatives.map((alternative) => {
      const piece = this.sequence(alternative.elements.map((element) => this.element(element)));
      const isAnchored = beginsAtStart(alternative);
      if (!endsAtEnd(alternative)) this.endAt(piece);
      return isAnchored || !isSearch
        ? piece
        : this.sequence([this.repeat(this.single(EVERY_CHARACTER)), piece]);
    });
    this.either(pieces);
  }

  /** Nothing can fail behind a place at which the whole pattern may end. */
  private endAt({ last }: Piece): void {
    for (const state of last.keys()) this.states[state]?.next.clear();
  }

  private element(element: AST.Element): Piece {
    switch (element.type) {
      case 'Group':
      case 'CapturingGroup':
        return this.either(
          element.alternatives.map(({ elements }) =>
            this.sequence(elements.map((each) => this.element(each))),
          ),
        );
      case 'Quantifier':
        return this.quantified(element);
      case 'Assertion':
        if ('alternatives' in element) this.within.push(element.alternatives);
        return NOTHING;
      case 'Backreference':
        return this.repeat(this.single(EVERY_CHARACTER));
      default:
        return this.single(charactersOf(element));
    }
  }

  private single(characters: CharacterSet): Piece {
    if (this.states.length === MAX_STATES) throw new PatternTooLarge();
    const state = this.states.push({ characters, next: new Map() }) - 1;
    const ways: ReadonlyMap<number, Ways> = new Map([[state, 1]]);
    return { first: ways, last: ways, empty: 0 };
  }

  private quantified({ element, min, max }: AST.Quantifier): Piece {
    if (max === 0) return NOTHING;
    const isMany = max > MANY;
    const pieces: Piece[] = [];
    for (let i = 0; i < Math.min(min, isMany ? 2 : MANY); i++) pieces.push(this.element(element));
    if (isMany) pieces.push(this.repeat(this.element(element)));
    else if (max > min) pieces.push(this.optional(element, max - min));
    return this.sequence(pieces);
  }

  /** Nested, so that there is one way to take fewer. */
  private optional(element: AST.QuantifiableElement, count: number): Piece {
    const piece = this.element(element);
    const whole = count > 1 ? this.sequence([piece, this.optional(element, count - 1)]) : piece;
    return { ...whole, empty: whole.empty === 0 ? 1 : 2 };
  }

  private repeat(piece: Piece): Piece {
    this.connect(piece.last, piece.first, 1);
    // An empty turn ends a repetition, so that emptiness within it adds nothing.
    return { ...piece, empty: 1 };
  }

  private sequence(pieces: readonly Piece[]): Piece {
    return pieces.reduce((left, right) => {
      this.connect(left.last, right.first, 1);
      return {
        first: left.empty === 0 ? left.first : union(left.first, right.first, left.empty),
        last: right.empty === 0 ? right.last : union(right.last, left.last, right.empty),
        empty: left.empty === 0 || right.empty === 0 ? 0 : many(left.empty * right.empty),
      };
    }, NOTHING);
  }

  private either(pieces: readonly Piece[]): Piece {
    const empty = pieces.reduce((sum, piece) => sum + piece.empty, 0);
    return {
      first: pieces.reduce((all, { first }) => union(all, first, 1), NOTHING.first),
      last: pieces.reduce((all, { last }) => union(all, last, 1), NOTHING.last),
      empty: empty === 0 ? 0 : many(empty),
    };
  }

  private connect(from: ReadonlyMap<number, Ways>, to: ReadonlyMap<number, Ways>, ways: number): void {
    for (const [state, left] of from) {
      const next = this.states[state]?.next as Map<number, Ways>;
      for (const [target, right] of to) next.set(target, many((next.get(target) ?? 0) + left * right * ways));
    }
  }
}

function many(count: number): Ways {
  return count > 1 ? 2 : 1;
}

function union(a: ReadonlyMap<number, Ways>, b: ReadonlyMap<number, Ways>, ways: Ways): Map<number, Ways> {
  const all = new Map(a);
  for (const [state, count] of b) all.set(state, many((all.get(state) ?? 0) + count * ways));
  return all;
}

function beginsAtStart({ elements: [first] }: AST.Alternative): boolean {
  return first !== undefined && isEdge(first, 'start', beginsAtStart);
}

function endsAtEnd({ elements }: AST.Alternative): boolean {
  const last = elements.at(-1);
  return last !== undefined && isEdge(last, 'end', endsAtEnd);
}

function isEdge(
  element: AST.Element,
  kind: 'start' | 'end',
  isAlternative: (alternative: AST.Alternative) => boolean,
): boolean {
  if (element.type === 'Assertion') return element.kind === kind;
  return (
    (element.type === 'Group' || element.type === 'CapturingGroup') &&
    element.alternatives.every(isAlternative)
  );
}
