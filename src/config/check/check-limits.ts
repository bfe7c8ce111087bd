import type { Findings } from '../findings.ts';
import type { ConfigPath } from '../problem.ts';
import type { WrittenRoute, WrittenUse } from './check-access.ts';

const LIMITS: ReadonlySet<string> = new Set(['rate-limit', 'quota', 'concurrency']);

/**
 * Checks that every limit has a name of its own, or is the same limit written in several places, and that nothing is
 * counted where quotas are only read.
 */
export function checkLimits(
  topLevel: readonly WrittenUse[],
  routes: readonly WrittenRoute[],
  findings: Findings,
): void {
  const firstByName = new Map<string, WrittenUse>();
  checkNames(topLevel, undefined, firstByName, findings);
  for (const { fields, uses } of routes) {
    checkNames(uses, typeof fields.id === 'string' ? fields.id : undefined, firstByName, findings);
    if (fields.respond === 'quota') rejectQuotas(uses, findings);
  }
}

function checkNames(
  uses: readonly WrittenUse[],
  route: string | undefined,
  firstByName: Map<string, WrittenUse>,
  findings: Findings,
): void {
  for (const use of uses) {
    if (!LIMITS.has(use.name)) continue;
    const { id } = use.options;
    const name = typeof id === 'string' ? id : route === undefined ? use.name : `${route}/${use.name}`;
    const first = firstByName.get(name);
    if (first === undefined) {
      firstByName.set(name, use);
      continue;
    }
    if (first.name === use.name && contentOf(first) === contentOf(use)) continue;
    findings.reject(
      [...use.path, use.name],
      `shares its counters, by the name ${findings.quote([...use.path, use.name, 'id'], name)}, with ${placeOf(first.path)}, but is another limit — give it an id of its own, or write both alike`,
    );
  }
}

/** Whether it only observes does not change what is counted. */
function contentOf({ options }: WrittenUse): string {
  const content = Object.entries(options).filter(([key]) => key !== 'id' && key !== 'observe');
  return JSON.stringify(content.sort(([one], [other]) => (one < other ? -1 : 1)));
}

function rejectQuotas(uses: readonly WrittenUse[], findings: Findings): void {
  for (const { name, path } of uses) {
    if (name === 'quota') findings.reject(path, 'has no effect where quotas are read — take it out');
  }
}

function placeOf(path: ConfigPath): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .slice(1);
}
