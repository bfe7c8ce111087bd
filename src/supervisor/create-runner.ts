import { Gateway, type RunOptions } from '../gateway/gateway.ts';
import { type FileSource, loadConfiguration } from '../gateway/load-configuration.ts';
import { openLogDestination } from '../observability/log-destination.ts';
import { Supervisor } from './supervisor.ts';

export interface RunnerOptions extends FileSource, RunOptions {
  /** How many processes serve. Default: `workers` of the configuration. */
  readonly workers?: number | undefined;
}

/** What serves: a gateway in this process, or a supervisor of several. */
export type Runner = Pick<Supervisor, 'start' | 'reload' | 'close' | 'kill'>;

/**
 * Makes what serves a configuration file. Nothing is open before `start`. Rejects with a `ConfigError` that holds all
 * problems of the file.
 */
export async function createRunner(options: RunnerOptions): Promise<Runner> {
  const loaded = await loadConfiguration(options);
  const destination = options.logDestination ?? (await openLogDestination());
  const workers = options.workers ?? loaded.config.workers;
  if (workers > 1) return new Supervisor({ ...options, workers }, loaded, destination);
  const gateway = new Gateway(options, loaded, destination);
  return {
    start: () => gateway.start(),
    reload: () => gateway.reload(),
    close: (times) => gateway.close(times),
    kill() {},
  };
}
