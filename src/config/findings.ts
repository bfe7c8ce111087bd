import type { ConfigPath } from './problem.ts';

/**
 * Takes what the checks find. They look at the configuration as written, malformed parts and all, so that one mistake
 * never hides another; each looks only at what has the form it needs.
 */
export interface Findings {
  /** Reports a mistake. `text` says what is wrong, and behind ' — ' what to write instead. */
  reject(path: ConfigPath, text: string): void;
  /** Reports what is allowed but deserves a look. */
  warn(path: ConfigPath, text: string): void;
  /** Quotes a value for a message, unless it came out of a reference. */
  quote(path: ConfigPath, value: string): string;
}

/** A map as written, of which nothing is known yet. */
export type Fields = Readonly<Record<string, unknown>>;

/** Reads a value as a map, an empty one if it is something else. */
export function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** Reads a value as a list, an empty one if it is something else. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The parts of a route's `split` and where they stand, in the short form and in the long one. */
export function splitParts(split: unknown): { readonly parts: readonly Fields[]; readonly at: ConfigPath } {
  if (Array.isArray(split)) return { parts: split.map(asFields), at: ['split'] };
  return { parts: asList(asFields(split).parts).map(asFields), at: ['split', 'parts'] };
}
