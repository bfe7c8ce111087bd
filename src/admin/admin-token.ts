import path from 'node:path';
import { findOrMakeSecret } from '../config/key-material/secret-file.ts';
import type { Log } from '../core/services.ts';

/** Reads the admin token that is kept in `dataDir`, or makes one there. */
export function findOrMakeToken(dataDir: string, log: Log): Promise<string> {
  const secret = {
    file: path.join(dataDir, 'admin-token'),
    what: 'an admin token',
    remedy: 'make dataDir a folder that this user may write to, or set admin.token',
    remedyForContent: 'delete it, and a new one is made at the next start',
    remedyForRights: 'delete this file to have a new one made',
  };
  return findOrMakeSecret(secret, log);
}
