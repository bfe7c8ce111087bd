import { serveThread } from '../core/disk/serve-thread.ts';
import { openSqliteKeyFile } from './sqlite-key-file.ts';
import type { KeyFile } from './sqlite-key-store.ts';

// The entry point of the thread that waits for the disk with the API keys.

serveThread<KeyFile>(({ file, fingerprint }) => openSqliteKeyFile(file, fingerprint));
