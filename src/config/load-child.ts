import type { Policy } from '../core/policy.ts';
import { loadConfig } from './load.ts';
import type { ChildLoadReply, ChildLoadTask, ChildRoutes } from './load-in-child.ts';

// The entry point of the child: the one module here that works when it is run.

/** Taking over so many keeps the other process for a millisecond or two. */
const ROUTES_PER_SLICE = 100;

async function answer({ file, policiesModule, env }: ChildLoadTask): Promise<void> {
  const { builtInPolicies } = (await import(policiesModule)) as { builtInPolicies: readonly Policy[] };
  const result = await loadConfig(file, { policies: builtInPolicies, env });
  if (!result.ok) return send(result);
  const { warnings, secrets, fingerprint, documents } = result;
  const { routes, ...rest } = result.config;
  let sent = 0;
  process.on('message', () => {
    send(routes.slice(sent, sent + ROUTES_PER_SLICE));
    sent += ROUTES_PER_SLICE;
  });
  send({ ok: true, config: { ...rest, routes: [] }, warnings, secrets, fingerprint, documents });
}

function send(message: ChildLoadReply | ChildRoutes): void {
  // Who asked may be gone.
  process.send?.(message, undefined, undefined, () => {});
}

process.once('message', (task) => {
  answer(task as ChildLoadTask).catch((error: unknown) => {
    send({ failure: error instanceof Error ? error.message : String(error) });
  });
});
// Signals are for the gateway, which ends this process when it has what it wants.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
process.once('disconnect', () => process.exit());
