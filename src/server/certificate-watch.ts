import { watchFiles } from '../core/disk/watch-files.ts';
import type { Services } from '../core/services.ts';
import {
  buildCertificateStore,
  CertificateError,
  type CertificateStore,
  readCertificateFiles,
} from './certificates.ts';

/** Long enough for a tool to write certificate and key one after the other. */
const SETTLE_MS = 250;
/** Finds what no event tells: network file systems. */
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
  const stop = watchFiles(
    filesOf(store),
    {
      clock,
      settleMs: SETTLE_MS,
      recheckMs: RECHECK_MS,
      onUnwatched: (folder, error) =>
        log.warn({ err: error, folder }, 'cannot watch the folder of certificates; it is read every minute'),
    },
    check.run,
  );
  return () => {
    check.stop();
    stop();
  };
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
  let isRequestedAgain = false;

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
    isRequestedAgain = isRunning;
    if (isRunning || isStopped) return;
    isRunning = true;
    void readAgain().finally(() => {
      isRunning = false;
      if (isRequestedAgain) run();
    });
  };
  return {
    run,
    stop() {
      isStopped = true;
    },
  };
}
