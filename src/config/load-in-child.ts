import { fork } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { importCustomPolicies } from './document/custom-policies.ts';
import type { LoadResult, ReadDocument } from './load.ts';
import { formatPath, type Problem } from './problem.ts';
import type { GatewayConfig, RouteConfig } from './schema/schema.ts';

export interface ChildLoadOptions {
  /** URL of the module whose `builtInPolicies` the child imports, since schemas cannot be sent. */
  readonly policiesModule: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What the child is given first. Each message after it asks for a slice of routes. */
export interface ChildLoadTask extends ChildLoadOptions {
  readonly file: string;
}

/** What the child answers first. The routes of a good configuration follow, a slice for each question. */
export type ChildLoadReply =
  | { readonly ok: false; readonly problems: readonly Problem[]; readonly documents: readonly ReadDocument[] }
  | {
      readonly ok: true;
      readonly config: GatewayConfig;
      readonly warnings: readonly Problem[];
      readonly secrets: readonly string[];
      readonly fingerprint: string | undefined;
      readonly documents: readonly ReadDocument[];
    }
  | { readonly failure: string };

/** A slice of the routes, empty behind the last one. */
export type ChildRoutes = readonly RouteConfig[];

/**
 * Loads a configuration as `loadConfig` does, but in a process of its own: reading and validating many routes takes
 * long, a TypeScript file is imported afresh, so that its changes are seen, and whatever its code does ends with it.
 * Custom policies are imported here, once per process.
 */
export async function loadConfigInChild(file: string, options: ChildLoadOptions): Promise<LoadResult> {
  const reply = await runChild({ ...options, env: { ...options.env }, file });
  if (!reply.ok) return reply;
  const custom = await importCustomPolicies(reply.config.customPolicies, dirname(resolve(file)));
  if (custom.problems.length > 0) {
    const problems = custom.problems.map((finding) => ({ ...finding, file, path: formatPath(finding.path) }));
    return { ok: false, problems, documents: reply.documents };
  }
  return { ...reply, customPolicies: custom.policies };
}

/** Routes come in slices, asked for one at a time, since taking over thousands at once would hold this process up. */
function runChild(task: ChildLoadTask): Promise<Exclude<ChildLoadReply, { failure: string }>> {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const child = fork(fileURLToPath(new URL(`./load-child${ending}`, import.meta.url)), {
    execArgv: ['--disable-sigusr1'],
    serialization: 'advanced',
    // What the code of a configuration writes does not belong between the lines of the log.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  return new Promise<Exclude<ChildLoadReply, { failure: string }>>((finish, fail) => {
    const routes: RouteConfig[] = [];
    let reply: Extract<ChildLoadReply, { ok: true }> | undefined;
    const send = (message: ChildLoadTask | 'next'): void => void child.send(message, () => {});
    child.on('error', fail);
    child.on('exit', () => fail(new Error('the process that reads the configuration ended early')));
    child.on('message', (message: ChildLoadReply | ChildRoutes) => {
      if ('failure' in message) return fail(new Error(message.failure));
      if ('ok' in message) {
        if (!message.ok) return finish(message);
        reply = message;
      } else {
        if (message.length === 0 && reply) return finish({ ...reply, config: { ...reply.config, routes } });
        for (const route of message) routes.push(route);
      }
      send('next');
    });
    send(task);
  }).finally(() => child.kill('SIGKILL'));
}
