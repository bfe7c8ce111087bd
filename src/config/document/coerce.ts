import type { z } from 'zod';
import { flattenIssue, valueAt } from '../issue-problems.ts';
import type { Interpolated } from './interpolate.ts';
import { pathKey } from './interpolate.ts';

/**
 * Gives values that are one whole reference the type that the schema asked for: `"${PORT}"` where a number is due
 * becomes one. Changes `data` in place, and says whether it did.
 */
export function coerceReferences(
  issues: readonly z.core.$ZodIssue[],
  { data, references }: Interpolated,
): boolean {
  let hasChanged = false;
  for (const issue of issues.flatMap(flattenIssue)) {
    if (!expectsAnotherType(issue) || references.get(pathKey(issue.path))?.isWhole !== true) continue;
    const key = issue.path.at(-1);
    const owner = valueAt(data, issue.path.slice(0, -1)) as Record<PropertyKey, unknown> | undefined;
    if (owner === undefined || key === undefined) continue;
    const value = parseScalar(String(owner[key]));
    if (value === undefined) continue;
    owner[key] = value;
    hasChanged = true;
  }
  return hasChanged;
}

function expectsAnotherType(issue: z.core.$ZodIssue): boolean {
  if (issue.code === 'invalid_type') return issue.expected !== 'string';
  return issue.code === 'invalid_value' || issue.code === 'invalid_union';
}

function parseScalar(text: string): number | boolean | undefined {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
}
