import { inspect } from 'node:util';
import type { Log } from '../../src/core/services.ts';

/** Keeps what was logged, a line each: weight, message, fields. */
export class MemoryLog implements Log {
  readonly lines: string[] = [];

  debug(fields: object, message: string): void {
    this.add('debug', fields, message);
  }

  info(fields: object, message: string): void {
    this.add('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.add('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.add('error', fields, message);
  }

  private add(weight: string, fields: object, message: string): void {
    this.lines.push(`${weight} ${message} ${inspect(fields, { depth: 9 })}`);
  }
}
