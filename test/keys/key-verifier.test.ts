import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ApiKeyAdministration, NewApiKey, VerifiedApiKey } from '../../src/core/identity/api-keys.ts';
import { createAdministration } from '../../src/keys/key-administration.ts';
import { makeKey, newKeyId } from '../../src/keys/key-format.ts';
import { KeyHasher } from '../../src/keys/key-hash.ts';
import type { KeyPosition, KeyStore } from '../../src/keys/key-store.ts';
import { KeyVerifier, type VerifierOptions } from '../../src/keys/key-verifier.ts';
import { openSqliteKeyFile } from '../../src/keys/sqlite-key-file.ts';
import { MemoryLog } from '../admin/memory-log.ts';
import { StubClock } from '../observability/stub-clock.ts';

const DAY_MS = 86_400_000;
const hasher = new KeyHasher('a pepper of more than enough letters');

/** A real store that can be away, and that may answer later, as one over the network does. */
class ShakyStore implements KeyStore {
  readonly inner: KeyStore;
  isAway = false;
  isSlow = false;
  isSlowToTell = false;
  finds = 0;
  marks: Map<string, number>[] = [];
  private waiting: (() => void)[] = [];

  constructor(inner: KeyStore) {
    this.inner = inner;
  }

  find(id: string) {
    this.finds++;
    this.check();
    return this.later(this.isSlow, this.inner.find(id));
  }

  /** Gives what was read now when `answer` is called. */
  private later<T>(isOverdue: boolean, read: T | Promise<T>): T | Promise<T> {
    if (!isOverdue) return read;
    return new Promise<void>((resolve) => this.waiting.push(resolve)).then(() => read);
  }

  /** Lets what waits go on. */
  answer(): void {
    for (const go of this.waiting.splice(0)) go();
  }

  async markUsed(uses: ReadonlyMap<string, number>) {
    this.check();
    this.marks.push(new Map(uses));
    return this.inner.markUsed(uses);
  }

  changesSince(position: KeyPosition | undefined) {
    this.check();
    return this.later(this.isSlowToTell, this.inner.changesSince(position));
  }

  list = () => this.inner.list();
  insert: KeyStore['insert'] = (key) => this.inner.insert(key);
  replace: KeyStore['replace'] = (key, revision) => this.inner.replace(key, revision);
  delete = (id: string) => this.inner.delete(id);
  close = () => this.inner.close();

  private check(): void {
    if (this.isAway) throw new Error('away');
  }
}

let store: ShakyStore;
let clock: StubClock;
let log: MemoryLog;
/** Another process, such as the command line. */
let elsewhere: ApiKeyAdministration;

beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-keys-'));
  const file = join(folder, 'api-keys.db');
  store = new ShakyStore(await openSqliteKeyFile(file, hasher.fingerprint));
  const other = await openSqliteKeyFile(file, hasher.fingerprint);
  clock = new StubClock();
  log = new MemoryLog();
  elsewhere = createAdministration({ store: other, hasher, clock, environment: 'test' });
  return async () => {
    await Promise.all([store.close(), other.close()]);
    rmSync(folder, { recursive: true });
  };
});

async function startVerifier(options: Partial<VerifierOptions> = {}): Promise<KeyVerifier> {
  const verifier = new KeyVerifier({ store, hasher, clock, log, ...options });
  await verifier.poll();
  return verifier;
}

async function makeOne(settings: Partial<NewApiKey> = {}): Promise<{ id: string; key: string }> {
  const { key, record } = await elsewhere.create({ owner: 'acme', ...settings });
  return { id: record.id, key };
}

function inventKey(): string {
  return makeKey('test', newKeyId());
}

/** Moves time on, and lets what is asked then be answered. */
async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await new Promise((resolve) => setImmediate(resolve));
}

describe('a good key', () => {
  it('is found out about once, and from then on known at once', async () => {
    const verifier = await startVerifier();
    const { id, key } = await makeOne({ roles: ['partner'], plan: 'gold', metadata: { contract: '4711' } });
    const first = verifier.verify(key) as VerifiedApiKey;
    expect(first.identity).toMatchObject({
      subject: 'acme',
      roles: ['partner'],
      permissions: [],
      method: 'api-key',
      keyId: id,
      plan: 'gold',
      claims: { contract: '4711' },
    });
    expect(verifier.verify(key)).toBe(first);
    expect(store.finds).toBe(1);
  });

  it.each<[string, (id: string) => Promise<unknown>]>([
    ['deleted', (id) => elsewhere.delete(id)],
    ['disabled', (id) => elsewhere.change(id, { isDisabled: true })],
    ['expired', (id) => elsewhere.change(id, { expiresAt: 1 })],
    ['rotated without grace', (id) => elsewhere.rotate(id, 0)],
  ])('is refused within a second after it was %s elsewhere', async (_, revoke) => {
    const verifier = await startVerifier();
    const { id, key } = await makeOne();
    expect(verifier.verify(key)).toBeTypeOf('object');
    await revoke(id);
    await pass(999);
    expect(verifier.verify(key)).toBeTypeOf('string');
  });

  it('is told of what was changed elsewhere', async () => {
    const verifier = await startVerifier();
    const { id, key } = await makeOne({ roles: ['reader'] });
    verifier.verify(key);
    await elsewhere.change(id, { roles: ['writer'] });
    await pass(999);
    expect(verifier.verify(key)).toMatchObject({ identity: { roles: ['writer'] } });
  });

  it('ends when it expires, known or not', async () => {
    const verifier = await startVerifier();
    const { key } = await makeOne({ expiresAt: clock.now() + 1000 });
    await pass(999);
    expect(verifier.verify(key)).toBeTypeOf('object');
    await pass(1);
    expect([verifier.verify(key), verifier.verify(key)]).toEqual(['expired', 'expired']);
  });

  it('goes on beside the new one for as long as its rotation says, and the one before it no longer', async () => {
    const verifier = await startVerifier();
    const { id, key: first } = await makeOne();
    const second = (await elsewhere.rotate(id, DAY_MS))?.key as string;
    for (const key of [first, second]) expect(verifier.verify(key)).toBeTypeOf('object');
    const third = (await elsewhere.rotate(id, DAY_MS))?.key as string;
    await pass(999);
    expect([first, second, third].map((key) => typeof verifier.verify(key))).toEqual([
      'string',
      'object',
      'object',
    ]);
    await pass(DAY_MS);
    expect([second, third].map((key) => typeof verifier.verify(key))).toEqual(['string', 'object']);
  });

  it('is known to end with the grace of a rotation, if that is before it expires', async () => {
    const verifier = await startVerifier();
    const { id, key } = await makeOne({ expiresAt: clock.now() + 3 * DAY_MS });
    const endOf = (presented: string) => (verifier.verify(presented) as VerifiedApiKey).identity.expiresAt;
    expect(endOf(key)).toBe((clock.now() + 3 * DAY_MS) / 1000);
    await elsewhere.rotate(id, DAY_MS);
    await verifier.catchUp();
    expect(endOf(key)).toBe((clock.now() + DAY_MS) / 1000);
  });

  it('is refused as soon as this process has revoked it, though an older answer is on its way', async () => {
    const verifier = await startVerifier();
    const { id, key } = await makeOne();
    await verifier.poll();
    verifier.verify(key);
    store.isSlowToTell = true;
    const older = verifier.poll();
    store.isSlowToTell = false;
    await elsewhere.delete(id);
    const newer = verifier.catchUp();
    store.answer();
    await Promise.all([older, newer]);
    expect(verifier.verify(key)).toBe('unknown');
  });

  it('is not remembered where it was revoked while it was looked up', async () => {
    const verifier = await startVerifier();
    const { id, key } = await makeOne();
    store.isSlow = true;
    const verdict = verifier.verify(key);
    await elsewhere.delete(id);
    await pass(250);
    store.answer();
    expect(await verdict).toBeTypeOf('object');
    store.isSlow = false;
    expect(verifier.verify(key)).toBe('unknown');
  });
});

describe('a key that is not good', () => {
  it('is refused with the reason, for the log', async () => {
    const verifier = await startVerifier();
    const { id, key } = await makeOne();
    const { key: other } = await makeOne();
    const secretOfOther = key.slice(0, key.indexOf(id)) + id + other.slice(other.lastIndexOf('_'));
    await elsewhere.change(id, { isDisabled: true });
    expect(verifier.verify(key)).toBe('disabled');
    expect(verifier.verify(inventKey())).toBe('unknown');
    expect(verifier.verify(makeKey('test', id))).toBe('unknown');
    expect(verifier.verify(makeKey('live', id))).toBe('unknown');
    expect(verifier.verify(secretOfOther)).toBe('malformed');
    expect(verifier.verify('')).toBe('malformed');
  });

  it('is never asked the store about when it is malformed', async () => {
    const verifier = await startVerifier();
    const { key } = await makeOne();
    verifier.verify(`${key.slice(0, -1)}!`);
    verifier.verify(key.toLowerCase());
    expect(store.finds).toBe(0);
  });

  it('costs one look-up, and when it comes again none', async () => {
    const verifier = await startVerifier();
    const key = inventKey();
    for (let i = 0; i < 5; i++) expect(verifier.verify(key)).toBe('unknown');
    expect(store.finds).toBe(1);
  });

  it('takes the same way whether it is unknown, wrong or disabled', async () => {
    const verifier = await startVerifier();
    const { id, key } = await makeOne();
    verifier.verify(key);
    await elsewhere.change(id, { isDisabled: true });
    await pass(999);
    for (const presented of [key, makeKey('test', id), inventKey()]) {
      verifier.verify(presented);
      verifier.verify(presented);
    }
    // One for the good one at first, one for what is known of its id after the change, one for the invented.
    expect(store.finds).toBe(3);
  });

  it('pushes out no good one and takes no more memory, however many there are', async () => {
    const verifier = await startVerifier({ maxLookedUp: 10, maxSeen: 10 });
    const { id, key } = await makeOne();
    verifier.verify(key);
    for (let i = 0; i < 100; i++) {
      verifier.verify(inventKey());
      verifier.verify(makeKey('test', id));
    }
    const before = store.finds;
    expect(verifier.verify(key)).toBeTypeOf('object');
    expect(store.finds).toBe(before);
  });

  it('is looked up once for all who present it at a time', async () => {
    const verifier = await startVerifier();
    const { key } = await makeOne();
    const unknown = inventKey();
    store.isSlow = true;
    const verdicts = [key, key, unknown, key, unknown].map((presented) => verifier.verify(presented));
    expect(store.finds).toBe(2);
    store.answer();
    expect((await Promise.all(verdicts)).map((verdict) => typeof verdict)).toEqual([
      'object',
      'object',
      'string',
      'object',
      'string',
    ]);
  });

  it('waits for no look-up where too many are under way, and lets in those that were seen', async () => {
    const verifier = await startVerifier({ maxPending: 2 });
    const { key } = await makeOne();
    verifier.verify(key);
    store.isSlow = true;
    const pending = [verifier.verify(inventKey()), verifier.verify(inventKey())];
    expect(verifier.verify(inventKey())).toBe('unavailable');
    expect(verifier.verify(key)).toBeTypeOf('object');
    store.answer();
    expect(await Promise.all(pending)).toEqual(['unknown', 'unknown']);
    store.isSlow = false;
    expect(verifier.verify(inventKey())).toBe('unknown');
  });
});

describe('while the store is away', () => {
  it('keys that were seen stay good for 60 seconds, and no longer', async () => {
    const verifier = await startVerifier();
    const { key } = await makeOne();
    verifier.verify(key);
    store.isAway = true;
    await pass(60_000);
    expect(verifier.verify(key)).toBeTypeOf('object');
    await pass(1);
    expect(verifier.verify(key)).toBe('unavailable');
    store.isAway = false;
    await pass(250);
    expect(verifier.verify(key)).toBeTypeOf('object');
  });

  it('nothing is said of keys that were not seen', async () => {
    const verifier = await startVerifier();
    const { key } = await makeOne();
    const looked = inventKey();
    verifier.verify(looked);
    store.isAway = true;
    await pass(250);
    expect([verifier.verify(key), verifier.verify(looked)]).toEqual(['unavailable', 'unavailable']);
    expect(verifier.isStoreAway).toBe(true);
  });

  it('malformed keys are refused nevertheless', async () => {
    const verifier = await startVerifier();
    store.isAway = true;
    expect(verifier.verify('sp_live_x')).toBe('malformed');
  });

  it('the log says so once, and once when it is back', async () => {
    await startVerifier();
    store.isAway = true;
    for (let i = 0; i < 5; i++) await pass(250);
    store.isAway = false;
    for (let i = 0; i < 5; i++) await pass(250);
    expect(log.lines).toEqual([
      expect.stringMatching(/^warn the store of the API keys is away/),
      expect.stringMatching(/^info the store of the API keys is back/),
    ]);
  });

  it('a key that was revoked meanwhile is refused when it is back', async () => {
    const verifier = await startVerifier();
    const { id, key } = await makeOne();
    verifier.verify(key);
    store.isAway = true;
    await pass(10_000);
    await elsewhere.delete(id);
    store.isAway = false;
    await pass(250);
    expect(verifier.verify(key)).toBe('unknown');
  });

  it('and comes back without keys of which nobody had told yet, they are refused', async () => {
    const verifier = await startVerifier();
    const empty = await store.inner.changesSince(undefined);
    const { key } = await makeOne();
    expect(verifier.verify(key)).toBeTypeOf('object');
    // As a Redis that was restarted says it: at the position that is known already, and without the key.
    store.changesSince = () => ({ position: empty.position, ids: [] });
    store.inner.find = () => undefined;
    await pass(250);
    expect(verifier.verify(key)).toBe('unknown');
  });

  it('nothing is let in before it was there once', async () => {
    const { key } = await makeOne();
    store.isAway = true;
    const verifier = await startVerifier();
    expect(verifier.verify(key)).toBe('unavailable');
  });
});

describe('last uses', () => {
  it('are written together, not for each request', async () => {
    const verifier = await startVerifier();
    const [one, other] = [await makeOne(), await makeOne()];
    for (let i = 0; i < 100; i++) {
      verifier.verify(one.key);
      verifier.verify(other.key);
      await pass(1);
    }
    expect(store.marks).toEqual([]);
    await pass(10_000);
    expect(store.marks).toHaveLength(1);
    const [first, second] = await elsewhere.list();
    expect([first?.lastUsedAt, second?.lastUsedAt]).toEqual([clock.now() - 10_001, clock.now() - 10_001]);
    await pass(10_000);
    expect(store.marks).toHaveLength(1);
  });

  it('are written later where the store is away, and at the end', async () => {
    const verifier = await startVerifier();
    const { id, key } = await makeOne();
    verifier.verify(key);
    const usedAt = clock.now();
    store.isAway = true;
    await pass(10_000);
    store.isAway = false;
    await verifier.close();
    expect((await elsewhere.find(id))?.lastUsedAt).toBe(usedAt);
  });

  it('count only for keys that were let in', async () => {
    const verifier = await startVerifier();
    const { id } = await makeOne();
    verifier.verify(makeKey('test', id));
    await verifier.close();
    expect((await elsewhere.find(id))?.lastUsedAt).toBeUndefined();
  });
});
