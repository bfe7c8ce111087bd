import { parentPort, workerData } from 'node:worker_threads';
import type { Policy } from '../core/policy.ts';
import { loadConfig } from './load.ts';
import type { WorkerLoadReply, WorkerLoadTask, WorkerRoutes } from './load-in-worker.ts';

// The entry point of the worker: the one module here that works when it is run.

const ROUTES_PER_SLICE = 250;

async function answer({ file, policiesModule, env }: WorkerLoadTask): Promise<void> {
  const { builtInPolicies } = (await import(policiesModule)) as { builtInPolicies: readonly Policy[] };
  const result = await loadConfig(file, { policies: builtInPolicies, env });
  if (!result.ok) return send(result);
  const { routes, ...rest } = result.config;
  let sent = 0;
  parentPort?.on('message', () => {
    send(routes.slice(sent, sent + ROUTES_PER_SLICE));
    sent += ROUTES_PER_SLICE;
  });
  send({ ok: true, config: { ...rest, routes: [] }, warnings: result.warnings, secrets: result.secrets });
}

function send(message: WorkerLoadReply | WorkerRoutes): void {
  parentPort?.postMessage(message);
}

await answer(workerData as WorkerLoadTask);
