import type { LogLevel, LogsConfig } from '../config/schema/logs-schema.ts';
import type { Clock } from '../core/clock.ts';
import { type AccessLog, createAccessLog } from './access-log.ts';
import { type AreaLog, createLog } from './log.ts';
import type { LogDestination } from './log-destination.ts';
import { LogLevels } from './log-levels.ts';

export interface LogsOptions {
  readonly logs: LogsConfig;
  /** Goes before the levels of the configuration. */
  readonly logLevel: LogLevel | undefined;
  readonly destination: LogDestination;
  readonly clock: Clock;
}

/** The log and the access log of one process, which follow its configuration. */
export class Logs {
  readonly log: AreaLog;
  readonly accessLog: AccessLog;
  private readonly levels: LogLevels;

  constructor({ logs, logLevel, destination, clock }: LogsOptions) {
    this.levels = new LogLevels(logLevel);
    this.log = createLog({ level: this.levels, destination });
    this.accessLog = createAccessLog({ destination, level: this.levels, clock });
    this.use(logs);
  }

  /** Both, for who writes to both. */
  get parts(): { readonly log: AreaLog; readonly accessLog: AccessLog } {
    return { log: this.log, accessLog: this.accessLog };
  }

  /** Takes what a configuration says from now on. */
  use(logs: LogsConfig): void {
    this.levels.use(logs);
    this.accessLog.use(logs.accessLog);
  }
}
