import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { KeyStore } from '../../src/keys/key-store.ts';
import { openSqliteKeyStore } from '../../src/keys/sqlite-key-store.ts';

const WRITER = fileURLToPath(new URL('./fixtures/write-keys.ts', import.meta.url));

let folder = '';
let file = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-keys-'));
  file = join(folder, 'data/api-keys.db');
  return () => rmSync(folder, { recursive: true });
});

async function open(): Promise<KeyStore> {
  const store = await openSqliteKeyStore(file, 'of-the-pepper');
  onTestFinished(() => store.close());
  return store;
}

function key(id: string) {
  const record = {
    id,
    owner: 'acme',
    roles: [],
    permissions: [],
    metadata: {},
    createdAt: 0,
    isDisabled: false,
  };
  return { record, secrets: [{ hash: 'h' }] };
}

/** A process that writes keys, and the ids of those that it was told are safe. */
class Writer {
  readonly acknowledged: string[] = [];
  private readonly child: ChildProcess;
  private rest = '';
  private wake: () => void = () => {};

  constructor() {
    this.child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', WRITER, file], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void this.child.kill('SIGKILL'));
    this.child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (this.rest + chunk).split('\n');
      this.rest = lines.pop() as string;
      this.acknowledged.push(...lines);
      this.wake();
    });
  }

  async wrote(count: number): Promise<void> {
    while (this.acknowledged.length < count) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await once(this.child, 'close');
  }
}

describe('the embedded store', () => {
  it('is for its owner only, with all files that belong to it', async () => {
    const store = await open();
    await store.insert(key('a'));
    expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o700);
    const modes = readdirSync(join(folder, 'data')).map((name) => [
      name,
      statSync(join(folder, 'data', name)).mode & 0o777,
    ]);
    expect(modes).toHaveLength(3);
    for (const [, mode] of modes) expect(mode).toBe(0o600);
  });

  it('is opened by several processes that start together', async () => {
    const stores = await Promise.all(Array.from({ length: 4 }, open));
    await Promise.all(stores.map((store, i) => store.insert(key(`key${i}`))));
    expect(await stores[0]?.list()).toHaveLength(4);
  });

  it('holds every key that was acknowledged when its writers are killed in the middle of their work', async () => {
    const acknowledged: string[] = [];
    for (let round = 1; round <= 3; round++) {
      const writers = [new Writer(), new Writer()];
      await Promise.all(writers.map((writer) => writer.wrote(round * 4)));
      await Promise.all(writers.map((writer) => writer.kill()));
      acknowledged.push(...writers.flatMap((writer) => writer.acknowledged));
      const store = await openSqliteKeyStore(file, 'of-the-pepper');
      const kept = new Set((await store.list()).map(({ record }) => record.id));
      expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
      await store.close();
    }
    const database = new DatabaseSync(file);
    onTestFinished(() => database.close());
    expect(database.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
  });

  it('forgets the oldest changes, and then says that everything may be different', async () => {
    const [one, other] = [await open(), await open()];
    const { position } = await one.changesSince(undefined);
    for (let i = 0; i < 201; i++) await other.delete('nobody');
    expect((await one.changesSince(position)).ids).toBe('all');
    const { position: last } = await one.changesSince(position);
    expect(await one.changesSince(last)).toEqual({ position: last, ids: [] });
  });

  it('notices that another file was put in its place, such as a copy from before', async () => {
    const store = await open();
    await store.insert(key('a'));
    const copy = await openSqliteKeyStore(file, 'of-the-pepper');
    const database = new DatabaseSync(file);
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    database.close();
    await copy.close();
    copyFileSync(file, join(folder, 'copy'));
    await store.insert(key('b'));
    const { position } = await store.changesSince(undefined);
    for (const ending of ['-wal', '-shm']) rmSync(file + ending, { force: true });
    renameSync(join(folder, 'copy'), file);
    expect((await store.changesSince(position)).ids).toBe('all');
    expect((await store.list()).map(({ record }) => record.id)).toEqual(['a']);
  });

  it('fails where its file is gone, rather than to go on with what nobody else sees', async () => {
    const store = await open();
    const { position } = await store.changesSince(undefined);
    rmSync(file);
    await expect(store.changesSince(position)).rejects.toThrow(/ENOENT/);
  });
});

describe('an embedded store that cannot be opened', () => {
  it.each<[string, () => void]>([
    ['no database', () => writeFileSync(file, 'x'.repeat(5000))],
    ['a folder', () => mkdirSync(file)],
    ['a database that is damaged', () => writeFileSync(file, `SQLite format 3\0${'\xff'.repeat(5000)}`)],
  ])('because it is %s, says which file and what to do', async (_, spoil) => {
    mkdirSync(join(folder, 'data'));
    spoil();
    await expect(open()).rejects.toThrow(/api-keys\.db cannot be opened .+: make dataDir a folder/);
  });

  it.skipIf(process.getuid?.() === 0)('because of its rights, says so', async () => {
    mkdirSync(join(folder, 'data'));
    chmodSync(join(folder, 'data'), 0o500);
    await expect(open()).rejects.toThrow(/EACCES/);
  });

  it('because a later version wrote it, says so', async () => {
    await (await openSqliteKeyStore(file, 'of-the-pepper')).close();
    const database = new DatabaseSync(file);
    database.exec('PRAGMA user_version = 99');
    database.close();
    await expect(open()).rejects.toThrow(/later version/);
  });

  it('because it was made with another pepper, says what to bring back', async () => {
    await (await openSqliteKeyStore(file, 'of-another')).close();
    await expect(open()).rejects.toThrow(/another pepper: bring back the file api-key-pepper/);
  });
});
