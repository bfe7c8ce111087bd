import { dirname, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { importCustomPolicies } from './custom-policies.ts';
import type { LoadResult } from './load.ts';
import { formatPath, type Problem } from './problem.ts';
import type { GatewayConfig, RouteConfig } from './schema.ts';

export interface WorkerLoadOptions {
  /** URL of the module whose `builtInPolicies` the worker imports, since schemas cannot cross threads. */
  readonly policiesModule: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What the worker is given. */
export interface WorkerLoadTask extends WorkerLoadOptions {
  readonly file: string;
}

/** What the worker answers first. The routes of a good configuration follow, a slice for each `next`. */
export type WorkerLoadReply =
  | { readonly ok: false; readonly problems: readonly Problem[] }
  | {
      readonly ok: true;
      readonly config: GatewayConfig;
      readonly warnings: readonly Problem[];
      readonly secrets: readonly string[];
    };

/** A slice of the routes, empty behind the last one. */
export type WorkerRoutes = readonly RouteConfig[];

/**
 * Loads a configuration as `loadConfig` does, but off this thread: reading and validating many routes takes long, and
 * a TypeScript file is imported afresh, so that its changes are seen. Custom policies are imported here, once per process.
 */
export async function loadConfigInWorker(file: string, options: WorkerLoadOptions): Promise<LoadResult> {
  const reply = await runWorker({ ...options, env: { ...options.env }, file });
  if (!reply.ok) return reply;
  const custom = await importCustomPolicies(reply.config.customPolicies, dirname(resolve(file)));
  if (custom.problems.length > 0) {
    const problems = custom.problems.map((finding) => ({ ...finding, file, path: formatPath(finding.path) }));
    return { ok: false, problems };
  }
  return { ...reply, customPolicies: custom.policies };
}

/** Routes come in slices, asked for one at a time, since taking over thousands at once would hold this thread up. */
function runWorker(task: WorkerLoadTask): Promise<WorkerLoadReply> {
  const ending = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const worker = new Worker(new URL(`./load-worker${ending}`, import.meta.url), {
    workerData: task,
    execArgv: [],
  });
  return new Promise<WorkerLoadReply>((finish, fail) => {
    const routes: RouteConfig[] = [];
    let reply: WorkerLoadReply | undefined;
    worker.on('error', fail);
    worker.on('exit', () => fail(new Error('the thread that reads the configuration ended early')));
    worker.on('message', (message: WorkerLoadReply | WorkerRoutes) => {
      if ('ok' in message) {
        reply = message;
        if (!message.ok) return finish(message);
      } else {
        if (message.length === 0 && reply?.ok)
          return finish({ ...reply, config: { ...reply.config, routes } });
        for (const route of message) routes.push(route);
      }
      worker.postMessage('next');
    });
  }).finally(() => worker.terminate());
}
