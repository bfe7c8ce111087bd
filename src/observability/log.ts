import { pino } from 'pino';
import type { Log } from '../core/services.ts';
import type { LogDestination } from './log-destination.ts';
import { redactFields } from './redact-fields.ts';
import { redactText } from './redact-text.ts';

/** The least weight of a line that is written. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogOptions {
  readonly level: LogLevel;
  readonly destination: LogDestination;
}

/** Makes a log that writes one JSON object a line and never a secret, wherever in the fields it hides. */
export function createLog({ level, destination }: LogOptions): Log {
  // Errors and secrets are dealt with before pino sees them: its own redaction needs the exact path of each secret.
  const logger = pino({ level, base: null, serializers: { err: (error: unknown) => error } }, destination);
  const write = (weight: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string): void => {
    if (logger.isLevelEnabled(weight)) logger[weight](redactFields(fields), '%s', redactText(message));
  };
  return {
    debug: (fields, message) => write('debug', fields, message),
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
  };
}
