import { createRequire } from 'node:module';

/** The version of this package. */
export const VERSION: string = readVersion();

function readVersion(): string {
  const manifest = createRequire(import.meta.url)('../package.json') as { version: string };
  return manifest.version;
}
