import { readTextFile } from '../../core/disk/read-text-file.ts';
import { watchFiles } from '../../core/disk/watch-files.ts';
import type { DiscoveryServices } from './discovery.ts';
import { parseTargetFile } from './target-file.ts';
import type { TargetReport, TargetSource } from './target-source.ts';

const SETTLE_MS = 100;
const RECHECK_MS = 10_000;

/** Makes a source that reads a file, and reads it again when it changes. */
export function createFileSource(file: string, { clock }: Pick<DiscoveryServices, 'clock'>): TargetSource {
  let known: string | undefined;
  let stop: () => void = () => {};
  let isClosed = false;

  const check = async (report: TargetReport): Promise<void> => {
    const text = await readTextFile(file).catch((error: NodeJS.ErrnoException) => error);
    if (isClosed || text === known) return;
    if (typeof text !== 'string') {
      known = undefined;
      report.failed(`${file} cannot be read (${text.code}) — check the name and who may read it`);
      return;
    }
    known = text;
    const content = parseTargetFile(file, text);
    if (content.ok) report.found(content.targets);
    else report.failed(content.reason);
  };
  return {
    start(report) {
      const options = { clock, settleMs: SETTLE_MS, recheckMs: RECHECK_MS };
      stop = watchFiles([file], options, () => check(report));
      void check(report);
    },
    close() {
      isClosed = true;
      stop();
    },
  };
}
