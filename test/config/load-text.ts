import { resolve } from 'node:path';
import { z } from 'zod';
import { type LoadResult, loadConfig } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problem.ts';
import type { GatewayConfig } from '../../src/config/schema/schema.ts';
import { definePolicy, type Policy } from '../../src/core/policy.ts';

/** Two policies, one of which may refuse, that belong to these tests. */
export const testPolicies = [
  definePolicy({
    name: 'limit',
    refuses: true,
    options: z.strictObject({ maximum: z.int().prefault(5), note: z.string().optional() }),
    create: () => ({}),
  }),
  definePolicy({
    name: 'share-it',
    combination: 'replace',
    options: z.strictObject({ origins: z.array(z.string()) }),
    create: () => ({}),
  }),
];

export interface TextOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Other files, by their name in the configuration's folder. */
  readonly files?: Readonly<Record<string, string>>;
  readonly name?: string;
  /** Default: `testPolicies`. */
  readonly policies?: readonly Policy[];
}

/** Loads a configuration from a text, as if it were the file `/etc/sallyport/sallyport.yaml`. */
export function loadText(
  text: string,
  { env = {}, files = {}, name = 'sallyport.yaml', policies = testPolicies }: TextOptions = {},
): Promise<LoadResult> {
  const byPath = new Map(
    Object.entries({ ...files, [name]: text }).map(([key, value]) => [resolve('/etc/sallyport', key), value]),
  );
  const readFile = async (path: string) => {
    const found = byPath.get(path);
    if (found === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return found;
  };
  return loadConfig(`/etc/sallyport/${name}`, { policies, env, readFile });
}

/** Loads a configuration that must be good. */
export async function configOf(text: string, options?: TextOptions): Promise<GatewayConfig> {
  const result = await loadText(text, options);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.config;
}

/** Loads a configuration that must be bad, and writes its problems as `line:column path: message — remedy`. */
export async function problemsOf(text: string, options?: TextOptions): Promise<string[]> {
  const result = await loadText(text, options);
  if (result.ok) throw new Error('the configuration is good');
  return result.problems.map((problem) =>
    formatProblem(problem).replace(/^\/etc\/sallyport\/[a-z.]+:? ?/, ''),
  );
}

/** Puts routes into an otherwise good configuration. */
export function withRoutes(...routes: string[]): string {
  const lines = routes.map((route) => `  - ${route}`).join('\n');
  return `listeners: [{ port: 0 }]\nupstreams: { a: { targets: ["http://127.0.0.1:9001"] } }\nroutes:\n${lines}\n`;
}
