import { randomUUID } from 'node:crypto';
import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import { loadSqlite } from '../core/disk/load-sqlite.ts';
import { makeFolder } from '../core/disk/make-folder.ts';
import {
  type FoundKey,
  type KeyChanges,
  type KeyPosition,
  type KeyStore,
  KeyStoreRejection,
  type StoredKey,
} from './key-store.ts';

/** How the tables are laid out. A gateway rejects a file of a later layout than it knows. */
const LAYOUT = 1;
/** How long this thread, and all that is asked of it, may stand still for another process at a time. */
const BUSY_TIMEOUT_MS = 50;
/** How often, and with which pause, what found the file busy is tried again, so that keys are found meanwhile. */
const BUSY_ATTEMPTS = 100;
const BUSY_PAUSE_MS = 20;
/** How many changes are remembered one by one. Who has missed more forgets all that it knew. */
const REMEMBERED_CHANGES = 200;

const TABLES = `
  CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, stored TEXT NOT NULL, revision INTEGER NOT NULL, last_used_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS changes (revision INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`;

/**
 * Opens the file of the embedded store. Whoever uses it waits for the disk, and so is a thread of its own. Rejects,
 * saying what to do, where it cannot be opened, or was written with another pepper.
 */
export async function openSqliteKeyFile(file: string, fingerprint: string): Promise<KeyStore> {
  const { DatabaseSync: Database } = await loadSqlite();
  await makeFolder(dirname(file)).catch((cause: unknown) => {
    throw cannotBeOpened(file, cause);
  });
  // Of several processes that lay out a new file at a time, SQLite lets one, and fails for the others at once.
  return patiently(() => new SqliteKeyFile(file, () => openDatabase(Database, file, fingerprint)));
}

interface OpenDatabase {
  readonly database: DatabaseSync;
  /** Which file this is, so that one put in its place is noticed. */
  readonly inode: bigint;
  readonly epoch: string;
  readonly find: StatementSync;
  readonly dataVersion: StatementSync;
  readonly lastChange: StatementSync;
  readonly firstChange: StatementSync;
  readonly changedIds: StatementSync;
}

function openDatabase(Database: typeof DatabaseSync, file: string, fingerprint: string): OpenDatabase {
  let database: DatabaseSync | undefined;
  try {
    // SQLite gives its own files beside it the rights of this one.
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
    database = new Database(file, { timeout: BUSY_TIMEOUT_MS });
    // What was acknowledged must survive a power cut, too.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    const epoch = layOut(database, file, fingerprint);
    return {
      database,
      inode: inodeOf(file),
      epoch,
      find: database.prepare('SELECT stored, revision, last_used_at FROM keys WHERE id = ?'),
      dataVersion: database.prepare('PRAGMA data_version'),
      lastChange: database.prepare("SELECT seq AS revision FROM sqlite_sequence WHERE name = 'changes'"),
      firstChange: database.prepare('SELECT min(revision) AS revision FROM changes'),
      changedIds: database.prepare('SELECT DISTINCT id FROM changes WHERE revision > ?'),
    };
  } catch (cause) {
    database?.close();
    if (cause instanceof KeyStoreRejection) throw cause;
    throw cannotBeOpened(file, cause);
  }
}

function cannotBeOpened(file: string, cause: unknown): Error {
  return new Error(
    `the API keys in ${file} cannot be opened (${reasonOf(cause)}): make dataDir a folder that this user may write to, or put a good copy of the file in its place`,
    { cause },
  );
}

/** Makes what is missing and returns the file's epoch. Throws where it is not ours to use. */
function layOut(database: DatabaseSync, file: string, fingerprint: string): string {
  return inTransaction(database, () => {
    const { user_version: layout } = database.prepare('PRAGMA user_version').get() as {
      user_version: number;
    };
    if (layout > LAYOUT)
      throw new KeyStoreRejection(
        `the API keys in ${file} were written by a later version: run that version again`,
      );
    database.exec(`${TABLES} PRAGMA user_version = ${LAYOUT}`);
    if (findOrSet(database, 'pepper', fingerprint) === fingerprint)
      return findOrSet(database, 'epoch', randomUUID());
    throw new KeyStoreRejection(
      `the API keys in ${file} were made with another pepper: bring back the file api-key-pepper beside it, or the apiKeys.pepper of before`,
    );
  });
}

function findOrSet(database: DatabaseSync, name: string, value: string): string {
  database.prepare('INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO NOTHING').run(name, value);
  const row = database.prepare('SELECT value FROM settings WHERE name = ?').get(name) as { value: string };
  return row.value;
}

class SqliteKeyFile implements KeyStore {
  private readonly file: string;
  private readonly open: () => OpenDatabase;
  private db: OpenDatabase;
  private knownDataVersion = -1;
  private knownRevision = -1;

  constructor(file: string, open: () => OpenDatabase) {
    this.file = file;
    this.open = open;
    this.db = open();
  }

  find(id: string): FoundKey | undefined {
    const row = this.db.find.get(id) as KeyRow | undefined;
    return row && readRow(row);
  }

  async list(): Promise<readonly FoundKey[]> {
    const rows = this.db.database.prepare('SELECT stored, revision, last_used_at FROM keys').all();
    return (rows as unknown as KeyRow[]).map(readRow);
  }

  async insert(key: StoredKey): Promise<boolean> {
    return this.write(key.record.id, (revision) =>
      this.run(
        'INSERT INTO keys (id, stored, revision) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING',
        key.record.id,
        JSON.stringify(key),
        revision,
      ),
    );
  }

  async replace(key: StoredKey, expected: number): Promise<boolean> {
    return this.write(key.record.id, (revision) =>
      this.run(
        'UPDATE keys SET stored = ?, revision = ? WHERE id = ? AND revision = ?',
        JSON.stringify(key),
        revision,
        key.record.id,
        expected,
      ),
    );
  }

  async delete(id: string): Promise<boolean> {
    return this.write(id, () => this.run('DELETE FROM keys WHERE id = ?', id));
  }

  /** Waits for no disk: a last use that is lost does no harm, but look-ups wait meanwhile. */
  async markUsed(uses: ReadonlyMap<string, number>): Promise<void> {
    const { database } = this.db;
    database.exec('PRAGMA synchronous = NORMAL');
    try {
      inTransaction(database, () => {
        const mark = database.prepare(
          'UPDATE keys SET last_used_at = ?1 WHERE id = ?2 AND coalesce(last_used_at, 0) < ?1',
        );
        for (const [id, usedAt] of uses) mark.run(usedAt, id);
      });
    } finally {
      database.exec('PRAGMA synchronous = FULL');
    }
  }

  changesSince(position: KeyPosition | undefined): KeyChanges {
    if (inodeOf(this.file) !== this.db.inode) return this.reopen();
    const { data_version: dataVersion } = this.db.dataVersion.get() as { data_version: number };
    // Only other connections change the data version; this one's own writes reset what is known.
    const { epoch } = this.db;
    const since = position?.epoch === epoch ? position.revision : -1;
    if (dataVersion === this.knownDataVersion && since === this.knownRevision && position !== undefined)
      return { position, ids: [] };
    const last = revisionIn(this.db.lastChange.get());
    const changes = { position: { epoch, revision: last }, ids: this.idsSince(since, last) };
    this.knownDataVersion = dataVersion;
    this.knownRevision = last;
    return changes;
  }

  async close(): Promise<void> {
    this.db.database.close();
  }

  private idsSince(revision: number, last: number): readonly string[] | 'all' {
    if (revision < 0 || revision > last) return 'all';
    if (revision === last) return [];
    if (revisionIn(this.db.firstChange.get()) > revision + 1) return 'all';
    return this.db.changedIds.all(revision).map(({ id }) => String(id));
  }

  /** Another file was put in the place of ours, such as a copy from before. */
  private reopen(): KeyChanges {
    const former = this.db;
    this.db = this.open();
    former.database.close();
    this.knownRevision = -1;
    return this.changesSince(undefined);
  }

  /** Runs one change in a transaction of its own and remembers it, unless it changed nothing. */
  private write(id: string, change: (revision: number) => boolean): Promise<boolean> {
    return patiently(() => {
      const { database } = this.db;
      return inTransaction(database, () => {
        const { lastInsertRowid } = database.prepare('INSERT INTO changes (id) VALUES (?)').run(id);
        const revision = Number(lastInsertRowid);
        database.prepare('DELETE FROM changes WHERE revision <= ?').run(revision - REMEMBERED_CHANGES);
        this.knownRevision = -1;
        return change(revision);
      });
    });
  }

  private run(sql: string, ...values: (string | number)[]): boolean {
    return this.db.database.prepare(sql).run(...values).changes > 0;
  }
}

interface KeyRow {
  readonly stored: string;
  readonly revision: number;
  readonly last_used_at: number | null;
}

function readRow({ stored, revision, last_used_at }: KeyRow): FoundKey {
  return { ...(JSON.parse(stored) as StoredKey), revision, lastUsedAt: last_used_at ?? undefined };
}

function revisionIn(row: unknown): number {
  return (row as { revision: number | null } | undefined)?.revision ?? 0;
}

/** Runs `work` whole or not at all. Takes the right to write at once, so that it never stumbles halfway. */
function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** Does what may find the file busy, again and again until it does not. */
async function patiently<T>(work: () => T): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return work();
    } catch (error) {
      if (attempt === BUSY_ATTEMPTS || !isBusy(error)) throw error;
      await setTimeout(BUSY_PAUSE_MS * Math.random());
    }
  }
}

function isBusy(error: unknown): boolean {
  const { errcode = 0, cause } = error as { errcode?: number; cause?: unknown };
  return (errcode & 0xff) === SQLITE_BUSY || (cause !== undefined && isBusy(cause));
}

const SQLITE_BUSY = 5;

function inodeOf(file: string): bigint {
  return statSync(file, { bigint: true }).ino;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === undefined || code === 'ERR_SQLITE_ERROR' ? message : code;
}
