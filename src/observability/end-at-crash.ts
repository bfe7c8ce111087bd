import { createLog } from './log.ts';
import type { LogDestination } from './log-destination.ts';

/**
 * Has an error that nothing catches logged before it ends this process, with code 1. For the entry points of processes:
 * a program that embeds a gateway decides for itself.
 */
export function endAtCrash(destination: LogDestination): void {
  const log = createLog({ level: 'error', destination });
  // Rejections that nobody handles come here as well, unless code of the user's has a listener for them.
  process.on('uncaughtException', (error, origin) => {
    log.error({ err: error, origin }, 'an error that nothing caught ends the process');
    destination.flushSync();
    process.exit(1);
  });
}
