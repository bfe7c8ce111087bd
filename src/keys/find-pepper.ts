import path from 'node:path';
import { findOrMakeSecret } from '../config/key-material/secret-file.ts';
import type { Log } from '../core/services.ts';

/** Reads the pepper that is kept in `dataDir`, or makes one there. Without it no key in the store is good any more. */
export function findOrMakePepper(dataDir: string, log: Log): Promise<string> {
  const secret = {
    file: path.join(dataDir, 'api-key-pepper'),
    what: 'a pepper for the hashes of API keys',
    remedy: 'make dataDir a folder that this user may write to, or set apiKeys.pepper',
    remedyForContent: 'put back the pepper with which the keys were made',
    remedyForRights: 'make sure that api-keys.db beside it was not taken as well',
  };
  return findOrMakeSecret(secret, log);
}
