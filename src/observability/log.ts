import { pino } from 'pino';
import type { LogArea, LogLevel } from '../config/schema/logs-schema.ts';
import type { Log } from '../core/services.ts';
import type { LogDestination } from './log-destination.ts';
import { LogLevels, WEIGHTS } from './log-levels.ts';
import { redactFields } from './redact-fields.ts';
import { redactText } from './redact-text.ts';

export type { LogLevel };

export interface LogOptions {
  /** The least weight of a line, or that of each area. */
  readonly level: LogLevel | LogLevels;
  readonly destination: LogDestination;
}

/** A log that knows from which part of the gateway a line comes. By itself it is that of the area `gateway`. */
export interface AreaLog extends Log {
  of(area: LogArea): Log;
}

/** Makes a log that writes one JSON object a line and never a secret, wherever in the fields it hides. */
export function createLog({ level, destination }: LogOptions): AreaLog {
  const levels = typeof level === 'string' ? new LogLevels(level) : level;
  // Errors and secrets are dealt with before pino sees them: its own redaction needs the exact path of each secret.
  const serializers = { err: (error: unknown) => error };
  const logger = pino({ level: 'debug', base: null, serializers }, destination);
  const known = new Map<LogArea, Log>();
  const make = (area: LogArea): Log => {
    // What a line begins with; the gateway's own have none.
    const mark = area === 'gateway' ? {} : { area };
    const write = (weight: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string): void => {
      if (WEIGHTS[weight] < levels.minimum(area)) return;
      logger[weight]({ ...mark, ...redactFields(fields) }, '%s', redactText(message));
    };
    return {
      debug: (fields, message) => write('debug', fields, message),
      info: (fields, message) => write('info', fields, message),
      warn: (fields, message) => write('warn', fields, message),
      error: (fields, message) => write('error', fields, message),
    };
  };
  const of = (area: LogArea): Log => {
    const log = known.get(area) ?? make(area);
    known.set(area, log);
    return log;
  };
  return { ...of('gateway'), of };
}
