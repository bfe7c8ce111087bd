import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Services } from '../core/services.ts';
import { type ChangeSettler, settleChanges } from '../core/settle-changes.ts';
import {
  buildCertificateStore,
  CertificateError,
  type CertificateStore,
  readCertificateFiles,
} from './certificates.ts';

/** Long enough for a tool to write certificate and key one after the other. */
const SETTLE_MS = 250;
/** Finds what no event tells: network file systems, and targets of links that lie in another folder. */
const RECHECK_MS = 60_000;

/**
 * Watches the files of `store` and calls `onChange` with a new store when their content has changed and is good.
 * A broken or half-replaced pair changes nothing, is logged once, and is tried again at the next change.
 * Returns the function that ends the watch.
 */
export function watchCertificates(
  store: CertificateStore,
  onChange: (replaced: CertificateStore) => void,
  services: Pick<Services, 'clock' | 'log'>,
): () => void {
  const { clock, log } = services;
  const check = createCheck(store, onChange, services);
  const files = filesOf(store);
  const settler = settleChanges(files, SETTLE_MS, clock, check.run);
  const folders = new Set(files.map((file) => dirname(file)));
  const watchers = [...folders].map((folder) => watchFolder(folder, settler.hear, log));
  const cancelRecheck = clock.every(RECHECK_MS, check.run);
  return () => {
    check.stop();
    settler.cancel();
    cancelRecheck();
    for (const watcher of watchers) watcher?.close();
  };
}

/**
 * Watches the folder and not the file: tools replace a file by renaming another over it, and Kubernetes swaps the
 * link `..data` beside it, so that a watch on the file itself would stay with the old one.
 */
function watchFolder(
  folder: string,
  onEvent: ChangeSettler['hear'],
  log: Services['log'],
): FSWatcher | undefined {
  const warn = (error: unknown): void =>
    log.warn({ err: error, folder }, 'cannot watch the folder of certificates; it is read every minute');
  try {
    return watch(folder, { persistent: false }, onEvent).on('error', warn);
  } catch (error) {
    warn(error);
    return undefined;
  }
}

function filesOf(store: CertificateStore): string[] {
  const files = store.files.flatMap(({ certFile, keyFile }) => [certFile, keyFile]);
  if (store.clientCertificates !== undefined) files.push(store.clientCertificates.caFile);
  return files;
}

/** Makes the check that compares what the files hold with what is in use. Only one runs at a time. */
function createCheck(
  store: CertificateStore,
  onChange: (replaced: CertificateStore) => void,
  { clock, log }: Pick<Services, 'clock' | 'log'>,
): { run(): void; stop(): void } {
  let current = store;
  let lastProblem = '';
  let isStopped = false;
  let isRunning = false;
  let isAskedAgain = false;

  const readAgain = async (): Promise<void> => {
    try {
      const contents = await readCertificateFiles(current.files, current.clientCertificates);
      if (isStopped) return;
      if (contents.contentKey === current.contentKey) {
        lastProblem = '';
        return log.debug({}, 'certificates are unchanged');
      }
      const { minVersion, clientCertificates } = current;
      current = buildCertificateStore(contents, { minVersion, clientCertificates, now: clock.now() });
      lastProblem = '';
      log.info({ files: current.files, warnings: current.warnings }, 'certificates replaced');
      onChange(current);
    } catch (error) {
      if (!isStopped) report(error);
    }
  };

  const report = (error: unknown): void => {
    const problems = error instanceof CertificateError ? error.problems : [String(error)];
    const problem = problems.join('\n');
    const level = problem === lastProblem ? 'debug' : 'warn';
    lastProblem = problem;
    log[level]({ problems }, 'the changed certificates are not usable; the former stay in use');
  };

  const run = (): void => {
    isAskedAgain = isRunning;
    if (isRunning || isStopped) return;
    isRunning = true;
    void readAgain().finally(() => {
      isRunning = false;
      if (isAskedAgain) run();
    });
  };
  return {
    run,
    stop() {
      isStopped = true;
    },
  };
}
