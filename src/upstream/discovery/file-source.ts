import { type FSWatcher, watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ChangeSettler, settleChanges } from '../../core/settle-changes.ts';
import type { DiscoveryServices } from './discovery.ts';
import { parseTargetFile } from './target-file.ts';
import type { TargetReport, TargetSource } from './target-source.ts';

/** Editors and volume swaps touch a file several times; what follows within this time is one change. */
const SETTLE_MS = 100;
/** Network file systems tell nothing of changes, and a folder that is not there yet cannot be watched. */
const RECHECK_MS = 10_000;

/**
 * Makes a source that reads a file, and reads it again when it changes. Watches the folder and compares content:
 * Kubernetes swaps a ConfigMap by a link beside the file, which the file itself never hears of.
 */
export function createFileSource(file: string, { clock }: Pick<DiscoveryServices, 'clock'>): TargetSource {
  const folder = dirname(file);
  let known: string | undefined;
  let watcher: FSWatcher | undefined;
  let settler: ChangeSettler | undefined;
  let cancelRecheck: () => void = () => {};
  let isClosed = false;

  const check = async (report: TargetReport): Promise<void> => {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => error);
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
  const watchFolder = (report: TargetReport): void => {
    try {
      settler ??= settleChanges([file], SETTLE_MS, clock, () => void check(report));
      watcher = watch(folder, settler.hear);
    } catch {
      return;
    }
    watcher.unref();
    watcher.on('error', () => {
      watcher?.close();
      watcher = undefined;
    });
  };
  return {
    start(report) {
      watchFolder(report);
      void check(report);
      cancelRecheck = clock.every(RECHECK_MS, () => {
        if (watcher === undefined) watchFolder(report);
        void check(report);
      });
    },
    close() {
      isClosed = true;
      settler?.cancel();
      cancelRecheck();
      watcher?.close();
    },
  };
}
