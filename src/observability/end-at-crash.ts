import { createLog } from './log.ts';
import type { LogDestination } from './log-destination.ts';

/**
 * Has an error that nothing catches logged before it ends this process, with code 1. For the entry points of processes:
 * a program that embeds a gateway decides for itself.
 */
export function endAtCrash(destination: LogDestination): void {
  const log = createLog({ level: 'error', destination });
  // A promise that nobody awaits, such as a note to an audit service that is down, belongs to no request, and other
  // requests must not end with it.
  process.on('unhandledRejection', (reason) => {
    log.error({ err: reason }, 'a promise was rejected that was not awaited; the process goes on');
  });
  process.on('uncaughtException', (error, origin) => {
    log.error({ err: error, origin }, 'an error that nothing caught ends the process');
    destination.flushSync();
    process.exit(1);
  });
}
