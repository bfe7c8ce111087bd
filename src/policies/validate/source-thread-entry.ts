import { stat } from 'node:fs/promises';
import { readTextFile } from '../../core/disk/read-text-file.ts';
import { serveThread } from '../../core/disk/serve-thread.ts';
import { ApiSource } from '../../openapi/api-source.ts';
import { plannersOf } from './operation-source.ts';
import type { OperationPlans, SourceThreadData } from './source-thread.ts';
import type { ValidateOptions } from './validate-options.ts';

// The entry point of the thread: a module that works when it is run.

serveThread(async ({ path }: SourceThreadData) => {
  let source: ApiSource | undefined;
  let stamp = '';
  /** The document as its files are now: any of them may have changed since it was read. */
  const readSource = async (): Promise<ApiSource> => {
    if (source !== undefined && (await stampOf(source.document.paths)) === stamp) return source;
    const read = await ApiSource.load(path, readTextFile);
    if (Array.isArray(read)) throw new TypeError('is not an OpenAPI document that can be used');
    source = read;
    stamp = await stampOf(read.document.paths);
    return read;
  };
  return {
    /** Makes the plans of one operation; `undefined` where the document has none of this name. */
    async plan(name: string, options: ValidateOptions): Promise<OperationPlans | undefined> {
      const current = await readSource();
      const operation = current.find(name);
      if (operation === undefined) return undefined;
      const { request, response } = plannersOf(current, options);
      return {
        request: request.planOfRequest(operation),
        responses: options.response === 'off' ? undefined : response.plansOfResponses(operation),
      };
    },
  };
});

async function stampOf(paths: readonly string[]): Promise<string> {
  const stats = await Promise.all(paths.map((path) => stat(path)));
  return stats.map(({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`).join(' ');
}
