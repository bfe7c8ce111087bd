import type { PolicyInstance } from '../policy.ts';
import type { PipelineEntry } from './policy-step.ts';

/** Lets neighbours of a list decide together: each run of entries with the same `join` is given to it. */
export function joinNeighbours(entries: readonly PipelineEntry[]): PipelineEntry[] {
  const joined: PipelineEntry[] = [];
  for (let i = 0; i < entries.length; ) {
    const { join } = (entries[i] as PipelineEntry).instance;
    let end = i + 1;
    if (join !== undefined) while (entries[end]?.instance.join === join) end++;
    const run = entries.slice(i, end);
    const neighbours = run.map(({ instance, observe }) => ({ instance, isObserved: observe }));
    const instances = join?.(neighbours);
    joined.push(
      ...run.map((entry, at) =>
        instances === undefined ? entry : { ...entry, instance: instances[at] as PolicyInstance },
      ),
    );
    i = end;
  }
  return joined;
}
