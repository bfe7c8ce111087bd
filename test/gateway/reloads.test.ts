import { describe, expect, it } from 'vitest';
import type { LoadResult } from '../../src/config/load.ts';
import type { GatewayConfig } from '../../src/config/schema/schema.ts';
import { Reloads } from '../../src/gateway/life/reloads.ts';

const config = { routes: [] } as unknown as GatewayConfig;
const good = (fingerprint: string | undefined): LoadResult => ({
  ok: true,
  config,
  warnings: [],
  customPolicies: [],
  secrets: [],
  fingerprint,
  documents: [],
});
const bad: LoadResult = {
  ok: false,
  problems: [{ file: 'f', path: '', message: 'ends early', remedy: 'write the rest' }],
  documents: [],
};

/** Reloads of which each look at the file finds the next of `looks`, the last one again and again. */
function setUp(looks: LoadResult[], state: 'ready' | 'draining' = 'ready', started = Promise.resolve()) {
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const taken: number[] = [];
  let looked = 0;
  const reloads = new Reloads({
    loaded: {
      fingerprint: 'a',
      file: { path: 'f', contentKey: undefined },
      reload: async () => looks[Math.min(looked++, looks.length - 1)] as LoadResult,
    },
    life: { state, started, watchDocuments() {} },
    log,
    metrics: { configReloaded() {} },
    running: () => ({ version: taken.at(-1) ?? 1, config }),
    takeUp: async (_, version) => void taken.push(version),
  });
  return { reloads, taken, looks: () => looked };
}

describe('reloads', () => {
  it('look once more at what is refused, which may have been half written', async () => {
    const { reloads, looks } = setUp([bad, good('b')]);
    expect(await reloads.reload()).toEqual({ ok: true, version: 2 });
    expect(looks()).toBe(2);
    expect(reloads.problems).toEqual([]);
  });

  it('refuse what is bad the second time too, and look at it no more', async () => {
    const { reloads, looks, taken } = setUp([bad]);
    expect(await reloads.reload()).toMatchObject({ ok: false });
    expect(looks()).toBe(2);
    expect(taken).toEqual([]);
    expect(reloads.problems).toHaveLength(1);
  });

  it('are one that runs and one that waits, whoever asks', async () => {
    const { reloads, looks } = setUp([good('b')]);
    const all = Array.from({ length: 40 }, () => reloads.reload());
    await Promise.all(all);
    expect(looks()).toBe(2);
    await reloads.reload();
    expect(looks()).toBe(3);
  });

  it('take up what has changed, and what names code each time', async () => {
    const { reloads, taken } = setUp([good('a'), good('b'), good('b'), good(undefined), good(undefined)]);
    for (let i = 0; i < 5; i++) await reloads.reload();
    expect(taken).toEqual([2, 3, 4]);
  });

  it('wait for the start of the gateway', async () => {
    let start: () => void = () => {};
    const started = new Promise<void>((resolve) => {
      start = resolve;
    });
    const { reloads, looks } = setUp([good('b')], 'ready', started);
    const reloading = reloads.reload();
    expect(looks()).toBe(0);
    start();
    expect(await reloading).toEqual({ ok: true, version: 2 });
  });

  it('are refused once the gateway drains', async () => {
    const { reloads, looks } = setUp([good('b')], 'draining');
    expect(await reloads.reload()).toEqual({ ok: false, problems: ['the gateway is draining'] });
    expect(looks()).toBe(0);
  });
});
