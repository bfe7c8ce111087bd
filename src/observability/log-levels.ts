import type { LogArea, LogLevel, LogsConfig } from '../config/schema/logs-schema.ts';
import { LOG_AREAS } from '../config/schema/logs-schema.ts';

/** The weights of levels, as pino has them. */
export const WEIGHTS: Readonly<Record<LogLevel, number>> = {
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  silent: Number.POSITIVE_INFINITY,
};

/** Which lines are written, by the area that they come from: one object for the life of a process, changed by reloads. */
export class LogLevels {
  private readonly forced: LogLevel | undefined;
  private readonly minima: Record<LogArea, number>;

  /** `forced` goes before whatever a configuration says. */
  constructor(forced?: LogLevel) {
    this.forced = forced;
    const minimum = WEIGHTS[forced ?? 'info'];
    this.minima = Object.fromEntries(LOG_AREAS.map((area) => [area, minimum])) as Record<LogArea, number>;
  }

  /** Takes the levels of a configuration. */
  use({ level, levels }: Pick<LogsConfig, 'level' | 'levels'>): void {
    for (const area of LOG_AREAS) this.minima[area] = WEIGHTS[this.forced ?? levels[area] ?? level];
  }

  /** The least weight that is written. */
  minimum(area: LogArea): number {
    return this.minima[area];
  }
}
