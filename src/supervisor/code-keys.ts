import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { GatewayConfig } from '../config/schema/schema.ts';
import { readCodeInFile } from '../core/user-code/code-value.ts';

const RELATIVE_IMPORT = /\b(?:from|import|require)\s*\(?\s*['"](\.{1,2}\/[^'"\n]+)['"]/g;

/** What files of code hold: from the path to a hash. */
export type CodeKeys = ReadonlyMap<string, string>;

/** Reads the code that a configuration names, and what that imports by relative paths. */
export async function readCodeKeys(config: GatewayConfig): Promise<CodeKeys> {
  const keys = new Map<string, string>();
  const apps = Object.values(config.upstreams).flatMap(({ app }) => app ?? []);
  const services = Object.values(config.authServices).flatMap(({ code }) => code ?? []);
  const composers = config.routes.flatMap(({ aggregate }) => aggregate?.compose ?? []);
  // Code that stands in a configuration file is what that file imports, and the file itself.
  const named = [...Object.values(config.customPolicies), ...apps, ...services, ...composers];
  const waiting = named.map((name) => readCodeInFile(name)?.file ?? name);
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (keys.has(file)) continue;
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    keys.set(file, createHash('sha256').update(text).digest('hex'));
    for (const [, specifier = ''] of text.matchAll(RELATIVE_IMPORT))
      waiting.push(resolve(dirname(file), specifier));
  }
  return keys;
}

/**
 * Whether a process that has imported `known` must be replaced to run `next`: a file that is imported again would stay
 * as it was.
 */
export function isCodeChanged(known: CodeKeys, next: CodeKeys): boolean {
  return [...next].some(([file, key]) => known.has(file) && known.get(file) !== key);
}
