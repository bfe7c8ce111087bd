import type { OptionFiles, Policy } from '../core/policy.ts';
import { codeOf } from './document/document.ts';
import { asFields, asList } from './findings.ts';
import type { Finding } from './issue-problems.ts';
import { type ConfigPath, splitRemedy } from './problem.ts';

/** What policies found in their options, and in the files that these name. */
export interface OptionFindings {
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/** Asks each policy that is used what is wrong with its options, where these fit its schema. */
export async function checkOptions(
  data: unknown,
  policies: readonly Policy[],
  files: OptionFiles,
): Promise<OptionFindings> {
  const byName = new Map(policies.map((policy) => [policy.name, policy]));
  const problems: Finding[] = [];
  const warnings: Finding[] = [];
  for (const { entry, path, routePath } of findEntries(data)) {
    const [name] = Object.keys(asFields(entry));
    const policy = name === undefined ? undefined : byName.get(name);
    if (name === undefined || policy?.findFaults === undefined) continue;
    const { id, observe, dangerouslyObserve, ...written } = asFields(asFields(entry)[name]);
    const parsed = policy.options.safeParse(written);
    if (!parsed.success) continue;
    try {
      const own = routePath === undefined ? files : { ...files, routePath };
      for (const finding of await policy.findFaults(parsed.data, own)) {
        const { message, remedy = '' } = splitRemedy(finding.text);
        const at = [...path, name, ...finding.path];
        const { place } = finding;
        (finding.isDoubt === true ? warnings : problems).push({
          path: at,
          message,
          remedy,
          ...(place && { place }),
        });
      }
    } catch (error) {
      const message = `names a file that cannot be read (${codeOf(error)})`;
      const remedy = "create it, or correct its name; it is found from the configuration's folder";
      problems.push({ path: [...path, name], message, remedy });
    }
  }
  return { problems, warnings };
}

interface FoundEntry {
  readonly entry: unknown;
  readonly path: ConfigPath;
  readonly routePath?: string;
}

function findEntries(data: unknown): FoundEntry[] {
  const gateway = asFields(data);
  const entriesOf = (list: unknown, path: ConfigPath, routePath?: unknown): FoundEntry[] =>
    asList(list).map((entry, i) => ({
      entry,
      path: [...path, i],
      ...(typeof routePath === 'string' && { routePath }),
    }));
  return [
    ...entriesOf(gateway.policies, ['policies']),
    ...(['routes', 'routesFrom'] as const).flatMap((key) =>
      asList(gateway[key]).flatMap((owner, i) => {
        const { policies: own, path } = asFields(owner);
        return entriesOf(own, [key, i, 'policies'], path);
      }),
    ),
  ];
}
