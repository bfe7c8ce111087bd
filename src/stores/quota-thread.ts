import { serveThread } from '../core/disk/serve-thread.ts';
import { openQuotaFile } from './quota-file.ts';

// The entry point of the thread that waits for the disk with the quotas.

serveThread<string>(openQuotaFile);
