import { createRequire } from 'node:module';
import type { AST } from '@eslint-community/regexpp';
import { asBits } from './character-set.ts';
import { PatternAutomaton, type PatternState, PatternTooLarge } from './pattern-automaton.ts';
import { strongComponents } from './strong-components.ts';

/**
 * How the time of a regular expression grows with its text, at worst: as a power of its length, 1 being linear; or so that
 * each character may double it. `undefined` where it is no regular expression.
 */
export type PatternCost = { readonly power: number } | 'exponential' | undefined;

/** Above this many steps a question is answered as if the answer were the bad one. */
const MAX_STEPS = 400_000;

type Regexpp = typeof import('@eslint-community/regexpp');
let regexpp: Regexpp | undefined;

/**
 * Tells how long a pattern may take. Backtracking tries all ways in which a text could match, so what counts is in how
 * many ways one text can go through the states of the pattern (Weideman et al., Analyzing Matching Time Behavior of
 * Backtracking Regular Expression Matchers by Using Ambiguity of NFA, 2016).
 */
export function costOf(pattern: string): PatternCost {
  const alternatives = parse(pattern);
  if (alternatives === undefined) return undefined;
  try {
    return costOfAlternatives(alternatives, true);
  } catch (error) {
    if (error instanceof PatternTooLarge) return 'exponential';
    throw error;
  }
}

function parse(pattern: string): readonly AST.Alternative[] | undefined {
  regexpp ??= createRequire(import.meta.url)('@eslint-community/regexpp') as Regexpp;
  const parser = new regexpp.RegExpParser({ ecmaVersion: 2025 });
  for (const unicode of [true, false]) {
    try {
      return parser.parsePattern(pattern, 0, pattern.length, { unicode }).alternatives;
    } catch {
      // Tried in the other way.
    }
  }
  return undefined;
}

function costOfAlternatives(alternatives: readonly AST.Alternative[], isSearch: boolean): PatternCost {
  const automaton = new PatternAutomaton(alternatives, isSearch);
  const ambiguity = new Ambiguity(automaton.states);
  if (ambiguity.isExponential()) return 'exponential';
  let power = ambiguity.power();
  for (const inner of automaton.within) {
    const cost = costOfAlternatives(inner, false);
    if (cost === 'exponential' || cost === undefined) return cost;
    power = Math.max(power, cost.power);
  }
  return { power };
}

class Ambiguity {
  private readonly states: readonly PatternState[];
  private readonly bits: readonly bigint[];
  /** The states that lead to each other, each list a loop. */
  private readonly loops: readonly (readonly number[])[];
  private steps = 0;

  constructor(states: readonly PatternState[]) {
    this.states = states;
    this.bits = asBits(states.map(({ characters }) => characters));
    this.loops = findLoops(states);
  }

  /** Whether there are two ways from a state back to it on the same text. */
  isExponential(): boolean {
    return this.loops.some((loop) => this.isAmbiguousLoop(loop));
  }

  /** One more than the longest chain of loops that one text can hand over from one to the next at any of its characters. */
  power(): number {
    const longest = new Map<number, number>();
    const lengthFrom = (i: number): number => {
      const known = longest.get(i);
      if (known !== undefined) return known;
      let length = 0;
      for (const [j] of this.loops.entries())
        if (i !== j && this.handsOver(i, j)) length = Math.max(length, 1 + lengthFrom(j));
      longest.set(i, length);
      return length;
    };
    return 1 + Math.max(0, ...this.loops.map((_, i) => lengthFrom(i)));
  }

  private isAmbiguousLoop(loop: readonly number[]): boolean {
    const members = new Set(loop);
    const pair = (a: number, b: number): number => a * this.states.length + b;
    const follow = (from: ReadonlySet<number>, back: boolean): Set<number> => {
      const seen = new Set(from);
      const queue = [...from];
      for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
        const a = Math.floor(at / this.states.length);
        const b = at % this.states.length;
        for (const x of this.neighbours(a, members, back)) {
          for (const y of this.neighbours(b, members, back)) {
            if (++this.steps > MAX_STEPS) throw new PatternTooLarge();
            const next = pair(x, y);
            if (seen.has(next) || !this.share(x, y)) continue;
            seen.add(next);
            queue.push(next);
          }
        }
      }
      return seen;
    };
    for (const state of loop)
      for (const [target, ways] of this.nextOf(state)) if (ways === 2 && members.has(target)) return true;
    const same = new Set(loop.map((state) => pair(state, state)));
    const ahead = follow(same, false);
    const behind = follow(same, true);
    return [...ahead].some((at) => !same.has(at) && behind.has(at));
  }

  /** Whether a text leads from loop `i` to itself, from `i` to `j`, and from `j` to itself. */
  private handsOver(i: number, j: number): boolean {
    const from = new Set(this.loops[i]);
    const to = new Set(this.loops[j]);
    const size = this.states.length;
    for (const start of from) {
      for (const end of to) {
        // The middle one begins where the first one is, and has to be where the last one is.
        const seen = new Set<number>();
        const queue: [number, number, number][] = [[start, start, end]];
        for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
          for (const x of this.neighbours(at[0], from, false)) {
            for (const z of this.neighbours(at[2], to, false)) {
              if (!this.share(x, z)) continue;
              for (const y of this.nextOf(at[1]).keys()) {
                if (++this.steps > MAX_STEPS) return true;
                if (((this.bits[x] as bigint) & (this.bits[y] as bigint) & (this.bits[z] as bigint)) === 0n)
                  continue;
                if (x === start && y === end && z === end) return true;
                const key = (x * size + y) * size + z;
                if (seen.has(key)) continue;
                seen.add(key);
                queue.push([x, y, z]);
              }
            }
          }
        }
      }
    }
    return false;
  }

  private share(x: number, y: number): boolean {
    return ((this.bits[x] as bigint) & (this.bits[y] as bigint)) !== 0n;
  }

  private nextOf(state: number): PatternState['next'] {
    return (this.states[state] as PatternState).next;
  }

  private *neighbours(state: number, members: ReadonlySet<number>, back: boolean): Generator<number> {
    if (!back) {
      for (const target of this.nextOf(state).keys()) if (members.has(target)) yield target;
      return;
    }
    for (const source of members) if (this.nextOf(source).has(state)) yield source;
  }
}

/** Finds the states that lead to each other, and to themselves. */
function findLoops(states: readonly PatternState[]): number[][] {
  const componentOf = strongComponents(states.length, (state) => (states[state] as PatternState).next.keys());
  const loops = new Map<number, number[]>();
  for (const [state, component] of componentOf.entries())
    loops.set(component, [...(loops.get(component) ?? []), state]);
  return [...loops.values()].filter(
    ([first, ...more]) =>
      more.length > 0 || (states[first as number] as PatternState).next.has(first as number),
  );
}
