import { chmod, open } from 'node:fs/promises';
import path from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { loadSqlite } from '../core/disk/load-sqlite.ts';
import { makeFolder } from '../core/disk/make-folder.ts';
import { MOST_BEHIND_MS } from '../limits/limit-state.ts';
import type { ChangedCounter, CounterPosition, LastingCounter, WrittenCounter } from './lasting-counter.ts';

const FILE = 'limits.sqlite';
/** How long this thread waits for another process that writes, such as a copy that is being taken. */
const BUSY_TIMEOUT_MS = 1000;
/** How many counters are read at a time. */
const LOADED_AT_ONCE = 5000;

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS counters (
    name TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL, used INTEGER NOT NULL, ends_at INTEGER NOT NULL,
    PRIMARY KEY (name, key)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS counters_by_end ON counters (ends_at);
`;

const LOAD = `
  SELECT name, key, at, used, ends_at FROM counters WHERE (name, key) > (?, ?) ORDER BY name, key LIMIT ${LOADED_AT_ONCE}
`;

/**
 * Adds what was counted since the last time, so that several gateways on one file count together. A period that begins
 * beyond the horizon was begun by a clock that was wrong.
 */
const IS_SAME = 'at >= excluded.at AND at <= :horizon';
const ADD = `
  INSERT INTO counters (name, key, at, used, ends_at) VALUES (:name, :key, :at, :used, :endsAt)
  ON CONFLICT (name, key) DO UPDATE SET
    at = CASE WHEN ${IS_SAME} THEN at ELSE excluded.at END,
    used = CASE WHEN ${IS_SAME} THEN max(0, min(${Number.MAX_SAFE_INTEGER}, used + :added)) ELSE excluded.used END,
    ends_at = CASE WHEN ${IS_SAME} THEN ends_at ELSE excluded.ends_at END
  RETURNING at, used
`;

/** A part at a time, in a few milliseconds; many end at the same moment. */
const FORGET_SOME = `
  DELETE FROM counters
  WHERE (name, key) IN (SELECT name, key FROM counters WHERE ends_at <= ? ORDER BY ends_at LIMIT 1000)
`;

/** Opens the file of quotas in `folder`, which is made if need be. Whoever uses it waits for the disk. */
export async function openQuotaFile(folder: string): Promise<QuotaFile> {
  const { DatabaseSync: Database } = await loadSqlite();
  await makeFolder(folder);
  const file = path.join(folder, FILE);
  // It says who asks how much. SQLite gives its own files beside it the rights of this one.
  await (await open(file, 'a', 0o600)).close();
  await chmod(file, 0o600);
  const database = new Database(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    database.exec(SCHEMA);
    return new QuotaFile(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The counters of quotas in one SQLite file. */
export class QuotaFile {
  private readonly database: DatabaseSync;
  private readonly add: StatementSync;
  private readonly loadSome: StatementSync;
  private readonly forgetSome: StatementSync;

  constructor(database: DatabaseSync) {
    this.database = database;
    this.add = database.prepare(ADD);
    this.loadSome = database.prepare(LOAD);
    this.forgetSome = database.prepare(FORGET_SOME);
  }

  loadAfter({ limit, key }: CounterPosition): LastingCounter[] {
    return this.loadSome.all(limit, key).map((row) => ({
      limit: String(row.name),
      key: String(row.key),
      at: Number(row.at),
      used: Number(row.used),
      endsAt: Number(row.ends_at),
    }));
  }

  save(counters: readonly ChangedCounter[], now: number): WrittenCounter[] {
    const horizon = now + MOST_BEHIND_MS;
    this.database.exec('BEGIN IMMEDIATE');
    try {
      const written = counters.map(({ limit: name, key, at, used, endsAt, added }) => {
        const row = this.add.get({ name, key, at, used, endsAt, added, horizon });
        return { at: Number(row?.at), used: Number(row?.used) };
      });
      this.forgetSome.run(now);
      this.database.exec('COMMIT');
      return written;
    } catch (error) {
      if (this.database.isTransaction) this.database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.database.close();
  }
}
