import { z } from 'zod';
import type { Policy } from '../core/policy.ts';
import { suggest } from './suggest.ts';

/** A use of a policy as written: its name, or a map from its name to its options. */
export type PolicyInput = string | Readonly<Record<string, unknown>>;

/** A use of a policy, its options validated and their defaults filled in. */
export interface PolicyEntry {
  readonly name: string;
  readonly id?: string;
  /** Decide, log and count, but let pass. */
  readonly observe: boolean;
  /** What the policy's own schema made of the options. */
  readonly options: unknown;
}

const writtenEntries = new WeakSet<object>();

/** Tells the schema of an entry as written, which JSON Schema has to spell out, from all others. */
export function isPolicyEntrySchema(schema: object): boolean {
  return writtenEntries.has(schema);
}

/** Makes the schema of one entry of a `policies` list, out of the policies that exist. */
export function policyEntrySchema(policies: readonly Policy[]) {
  const byName = new Map(policies.map((policy) => [policy.name, policy]));
  const written = z.custom<PolicyInput>();
  writtenEntries.add(written);
  return written.transform((entry: unknown, context): PolicyEntry => {
    const fail = (message: string, path: PropertyKey[] = []) => {
      context.issues.push({ code: 'custom', message, path, input: entry });
      return z.NEVER;
    };
    const use = readEntry(entry);
    if (typeof use === 'string') return fail(use);
    const { name, options, at } = use;
    const policy = byName.get(name);
    if (policy === undefined) return fail(unknownPolicy(name, [...byName.keys()]), at);
    const { id, observe, own } = takeReserved(options);
    if (id !== undefined && (typeof id !== 'string' || id === ''))
      fail('is not an id — write text', [name, 'id']);
    if (typeof observe !== 'boolean') fail('is not true or false — write one of them', [name, 'observe']);
    if (observe === true && !policy.refuses) {
      fail(`has no effect, since ${name} refuses nothing — leave it out`, [name, 'observe']);
    }
    const result = policy.options.safeParse(own);
    for (const issue of result.error?.issues ?? []) {
      context.issues.push({ ...issue, path: [...at, ...issue.path], input: entry } as z.core.$ZodRawIssue);
    }
    return {
      name,
      ...(typeof id === 'string' ? { id } : {}),
      observe: observe === true,
      options: result.data,
    };
  });
}

interface WrittenEntry {
  readonly name: string;
  readonly options: unknown;
  /** Where, within the entry, name and options stand. */
  readonly at: PropertyKey[];
}

/** Splits an entry into name and options, or says what is wrong with it. */
function readEntry(entry: unknown): WrittenEntry | string {
  if (typeof entry === 'string') return { name: entry, options: {}, at: [] };
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    return 'is not a policy — write its name, or a map from its name to its options';
  }
  const names = Object.keys(entry);
  const [name] = names;
  if (name === undefined) return 'is empty — write the name of a policy';
  if (names.length > 1) {
    return `has ${names.length} keys, but a policy entry is one — indent the options of ${name} under it`;
  }
  return { name, options: (entry as Record<string, unknown>)[name], at: [name] };
}

function unknownPolicy(name: string, known: readonly string[]): string {
  const close = suggest(name, known);
  if (close !== undefined) return `there is no policy '${name}' — did you mean '${close}'?`;
  if (name.includes('/')) return `there is no policy '${name}' — name its file in customPolicies`;
  return `there is no policy '${name}' — use one of ${known.join(', ')}`;
}

function takeReserved(options: unknown): { id?: unknown; observe: unknown; own: unknown } {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    return { observe: false, own: options };
  }
  const { id, observe = false, ...own } = options as Record<string, unknown>;
  return { id, observe, own };
}
