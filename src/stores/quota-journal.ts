import { chmod, mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { loadSqlite } from '../core/load-sqlite.ts';

/** A counter that outlives the process. */
export interface LastingCounter {
  readonly limit: string;
  readonly key: string;
  readonly at: number;
  readonly used: number;
  /** Milliseconds since 1970 at which it is as new. */
  readonly endsAt: number;
}

/** Where the counters of quotas are written down, for when the process ends. */
export interface QuotaJournal {
  /** Gives what is still of use, and forgets the rest. */
  load(now: number): LastingCounter[];
  /** Writes all of these or throws, and forgets some of what is of no use any more. What is written outlives `kill -9`. */
  save(counters: readonly LastingCounter[], now: number): void;
  close(): void;
}

const FILE = 'limits.sqlite';

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA busy_timeout = 1000;
  CREATE TABLE IF NOT EXISTS counters (
    name TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL, used INTEGER NOT NULL, ends_at INTEGER NOT NULL,
    PRIMARY KEY (name, key)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS counters_by_end ON counters (ends_at);
`;

const UPSERT = `
  INSERT INTO counters (name, key, at, used, ends_at) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (name, key) DO UPDATE SET at = excluded.at, used = excluded.used, ends_at = excluded.ends_at
`;

/** A part at a time, in a few milliseconds; many end at the same moment. */
const FORGET_SOME = `
  DELETE FROM counters
  WHERE (name, key) IN (SELECT name, key FROM counters WHERE ends_at <= ? ORDER BY ends_at LIMIT 1000)
`;

/** Opens the journal in `folder`, which is made if need be. Rejects where that cannot be. */
export async function openQuotaJournal(folder: string): Promise<QuotaJournal> {
  const { DatabaseSync: Database } = await loadSqlite();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, FILE);
  // It says who asks how much. SQLite gives its own files beside it the rights of this one.
  await (await open(file, 'a', 0o600)).close();
  await chmod(file, 0o600);
  const database = new Database(file);
  try {
    database.exec(SCHEMA);
    return new SqliteQuotaJournal(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

class SqliteQuotaJournal implements QuotaJournal {
  private readonly database: DatabaseSync;
  private readonly upsert: StatementSync;
  private readonly forgetSome: StatementSync;

  constructor(database: DatabaseSync) {
    this.database = database;
    this.upsert = database.prepare(UPSERT);
    this.forgetSome = database.prepare(FORGET_SOME);
  }

  load(now: number): LastingCounter[] {
    this.database.prepare('DELETE FROM counters WHERE ends_at <= ?').run(now);
    const rows = this.database.prepare('SELECT name, key, at, used, ends_at FROM counters').all();
    return rows.map((row) => ({
      limit: String(row.name),
      key: String(row.key),
      at: Number(row.at),
      used: Number(row.used),
      endsAt: Number(row.ends_at),
    }));
  }

  save(counters: readonly LastingCounter[], now: number): void {
    this.database.exec('BEGIN IMMEDIATE');
    try {
      for (const { limit, key, at, used, endsAt } of counters) this.upsert.run(limit, key, at, used, endsAt);
      this.forgetSome.run(now);
      this.database.exec('COMMIT');
    } catch (error) {
      if (this.database.isTransaction) this.database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.database.close();
  }
}
