import { describe, expect, it } from 'vitest';
import { ChangingKeySet, type LoadedKeys } from '../../src/auth/changing-key-set.ts';
import { readJwk } from '../../src/config/key-material/public-key.ts';
import { stubServices } from '../core/stub-exchange.ts';
import { StubClock } from '../observability/stub-clock.ts';
import { createSigner } from './test-tokens.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const TIMES = {
  refresh: 10 * MINUTE_MS,
  retry: 30 * SECOND_MS,
  unknownKey: 30 * SECOND_MS,
  stale: 70 * MINUTE_MS,
};

function key(id: string) {
  const read = readJwk(createSigner('ES256', id).jwk);
  if (typeof read === 'string') throw new Error(read);
  return read;
}

const [a, b] = [key('a'), key('b')];

/** A key set whose loads are in the hands of the test. */
function startKeySet() {
  const clock = new StubClock();
  const { services, lines } = stubServices();
  let next: () => Promise<LoadedKeys> = async () => ({ keys: [a] });
  let loads = 0;
  let gone = 0;
  const set = new ChangingKeySet({
    name: 'main',
    times: TIMES,
    clock,
    log: services.log,
    onKeyRemoved: () => gone++,
    load: () => {
      loads++;
      return next();
    },
  });
  return {
    set,
    clock,
    lines,
    loads: () => loads,
    gone: () => gone,
    give: (...keys: LoadedKeys['keys']) => {
      next = async () => ({ keys });
    },
    failWith: (message: string) => {
      next = async () => {
        throw new Error(message);
      };
    },
    hang: () => {
      next = () => new Promise(() => {});
    },
    /** Finds a key once what is under way is over. */
    find: async (id: string) => set.find('ES256', id),
    async advance(ms: number) {
      clock.advance(ms);
      // Lets a load that the clock began come to its end.
      for (let i = 0; i < 10; i++) await Promise.resolve();
    },
  };
}

describe('a key set that changes', () => {
  it('is loaded at once, and again every ten minutes', async () => {
    const { set, find, loads, advance } = startKeySet();
    expect(await find('a')).toEqual([a]);
    expect(set.find('ES256', 'a')).toEqual([a]);
    await advance(TIMES.refresh - 1);
    expect(loads()).toBe(1);
    await advance(1);
    expect(loads()).toBe(2);
    await advance(TIMES.refresh);
    expect(loads()).toBe(3);
  });

  it('is loaded once for a flood of unknown keys, whose tokens are then refused at once', async () => {
    const { set, find, loads, advance } = startKeySet();
    await find('a');
    await advance(TIMES.unknownKey);
    const flood = Array.from({ length: 1000 }, (_, i) => find(`unknown-${i}`));
    expect(await Promise.all(flood)).toEqual(flood.map(() => []));
    expect(loads()).toBe(2);
    for (let i = 0; i < 1000; i++) expect(set.find('ES256', `other-${i}`)).toEqual([]);
    await advance(TIMES.unknownKey - 1);
    expect(set.find('ES256', 'still-unknown')).toEqual([]);
    expect(loads()).toBe(2);
    await advance(1);
    await find('still-unknown');
    expect(loads()).toBe(3);
  });

  it('finds a key that is new by the first token that names it', async () => {
    const { find, give, advance, gone } = startKeySet();
    await find('a');
    give(a, b);
    await advance(TIMES.unknownKey);
    expect(await find('b')).toEqual([b]);
    expect(gone()).toBe(0);
  });

  it('says when a key no longer counts', async () => {
    const { find, give, advance, gone } = startKeySet();
    await find('a');
    give(b);
    await advance(TIMES.refresh);
    expect(gone()).toBe(1);
    expect(await find('a')).toEqual([]);
  });

  it('says so when another key takes the id of one', async () => {
    const { find, give, advance, gone } = startKeySet();
    await find('a');
    const replaced = key('a');
    give(replaced);
    await advance(TIMES.refresh);
    expect(gone()).toBe(1);
    expect(await find('a')).toEqual([replaced]);
  });

  it('keeps its keys through an outage of an hour after the ten minutes, then nothing can be said', async () => {
    const { find, failWith, give, advance, gone } = startKeySet();
    await find('a');
    failWith('away');
    for (let passed = 0; passed < TIMES.stale - TIMES.retry; passed += TIMES.retry) {
      await advance(TIMES.retry);
      expect(await find('a')).toEqual([a]);
    }
    expect(gone()).toBe(0);
    await advance(TIMES.retry);
    await advance(TIMES.retry);
    expect(gone()).toBe(1);
    expect(await find('a')).toBe('unavailable');
    give(a);
    await advance(TIMES.retry);
    expect(await find('a')).toEqual([a]);
  });

  it('cannot say anything of an unknown key while it cannot be loaded', async () => {
    const { find, failWith, advance, loads } = startKeySet();
    await find('a');
    failWith('away');
    await advance(TIMES.unknownKey);
    expect(await find('unknown')).toBe('unavailable');
    expect(await find('another')).toBe('unavailable');
    expect(loads()).toBe(2);
  });

  it('is asked for by requests once a second while it has never been there', async () => {
    const { set, find, failWith, give, advance, loads } = startKeySet();
    failWith('away');
    await find('a');
    give();
    await advance(TIMES.refresh);
    failWith('away');
    const before = loads();
    await advance(SECOND_MS);
    await Promise.all([find('a'), find('a'), find('b')]);
    expect(loads()).toBe(before + 1);
    expect(set.find('ES256', 'a')).toBe('unavailable');
    give(a);
    await advance(SECOND_MS);
    expect(await find('a')).toEqual([a]);
  });

  it('says what is wrong with it while it is, and that the keys of before go on', async () => {
    const { set, find, failWith, give, advance } = startKeySet();
    await find('a');
    expect(set.problem()).toBeUndefined();
    failWith('the key set is empty');
    await advance(TIMES.refresh);
    expect(set.problem()).toContain('the key set is empty; the keys of before go on');
    expect(await find('a')).toEqual([a]);
    give(a);
    await advance(TIMES.retry);
    expect(set.problem()).toBeUndefined();
  });

  it('has a key without an id for any token, and looks for a newer set meanwhile', async () => {
    const { set, find, give, advance, loads } = startKeySet();
    await find('a');
    const unnamed = { ...b, id: undefined };
    give(a, unnamed);
    await advance(TIMES.refresh);
    expect(await find('a')).toEqual([a]);
    expect(set.find('ES256', 'c')).toEqual([unnamed]);
    expect(set.find('ES256', undefined)).toEqual([a, unnamed]);
    const before = loads();
    await advance(TIMES.unknownKey);
    expect(set.find('ES256', 'c')).toEqual([unnamed]);
    expect(loads()).toBe(before + 1);
  });

  it('logs an outage once, and its end', async () => {
    const { find, failWith, give, advance, lines } = startKeySet();
    await find('a');
    failWith('away');
    await advance(TIMES.refresh);
    await advance(TIMES.retry);
    give(a);
    await advance(TIMES.retry);
    expect(lines.map(({ level, message }) => `${level}: ${message}`)).toEqual([
      'warn: the keys of the auth service cannot be loaded',
      'debug: the keys of the auth service cannot be loaded',
      'info: the keys of the auth service are there again',
    ]);
  });

  it('asks no more once it is closed', async () => {
    const { set, find, advance, loads } = startKeySet();
    await find('a');
    set.close();
    await advance(TIMES.refresh * 3);
    expect(loads()).toBe(1);
  });

  it('tries at most four keys for a token that names none', async () => {
    const { set, find, give, advance } = startKeySet();
    await find('a');
    give(...Array.from({ length: 6 }, () => a));
    await advance(TIMES.refresh);
    expect(set.find('ES256', undefined)).toHaveLength(4);
  });
});
