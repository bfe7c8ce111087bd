import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { LimitCharge } from '../../src/core/stores/limit-store.ts';
import type { ChangedCounter } from '../../src/stores/lasting-counter.ts';
import { MemoryLimitStore, type MemoryLimitStoreOptions } from '../../src/stores/memory-limit-store.ts';
import { openQuotaJournal, type QuotaJournal } from '../../src/stores/quota-journal.ts';
import { stubServices } from '../core/stub-exchange.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { until } from '../support/until.ts';
import { chargeFor, limitStoreContract, slowRule } from './limit-store-contract.ts';

limitStoreContract('counters in memory', () => createStore().store, { now: () => new StubClock().now() });

function createStore(options: Partial<MemoryLimitStoreOptions> = {}) {
  const clock = new StubClock();
  const { services, lines, counts } = stubServices();
  const store = new MemoryLimitStore({ ...services, clock, ...options });
  onTestFinished(() => store.close());
  return { store, clock, lines, counts };
}

const RULE = slowRule({ limit: 2, windowMs: 1000 });
const RULE_OF_HOURS = slowRule({ limit: 100 });

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function isAllowed(store: MemoryLimitStore, charge: Partial<LimitCharge>): boolean {
  return store.charge([chargeFor({ rule: RULE, ...charge })])[0]?.isAllowed === true;
}

describe('time', () => {
  it('fills buckets again, and forgets counters that are as new', () => {
    const { store, clock } = createStore();
    for (let i = 0; i < 20_000; i++) isAllowed(store, { key: `client-${i}` });
    expect(isAllowed(store, { key: 'a' })).toBe(true);
    expect(isAllowed(store, { key: 'a' })).toBe(true);
    expect(isAllowed(store, { key: 'a' })).toBe(false);
    expect(store.size).toBe(20_001);
    clock.advance(500);
    // A part of the slots each time, so that nothing has to wait for it.
    expect(store.size).toBeGreaterThan(10_000);
    expect(isAllowed(store, { key: 'a' })).toBe(true);
    clock.advance(100);
    clock.advance(100);
    expect(store.size).toBe(1);
    clock.advance(1000);
    for (let i = 0; i < 6; i++) clock.advance(100);
    expect(store.size).toBe(0);
  });

  it('is not turned back by a wall clock that is', () => {
    const clock = new StubClock();
    let turnedBackMs = 0;
    const shifted = Object.assign(Object.create(clock) as StubClock, {
      now: () => clock.now() - turnedBackMs,
    });
    const { store } = createStore({ clock: shifted });
    isAllowed(store, { cost: 2 });
    turnedBackMs = 3_600_000;
    clock.advance(500);
    expect(isAllowed(store, {})).toBe(true);
  });
});

describe('when there is no room for more counters', () => {
  it('lets new clients share one, keeps those it has, and says so', () => {
    const { store, clock, lines, counts } = createStore({ maxCounters: 100 });
    for (let i = 0; i < 100; i++) expect(isAllowed(store, { key: `client-${i}` })).toBe(true);
    // Two of all new ones together.
    const invented = Array.from({ length: 50 }, (_, i) => isAllowed(store, { key: `invented-${i}` }));
    expect(invented.filter(Boolean)).toHaveLength(2);
    expect(store.size).toBe(101);
    for (let i = 0; i < 100; i++) {
      expect(isAllowed(store, { key: `client-${i}` })).toBe(true);
      expect(isAllowed(store, { key: `client-${i}` })).toBe(false);
    }
    expect(counts.get('gateway_limit_overflows_total ')).toBe(50);
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    clock.advance(2000);
    expect(isAllowed(store, { key: 'invented-0' })).toBe(true);
    expect(isAllowed(store, { key: 'invented-1' })).toBe(true);
    expect(counts.get('gateway_limit_overflows_total ')).toBe(50);
  });

  it('leaves room for the clients of other limits', () => {
    const { store } = createStore({ maxCounters: 100, maxCountersOfLimit: 50 });
    for (let i = 0; i < 500; i++) isAllowed(store, { limit: 'attacked', key: `invented-${i}` });
    const others = Array.from({ length: 40 }, (_, i) =>
      isAllowed(store, { limit: 'other', key: `client-${i}` }),
    );
    expect(others.every(Boolean)).toBe(true);
  });

  it('makes room by itself as counters become as new, without waiting for a timer', () => {
    const clock = new StubClock();
    const still = Object.assign(Object.create(clock) as StubClock, { every: () => () => {} });
    const { store, counts } = createStore({ clock: still, maxCounters: 10 });
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 10; i++) expect(isAllowed(store, { key: `${round}-${i}`, cost: 2 })).toBe(true);
      clock.advance(1000);
    }
    expect(counts.get('gateway_limit_overflows_total ')).toBeUndefined();
    expect(store.size).toBeLessThanOrEqual(10);
  });
});

describe('memory', () => {
  it('keeps a million counters in less than 200 MiB', () => {
    const { store } = createStore();
    collectGarbage();
    const before = process.memoryUsage();
    for (let i = 0; i < 1_000_000; i++) {
      const key = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
      store.charge([{ limit: 'orders', key, rule: RULE_OF_HOURS, cost: 1 }]);
    }
    collectGarbage();
    const after = process.memoryUsage();
    const bytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    expect(store.size).toBe(1_000_000);
    expect(bytes / 2 ** 20).toBeLessThan(200);
  });

  it('keeps a copy of a key, not the request that it was part of', () => {
    const { store } = createStore();
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 3000; i++) {
      const head = Buffer.alloc(64 * 1024, `x${i}`).toString('latin1');
      isAllowed(store, { key: head.slice(100, 140) });
    }
    collectGarbage();
    // All heads together would be 190 MiB.
    expect((process.memoryUsage().heapUsed - before) / 2 ** 20).toBeLessThan(50);
  });
});

describe('quotas', () => {
  const period = { startsAt: 1_700_000_000_000, endsAt: 1_700_000_000_000 + 86_400_000 };
  const rule = slowRule({ algorithm: 'fixed-window', limit: 5, windowMs: 86_400_000 });
  const charge = chargeFor({ limit: 'monthly', key: 'ünïcode', rule, period });

  async function makeFolder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-limits-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    return folder;
  }

  async function openJournal(folder: string): Promise<QuotaJournal> {
    const journal = await openQuotaJournal(folder);
    onTestFinished(() => journal.close());
    return journal;
  }

  it('are found again by the next process', async () => {
    const folder = join(await makeFolder(), 'made-if-need-be');
    const first = createStore();
    await first.store.keepIn(await openQuotaJournal(folder));
    first.store.charge([charge]);
    first.store.chargeAfterwards([{ ...charge, cost: 2 }]);
    first.store.charge([chargeFor({ key: 'not a quota' })]);
    await first.store.close();
    const second = createStore();
    await second.store.keepIn(await openQuotaJournal(folder));
    expect(second.store.size).toBe(1);
    expect(second.store.charge([charge])[0]).toMatchObject({ isAllowed: true, remaining: 1 });
  });

  it('are for the user of the gateway only, with all files that belong to them', async () => {
    const folder = await makeFolder();
    const file = join(folder, 'limits.sqlite');
    await writeFile(file, '', { mode: 0o644 });
    const { store, clock } = createStore();
    await store.keepIn(await openQuotaJournal(folder));
    store.charge([charge]);
    clock.advance(500);
    await until(async () => (await readdir(folder)).includes('limits.sqlite-wal'));
    const names = await readdir(folder);
    expect(names).toContain('limits.sqlite-wal');
    for (const name of names) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
  });

  it('are written down within half a second, so that a process that is killed loses no more', async () => {
    const folder = await makeFolder();
    const { store, clock } = createStore();
    await store.keepIn(await openQuotaJournal(folder));
    store.charge([charge]);
    clock.advance(500);
    const other = await openJournal(folder);
    await until(async () => (await other.load(clock.now())).length > 0);
    expect(await other.load(clock.now())).toMatchObject([{ limit: 'monthly', key: 'ünïcode', used: 1 }]);
    store.charge([charge]);
    await until(async () => {
      clock.advance(100);
      return (await other.load(clock.now()))[0]?.used === 2;
    });
    expect(await other.load(clock.now())).toMatchObject([{ used: 2, endsAt: period.endsAt }]);
  });

  it('are written down a part at a time when many change at once, and all of them at the end', async () => {
    const folder = await makeFolder();
    const { store, clock } = createStore();
    await store.keepIn(await openQuotaJournal(folder));
    for (let i = 0; i < 5000; i++) store.charge([{ ...charge, key: `client-${i}` }]);
    const other = await openJournal(folder);
    const written = async (): Promise<number> => (await other.load(clock.now())).length;
    clock.advance(100);
    await until(async () => (await written()) > 0);
    expect(await written()).toBe(2000);
    store.charge([{ ...charge, key: 'client-0' }]);
    await store.close();
    expect(await written()).toBe(5000);
    const [first] = (await other.load(clock.now())).filter(({ key }) => key === 'client-0');
    expect(first).toMatchObject({ used: 2 });
  });

  it('are forgotten when their period is over', async () => {
    const folder = await makeFolder();
    const journal = await openJournal(folder);
    const { startsAt: at, endsAt } = period;
    await journal.save([{ limit: 'monthly', key: 'a', at, used: 3, endsAt, added: 3 }], at);
    expect(await journal.load(endsAt - 1)).toHaveLength(1);
    expect(await journal.load(endsAt)).toHaveLength(0);
  });

  it('do not fill the disk with those whose period is over', async () => {
    const { store, clock } = createStore();
    const folder = await makeFolder();
    await store.keepIn(await openQuotaJournal(folder));
    for (let i = 0; i < 1500; i++) store.charge([{ ...charge, key: `client-${i}` }]);
    clock.advance(100);
    const journal = await openJournal(folder);
    await until(async () => (await journal.load(clock.now())).length === 1500);
    clock.advance(86_400_000);
    const next = { startsAt: period.endsAt, endsAt: period.endsAt + 86_400_000 };
    const other = new DatabaseSync(join(folder, 'limits.sqlite'));
    onTestFinished(() => other.close());
    const left = (): unknown => other.prepare('SELECT count(*) AS rows FROM counters').get()?.rows;
    store.charge([{ ...charge, period: next }]);
    const isLeft = (rows: number) => (): boolean => {
      // The write before may still be on its way.
      clock.advance(100);
      return left() === rows;
    };
    // A part at a time, so that nothing has to wait for it.
    await until(isLeft(501));
    store.charge([{ ...charge, period: next }]);
    await until(isLeft(1));
  });

  it('hold to the end of their period though the wall clock was ahead for a while', async () => {
    const clock = new StubClock();
    let aheadMs = 0;
    const wrong = Object.assign(Object.create(clock) as StubClock, { now: () => clock.now() + aheadMs });
    const folder = await makeFolder();
    const { store } = createStore({ clock: wrong });
    await store.keepIn(await openQuotaJournal(folder));
    aheadMs = 3 * 86_400_000;
    clock.advance(100);
    aheadMs = 0;
    for (let i = 0; i < 5; i++) store.charge([charge]);
    for (let i = 0; i < 5; i++) clock.advance(100);
    expect(store.charge([charge])[0]).toMatchObject({
      isAllowed: false,
      retryAfterMs: period.endsAt - clock.now(),
    });
    await store.close();
    const journal = await openJournal(folder);
    expect(await journal.load(clock.now())).toMatchObject([{ used: 5, endsAt: period.endsAt }]);
  });

  it('go on to the end of a period in which a request of the one before turned out to cost something', () => {
    const { store, clock } = createStore();
    const next = { startsAt: period.endsAt, endsAt: period.endsAt + 86_400_000 };
    clock.advance(86_400_000);
    for (let i = 0; i < 4; i++) store.charge([{ ...charge, period: next }]);
    store.chargeAfterwards([charge]);
    for (let i = 0; i < 5; i++) clock.advance(100);
    expect(isAllowed(store, { ...charge, period: next })).toBe(false);
  });

  it('are written down also where their place was just that of another one', async () => {
    const folder = await makeFolder();
    const { store, clock } = createStore({ maxCounters: 1 });
    await store.keepIn(await openQuotaJournal(folder));
    clock.advance(86_400_000 - 50);
    store.charge([{ ...charge, key: 'before' }]);
    // Between two times of writing down.
    clock.advance(50);
    store.charge([{ ...charge, period: { startsAt: period.endsAt, endsAt: period.endsAt + 86_400_000 } }]);
    await store.close();
    const journal = await openJournal(folder);
    expect((await journal.load(period.startsAt)).map(({ key }) => key)).toEqual(['ünïcode']);
  });

  it('are tried again when they cannot be written down, after longer and longer pauses', async () => {
    const { store, clock, lines } = createStore();
    const disk = new StubJournal();
    await store.keepIn(disk);
    disk.failure = new Error('disk full');
    store.charge([charge]);
    const tick = async (): Promise<void> => {
      clock.advance(100);
      await nextTurn();
    };
    for (let i = 0; i < 20; i++) await tick();
    expect(disk.tries).toBeLessThan(6);
    // Not with each try.
    expect(lines.map(({ level }) => level)).toEqual(['error']);
    expect(store.problem).toBe('disk full');
    clock.advance(60_000);
    await nextTurn();
    expect(lines.map(({ level }) => level)).toEqual(['error', 'error']);
    disk.failure = undefined;
    for (let i = 0; i < 60; i++) await tick();
    expect(disk.saved).toMatchObject([{ limit: 'monthly', used: 1, added: 1 }]);
    expect(store.problem).toBeUndefined();
    expect(lines.at(-1)).toMatchObject({ level: 'info' });
  });

  it('are decided on while the disk does not respond, which is told, and are written down once', async () => {
    const { store, clock, lines } = createStore();
    const disk = new StubJournal();
    await store.keepIn(disk);
    disk.isHanging = true;
    for (let i = 0; i < 4; i++) {
      expect(store.charge([charge])).toMatchObject([{ isAllowed: true, remaining: 4 - i }]);
      clock.advance(1000);
      await nextTurn();
    }
    expect(disk.tries).toBe(1);
    expect(store.problem).toBe('the disk does not respond');
    expect(lines.map(({ level }) => level)).toEqual(['error']);
    disk.isHanging = false;
    disk.wake();
    await until(() => store.problem === undefined);
    await nextTurn();
    clock.advance(100);
    await until(() => disk.saved.length === 2);
    expect(disk.saved).toMatchObject([
      { used: 1, added: 1 },
      { used: 4, added: 3 },
    ]);
  });

  it('are decided on while another process locks the file, and are written down when it lets go', async () => {
    const folder = await makeFolder();
    const { store, clock } = createStore();
    await store.keepIn(await openQuotaJournal(folder));
    const other = new DatabaseSync(join(folder, 'limits.sqlite'));
    onTestFinished(() => other.close());
    other.exec('BEGIN IMMEDIATE');
    let decided = 0;
    // In each turn of the event loop, which would stand still.
    await until(() => {
      decided += Number(store.charge([{ ...charge, key: `client-${decided}` }])[0]?.isAllowed === true);
      if (decided === 1) clock.advance(100);
      return store.problem !== undefined;
    });
    expect(store.problem).toBe('database is locked');
    expect(decided).toBeGreaterThan(20);
    other.exec('COMMIT');
    await store.close();
    const journal = await openJournal(folder);
    expect(await journal.load(clock.now())).toHaveLength(decided);
  });

  it('add up where two gateways keep them in one folder, and each learns of the other', async () => {
    const folder = await makeFolder();
    const [one, other] = [createStore(), createStore()];
    await one.store.keepIn(await openQuotaJournal(folder));
    await other.store.keepIn(await openQuotaJournal(folder));
    one.store.charge([charge]);
    other.store.chargeAfterwards([{ ...charge, cost: 2 }]);
    const journal = await openJournal(folder);
    const kept = async () => (await journal.load(one.clock.now()))[0]?.used;
    one.clock.advance(100);
    await until(async () => (await kept()) === 1);
    other.clock.advance(100);
    await until(async () => (await kept()) === 3);
    one.store.charge([charge]);
    await until(async () => {
      one.clock.advance(100);
      return (await kept()) === 4;
    });
    await until(() => one.store.charge([{ ...charge, cost: 0 }])[0]?.remaining === 1);
    await Promise.all([one.store.close(), other.store.close()]);
    expect(await kept()).toBe(4);
  });

  it('begin anew where a clock that was ahead has begun their period, in memory and on disk', async () => {
    const folder = await makeFolder();
    const clock = new StubClock();
    let aheadMs = 3 * 86_400_000;
    const wrong = Object.assign(Object.create(clock) as StubClock, { now: () => clock.now() + aheadMs });
    const { store } = createStore({ clock: wrong });
    await store.keepIn(await openQuotaJournal(folder));
    const later = { startsAt: period.startsAt + aheadMs, endsAt: period.endsAt + aheadMs };
    store.charge([{ ...charge, period: later, cost: 5 }]);
    clock.advance(100);
    const journal = await openJournal(folder);
    await until(async () => (await journal.load(0))[0]?.used === 5);
    aheadMs = 0;
    const other = createStore();
    await other.store.keepIn(await openQuotaJournal(folder));
    for (const each of [store, other.store])
      expect(each.charge([charge])).toMatchObject([{ isAllowed: true, remaining: 4 }]);
    store.chargeAfterwards([charge]);
    await until(async () => {
      clock.advance(100);
      return (await journal.load(0))[0]?.used === 2;
    });
    expect(await journal.load(0)).toMatchObject([{ at: period.startsAt, endsAt: period.endsAt }]);
  });
});

/** A disk that fails or hangs as it is told. */
class StubJournal implements QuotaJournal {
  readonly saved: ChangedCounter[] = [];
  tries = 0;
  failure: Error | undefined = undefined;
  isHanging = false;
  wake: () => void = () => {};

  async load() {
    return [];
  }

  async save(counters: readonly ChangedCounter[]) {
    this.tries++;
    if (this.isHanging) await new Promise<void>((resolve) => (this.wake = resolve));
    if (this.failure !== undefined) throw this.failure;
    this.saved.push(...counters);
    return counters;
  }

  async close() {}
}
