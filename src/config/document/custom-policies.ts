import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { definePolicy, type Policy } from '../../core/policy.ts';
import { isCodeValue } from '../../core/user-code/code-value.ts';
import { importUserModule } from '../../core/user-code/import-user-module.ts';
import { asFields } from '../findings.ts';
import type { Finding } from '../issue-problems.ts';

/**
 * Imports the policies named in `customPolicies`, once per process. A policy that cannot be had is reported and stands
 * in the list as one that takes any options, so that its uses are not reported once more.
 */
export async function importCustomPolicies(
  named: unknown,
  folder: string,
): Promise<{ policies: Policy[]; problems: Finding[] }> {
  const problems: Finding[] = [];
  const policies: Policy[] = [];
  for (const [name, file] of Object.entries(asFields(named))) {
    const isDue = typeof file === 'string' && name.includes('/');
    const found = isDue ? await findPolicy(name, file, folder) : undefined;
    if (typeof found === 'string') {
      problems.push({
        path: ['customPolicies', name],
        message: found,
        remedy: 'correct the code, or the name here',
      });
    }
    policies.push(typeof found === 'object' ? found : standIn(name));
  }
  return { policies, problems };
}

function findPolicy(name: string, named: string, folder: string): Promise<Policy | string | undefined> {
  return isCodeValue(named) ? takeGiven(name, named) : importPolicy(name, resolve(folder, named));
}

/** Takes a policy that stands in the configuration itself. */
async function takeGiven(name: string, named: string): Promise<Policy | string> {
  const { default: given } = await importUserModule(named);
  const faults = faultsOf(given);
  if (faults.length > 0) return `is a policy that ${faults.join(', and ')}`;
  const policy = given as Policy;
  return policy.name === name ? policy : `is the policy '${String(policy.name)}', not this one`;
}

/** A missing file is reported with the other files, so it is nothing here. */
async function importPolicy(name: string, file: string): Promise<Policy | string | undefined> {
  try {
    await access(file);
  } catch {
    return undefined;
  }
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = await importUserModule(file);
  } catch (error) {
    return `names a file that cannot be imported: ${error instanceof Error ? error.message : String(error)}`;
  }
  const policies = Object.values(exported).filter(isPolicy);
  const policy = policies.find((candidate) => candidate.name === name);
  if (policy !== undefined) return policy;
  const lacking = Object.values(exported).find((candidate) => asFields(candidate).name === name);
  if (lacking !== undefined) return `names a file whose policy ${faultsOf(lacking).join(', and ')}`;
  const names = [...new Set(policies.map((candidate) => `'${candidate.name}'`))].join(', ');
  return names === ''
    ? 'names a file that exports no policy'
    : `names a file that exports ${names}, not this policy`;
}

function isPolicy(value: unknown): value is Policy {
  return typeof asFields(value).name === 'string' && faultsOf(value).length === 0;
}

/** Says what a policy lacks that types would have asked for. */
function faultsOf(policy: unknown): string[] {
  const { options, create } = asFields(policy);
  const faults: string[] = [];
  if (options === undefined) faults.push('has no `options`, such as z.strictObject({}) for none');
  else if (!(options instanceof z.ZodType))
    faults.push('has `options` that are not a schema of the zod used here');
  if (typeof create !== 'function') faults.push('has no function `create`');
  return faults;
}

const standIns = new WeakSet<Policy>();

/** Tells whether a policy only stands for one that could not be had, of which nothing is known. */
export function isStandIn(policy: Policy): boolean {
  return standIns.has(policy);
}

/** Can be named, but not used: what it stands for might reject, so nothing may run in its place. */
function standIn(name: string): Policy {
  const create = (): never => {
    throw new TypeError(`the custom policy '${name}' could not be imported`);
  };
  const policy = definePolicy({ name, options: z.unknown(), refuses: true, create });
  standIns.add(policy);
  return policy;
}
