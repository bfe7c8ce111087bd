import type { z } from 'zod';
import type { ConfigPath } from './problem.ts';
import { splitRemedy } from './problem.ts';
import { suggest } from './suggest.ts';

/** What a check or the schema found, before its place in the file is looked up. */
export interface Finding {
  readonly path: ConfigPath;
  readonly message: string;
  readonly remedy: string;
  /** Whether the mistake is the key itself, not its value. */
  readonly isAtKey?: boolean;
  /** Where it stands, where that is another file, which the configuration names. */
  readonly place?: { readonly file: string; readonly line?: number; readonly column?: number };
}

/** Names the keys that may stand at a place. */
export type KnownKeys = (path: ConfigPath) => readonly string[];

const MAX_CHOICES_SHOWN = 8;

type Issue = z.core.$ZodIssue;

/** Words one issue of the schema as findings: what is wrong there, and what to write instead. Never shows a value. */
export function describeIssue(issue: Issue, data: unknown, knownKeys: KnownKeys): Finding[] {
  return flattenIssue(issue).flatMap((flat) => {
    if (flat.code === 'unrecognized_keys') return describeUnknownKeys(flat, knownKeys);
    if (flat.code === 'invalid_key') return [describeKey(flat)];
    const value = valueAt(data, flat.path);
    if (value === undefined) return [describeMissing(flat)];
    return [{ path: flat.path, ...describeValue(flat, value) }];
  });
}

/** Follows an issue into the member of a union that the value was most likely meant for. */
export function flattenIssue(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const [meant] = issue.errors
    .filter((issues) => issues.length > 0 && !issues.some(isWrongKind))
    .sort((a, b) => a.length - b.length);
  if (meant === undefined) return [issue];
  return meant.flatMap((inner) => flattenIssue({ ...inner, path: [...issue.path, ...inner.path] } as Issue));
}

/** Follows `path` into plain data. */
export function valueAt(data: unknown, path: ConfigPath): unknown {
  let value = data;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function isWrongKind(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function describeUnknownKeys(issue: Issue & { code: 'unrecognized_keys' }, knownKeys: KnownKeys): Finding[] {
  const known = knownKeys(issue.path);
  return issue.keys.map((key) => {
    const close = suggest(key, known);
    const list = known.length > 0 ? `use one of ${known.join(', ')}` : 'take it out';
    return {
      path: [...issue.path, key],
      message: `there is no setting '${key}' here`,
      remedy: close === undefined ? list : `did you mean '${close}'?`,
      isAtKey: true,
    };
  });
}

function describeKey(issue: Issue & { code: 'invalid_key' }): Finding {
  const { message, remedy } = splitRemedy(issue.issues[0]?.message ?? 'is not a name that can stand here');
  return { path: issue.path, message, remedy: remedy ?? 'choose another name', isAtKey: true };
}

function describeMissing(issue: Issue): Finding {
  const key = String(issue.path.at(-1) ?? '');
  if (issue.code === 'custom') return { path: issue.path, ...worded(issue.message, 'add it') };
  return {
    path: issue.path,
    message: 'is missing',
    remedy: key === '' ? 'write a configuration' : `add '${key}'`,
  };
}

function describeValue(issue: Issue, value: unknown): { message: string; remedy: string } {
  const own = splitRemedy(issue.message);
  if (own.remedy !== undefined) return { message: own.message, remedy: own.remedy };
  switch (issue.code) {
    case 'invalid_type':
      return describeType(issue.expected, value);
    case 'invalid_value':
      return describeChoice(issue.values.map(String), value);
    case 'too_small':
      return worded(`must be at least ${issue.minimum}${unitOf(issue.origin)}`, 'raise it');
    case 'too_big':
      return worded(`must be at most ${issue.maximum}${unitOf(issue.origin)}`, 'lower it');
    case 'invalid_union':
      return worded('is of no kind that can stand here', 'see the reference of this setting');
    default:
      return worded(own.message, 'see the reference of this setting');
  }
}

function worded(text: string, otherwise: string): { message: string; remedy: string } {
  const { message, remedy } = splitRemedy(text);
  return { message, remedy: remedy ?? otherwise };
}

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters long';
  return origin === 'array' || origin === 'set' ? ' entries long' : '';
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  array: 'a list',
};

function describeType(expected: string, value: unknown): { message: string; remedy: string } {
  const due = KINDS[expected] ?? expected;
  const found =
    value === null ? 'empty' : (KINDS[Array.isArray(value) ? 'array' : typeof value] ?? 'something else');
  const message = `is ${found === 'true or false' ? found.replace(' or ', '/') : found} where ${due} is due`;
  const canBeQuoted = expected === 'string' && value !== null && !Array.isArray(value);
  return { message, remedy: canBeQuoted ? 'quote it' : `write ${due}` };
}

function describeChoice(choices: readonly string[], value: unknown): { message: string; remedy: string } {
  const close = typeof value === 'string' ? suggest(value, choices) : undefined;
  if (close !== undefined) return { message: 'is not known here', remedy: `did you mean '${close}'?` };
  return { message: 'is not known here', remedy: `write ${listOf(choices)}` };
}

function listOf(choices: readonly string[]): string {
  if (choices.length === 1) return choices[0]!;
  const shown = choices.slice(0, MAX_CHOICES_SHOWN).join(', ');
  return choices.length > MAX_CHOICES_SHOWN ? `one of ${shown}, …` : `one of ${shown}`;
}
