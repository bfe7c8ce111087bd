import { setFlagsFromString } from 'node:v8';

/**
 * Keeps the part of the heap for new objects as small as it is at the start of the process. It would grow to 64 MiB, and
 * while a configuration with thousands of routes is built, most of what is in it stays: to copy that, V8 stops everything
 * for 15 ms and more. Requests leave nothing behind, so what they cost hardly changes.
 */
export function keepNewSpaceSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
