import { type Clock, systemClock } from '../core/clock.ts';
import { FileThread, moduleBeside } from '../core/disk/file-thread.ts';
import { type KeyStore, KeyStoreRejection } from './key-store.ts';

/** Which file holds the keys, and the fingerprint of the pepper that they are hashed with. */
export interface KeyFile {
  readonly file: string;
  readonly fingerprint: string;
}

/** Longer than a change is tried again while another process writes. */
const CHANGE_TIMEOUT_MS = 10_000;

/**
 * Opens the embedded store: one SQLite file that all processes of this machine share, behind a thread of its own.
 * Rejects, saying what to do, where it cannot be opened, or was written with another pepper.
 */
export async function openSqliteKeyStore(
  file: string,
  fingerprint: string,
  clock: Clock = systemClock,
): Promise<KeyStore> {
  const data: KeyFile = { file, fingerprint };
  const thread = new FileThread<KeyStore>({
    module: moduleBeside('sqlite-key-thread', import.meta.url),
    data,
    clock,
  });
  const store = storeIn(thread);
  try {
    // The first question opens the file.
    await rejectionsAsSuch(thread.call('changesSince', [undefined], CHANGE_TIMEOUT_MS));
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

function storeIn(thread: FileThread<KeyStore>): KeyStore {
  return {
    find: (id) => thread.call('find', [id]),
    list: () => thread.call('list', [], CHANGE_TIMEOUT_MS),
    insert: (key) => thread.call('insert', [key], CHANGE_TIMEOUT_MS),
    replace: (key, revision) => thread.call('replace', [key, revision], CHANGE_TIMEOUT_MS),
    delete: (id) => thread.call('delete', [id], CHANGE_TIMEOUT_MS),
    markUsed: (uses) => thread.call('markUsed', [uses]),
    changesSince: (position) => rejectionsAsSuch(thread.call('changesSince', [position])),
    async close() {
      await thread.call('close', []).catch(() => {});
      await thread.close();
    },
  };
}

/** Of an error a thread tells name and message. */
async function rejectionsAsSuch<T>(response: Promise<T>): Promise<T> {
  try {
    return await response;
  } catch (error) {
    const { name, message } = error as Error;
    throw name === 'KeyStoreRejection' ? new KeyStoreRejection(message) : error;
  }
}
