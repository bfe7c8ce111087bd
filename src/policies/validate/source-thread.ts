import { resolve } from 'node:path';
import { FileThread, moduleBeside } from '../../core/disk/file-thread.ts';
import type { Services } from '../../core/services.ts';
import type { RequestPlan } from './request-plan.ts';
import type { ResponsePlan } from './response-check.ts';
import type { ValidateOptions } from './validate-options.ts';

/** What is asked of requests and responses of one operation: plain data. */
export interface OperationPlans {
  readonly request: RequestPlan;
  readonly responses: ReadonlyMap<string, ResponsePlan> | undefined;
}

/** What the thread is started with. */
export interface SourceThreadData {
  readonly path: string;
}

/** What the thread does. */
interface SourceMethods {
  plan(name: string, options: ValidateOptions): OperationPlans | undefined;
}

/** A document of many megabytes takes seconds to be read. */
const TIMEOUT_MS = 25_000;
/** How long a document stays in memory when an operation of it was asked for: its other operations are next. */
const KEEP_MS = 10_000;

/**
 * Makes the plans of an operation, in a thread beside, since a large document takes longer to be read than requests may
 * wait. All who ask at about the same time share it. Throws where the document or the operation cannot be had.
 */
export async function planOperation(
  { file, operation }: NonNullable<ValidateOptions['openapi']>,
  options: ValidateOptions,
  { configFolder, keep, clock }: Services,
): Promise<OperationPlans> {
  const path = resolve(configFolder, file);
  const data: SourceThreadData = { path };
  const module = moduleBeside('source-thread-entry', import.meta.url);
  const hold = keep(
    `openapi ${path}`,
    () => new FileThread<SourceMethods>({ module, data, clock, timeoutMs: TIMEOUT_MS }),
    (thread) => void thread.close(),
  );
  try {
    const plans = await hold.value.call('plan', [operation, options]);
    if (plans === undefined) throw new TypeError(`${file} has no operation '${operation}'`);
    return plans;
  } finally {
    clock.after(KEEP_MS, () => hold.release());
  }
}
