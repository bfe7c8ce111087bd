import { z } from 'zod';
import type { Policy } from '../../core/policy.ts';
import { suggest } from '../suggest.ts';

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

const writtenEntries = new WeakMap<object, readonly Policy[]>();

/** Finds the policies that an entry may name, if `schema` is that of an entry as written, which JSON Schema has to spell out. */
export function findEntryPolicies(schema: object): readonly Policy[] | undefined {
  return writtenEntries.get(schema);
}

/** Makes the schema of one entry of a `policies` list, out of the policies that exist. */
export function policyEntrySchema(policies: readonly Policy[]) {
  const byName = new Map(policies.map((policy) => [policy.name, policy]));
  const written = z.custom<PolicyInput>();
  writtenEntries.set(written, policies);
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
    const { id, observe, dangerouslyObserve, own } = takeReserved(options);
    if (id !== undefined && (typeof id !== 'string' || id === ''))
      fail('is not an id — write text', [name, 'id']);
    for (const [key, value] of Object.entries({ observe, dangerouslyObserve })) {
      const fault = findObservingFault(policy, key, value);
      if (fault !== undefined) fail(fault, [name, key]);
    }
    const result = policy.options.safeParse(own);
    for (const issue of result.error?.issues ?? []) {
      context.issues.push({ ...issue, path: [...at, ...issue.path], input: entry } as z.core.$ZodRawIssue);
    }
    return {
      name,
      ...(typeof id === 'string' ? { id } : {}),
      observe: observe === true || dangerouslyObserve === true,
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

/** Says why a policy may not run with this key, one of those about observing. */
function findObservingFault(
  { name, access, refuses }: Policy,
  key: string,
  value: unknown,
): string | undefined {
  if (typeof value !== 'boolean') return 'is not true or false — write one of them';
  if (!value) return undefined;
  if (!refuses) return `has no effect, since ${name} rejects nothing — leave it out`;
  if (key === 'dangerouslyObserve')
    return access === 'none' ? 'is for policies about who is calling — write observe: true' : undefined;
  if (access === 'none') return undefined;
  return `would accept whoever ${name} rejects — leave it out; dangerouslyObserve: true is for trials where that does no harm`;
}

interface ReservedKeys {
  readonly id?: unknown;
  readonly observe: unknown;
  readonly dangerouslyObserve: unknown;
  readonly own: unknown;
}

function takeReserved(options: unknown): ReservedKeys {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    return { observe: false, dangerouslyObserve: false, own: options };
  }
  const { id, observe = false, dangerouslyObserve = false, ...own } = options as Record<string, unknown>;
  return { id, observe, dangerouslyObserve, own };
}
