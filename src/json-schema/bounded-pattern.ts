import { costOf } from './pattern-cost.ts';

/** The longest texts that are held against a pattern, by the power of its cost: its time is then that of a linear one. */
const LONGEST: readonly number[] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 1024, 64];
const LONGEST_OF_ANY = 16;

/** The longest text that is held against a pattern of this cost. */
export function longestFor(power: number): number {
  return LONGEST[power] ?? LONGEST_OF_ANY;
}

/** A pattern that no longer text matches. */
class BoundedPattern extends RegExp {
  readonly longest: number;

  constructor(pattern: string, flags: string, longest: number) {
    super(pattern, flags);
    this.longest = longest;
  }

  override test(text: string): boolean {
    return text.length <= this.longest && super.test(text);
  }
}

/**
 * Compiles a pattern of a schema. Of one whose time grows faster than its text, only short texts are tried; others do not
 * match. Throws `SyntaxError` for what is no pattern or could run for ever.
 */
export function compilePattern(pattern: string): RegExp {
  const cost = costOf(pattern);
  if (cost === undefined) throw new SyntaxError('is not a regular expression');
  if (cost === 'exponential') throw new SyntaxError('could run for hours on a short text');
  const longest = longestFor(cost.power);
  const flags = isUnicode(pattern) ? 'u' : '';
  return longest === Number.POSITIVE_INFINITY
    ? new RegExp(pattern, flags)
    : new BoundedPattern(pattern, flags, longest);
}

/** JSON Schema asks for Unicode patterns (core §6.4); people also write what is none, such as `\-`. */
function isUnicode(pattern: string): boolean {
  try {
    new RegExp(pattern, 'u');
    return true;
  } catch {
    return false;
  }
}
