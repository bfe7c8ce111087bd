import { resolve } from 'node:path';
import { loadConfig } from '../../config/load.ts';
import { formatProblem, type Problem } from '../../config/problem.ts';
import { builtInPolicies } from '../../policies/index.ts';
import { authServiceChecks } from './auth-services.ts';
import { certificateChecks } from './certificates.ts';
import { dataDirCheck } from './data-dir.ts';
import { discoveryChecks } from './discovered-targets.ts';
import { CHECK_MS, type Check, type Finding, runCheck } from './finding.ts';
import { type Machine, machineChecks, thisMachine } from './machine.ts';
import { redisCheck } from './redis.ts';
import { targetChecks } from './targets.ts';

export interface DoctorOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly machine?: Machine;
  /** How long one look may take. Default: 5 s. */
  readonly limitMs?: number;
}

/** Looks at the machine and at a configuration as it will run. Takes no longer than the longest look; never rejects for what it finds. */
export async function runDoctor(file: string, options: DoctorOptions): Promise<readonly Finding[]> {
  const { env, machine = thisMachine(), limitMs = CHECK_MS } = options;
  const loaded = await loadConfig(resolve(file), { policies: builtInPolicies, env });
  const written = loaded.ok
    ? [...loaded.warnings.map((each) => findingOf(each, 'warning')), GOOD]
    : loaded.problems.map((each) => findingOf(each, 'problem'));
  const config = loaded.ok ? loaded.config : undefined;
  const checks: Check[] = machineChecks(machine, config);
  if (config !== undefined) {
    checks.push(dataDirCheck(config.dataDir), ...certificateChecks(config), ...targetChecks(config));
    checks.push(...discoveryChecks(config), ...authServiceChecks(config));
    if (config.redis !== undefined) checks.push(redisCheck(config.redis));
  }
  const found = await Promise.all(checks.map((check) => runCheck(check, limitMs)));
  return [...written, ...found.flat()];
}

const GOOD: Finding = { check: 'configuration', verdict: 'ok', message: 'is good' };

function findingOf(problem: Problem, verdict: 'warning' | 'problem'): Finding {
  const { remedy } = problem;
  return { check: 'configuration', verdict, message: formatProblem({ ...problem, remedy: '' }), remedy };
}

/** Writes findings for reading: one a line, its remedy below it. */
export function formatFindings(findings: readonly Finding[]): string {
  return findings
    .map(({ verdict, check, subject, message, remedy }) => {
      const line = `${verdict.padEnd(7)}  ${check}${subject === undefined ? '' : ` ${subject}`}: ${message}`;
      return remedy === undefined || remedy === '' ? line : `${line}\n         → ${remedy}`;
    })
    .join('\n');
}
