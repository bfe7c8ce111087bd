import { describe, expect, it } from 'vitest';
import type { DiscoveredTarget } from '../../../src/upstream/discovery/discovery.ts';
import { keepLastGood } from '../../../src/upstream/discovery/last-good-targets.ts';
import type { TargetReport } from '../../../src/upstream/discovery/target-source.ts';
import { fc } from '../../support/fast-check.ts';
import { ManualClock } from './manual-clock.ts';

const A: DiscoveredTarget = { host: '10.0.0.1', port: 80 };
const B: DiscoveredTarget = { host: '10.0.0.2', port: 80 };
const C: DiscoveredTarget = { host: '10.0.0.3', port: 80 };

function startDiscovery(onTargets?: (targets: readonly DiscoveredTarget[]) => void) {
  const clock = new ManualClock();
  const lines: { readonly level: string; readonly message: string; readonly detail?: string }[] = [];
  const gauges = new Map<string, () => number>();
  const sets: (readonly DiscoveredTarget[])[] = [];
  let report: TargetReport | undefined;
  let isSourceClosed = false;
  const write = (level: string) => (fields: object, message: string) => {
    lines.push({ level, message, ...fields });
  };
  const discovery = keepLastGood(
    'orders',
    {
      start: (given) => {
        report = given;
      },
      close: () => {
        isSourceClosed = true;
      },
    },
    {
      clock,
      random: () => 0,
      log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
      metrics: {
        counter: () => ({ add() {} }),
        gauge(name, _, labels, read) {
          const key = `${name}{upstream="${labels.upstream}"}`;
          gauges.set(key, read);
          return () => void gauges.delete(key);
        },
      },
    },
  );
  discovery.start(onTargets ?? ((targets) => sets.push(targets)));
  const up = () => gauges.get('gateway_discovery_up{upstream="orders"}')?.();
  return {
    clock,
    lines,
    sets,
    discovery,
    up,
    source: report as unknown as TargetReport,
    isSourceClosed: () => isSourceClosed,
  };
}

describe('what a discovery passes on', () => {
  it('is each set once, however often and in whatever order the source names it', () => {
    const { source, sets, clock } = startDiscovery();
    source.found([B, A]);
    clock.advance(1000);
    source.found([A, B]);
    clock.advance(1000);
    source.found([A, B, A]);
    clock.advance(1000);
    expect(sets).toEqual([[A, B]]);
  });

  it('is a change of weight, zone, security and name too', () => {
    const { source, sets, clock } = startDiscovery();
    const changes = [{ weight: 2 }, { zone: 'a' }, { isSecure: true }, { name: 'orders-1' }];
    source.found([A]);
    for (const change of changes) {
      clock.advance(1000);
      source.found([{ ...A, ...change }]);
    }
    expect(sets).toEqual([[A], ...changes.map((change) => [{ ...A, ...change }])]);
  });

  it('is at once the first set, and what changes later than a second after the last', () => {
    const { source, sets, clock } = startDiscovery();
    source.found([A]);
    expect(sets).toEqual([[A]]);
    clock.advance(1000);
    source.found([B]);
    expect(sets).toEqual([[A], [B]]);
  });

  it('is at most one set a second while targets flap', () => {
    const { source, sets, clock } = startDiscovery();
    source.found([A]);
    for (let i = 0; i < 50; i++) {
      source.found(i % 2 === 0 ? [A, B] : [A]);
      clock.advance(100);
    }
    expect(sets.length).toBeLessThanOrEqual(6);
  });

  it('is nothing when a target left and came back within a second', () => {
    const { source, sets, clock } = startDiscovery();
    source.found([A, B]);
    source.found([A]);
    source.failed('away');
    source.found([B, A]);
    clock.advance(5000);
    expect(sets).toEqual([[A, B]]);
  });

  it('is never empty, never the same twice in a row, and in the end the last set found', () => {
    const outcome = fc.oneof(fc.subarray([A, B, C]), fc.constant('failed' as const));
    const event = fc.tuple(outcome, fc.integer({ min: 0, max: 1500 }));
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        const { source, sets, clock, discovery } = startDiscovery();
        let last: readonly DiscoveredTarget[] | 'failed' = 'failed';
        for (const [result, delayMs] of events) {
          if (result === 'failed') source.failed('away');
          else source.found(result);
          last = result;
          clock.advance(delayMs);
        }
        clock.advance(1000);
        for (const [i, set] of sets.entries()) {
          expect(set.length).toBeGreaterThan(0);
          expect(set).not.toEqual(sets[i - 1]);
        }
        const isGood = last !== 'failed' && last.length > 0;
        expect(discovery.status().ok).toBe(isGood);
        if (isGood) expect(sets.at(-1)).toEqual(last);
      }),
    );
  });
});

describe('a listener that throws', () => {
  it('does not end the source, and gets the set again with the next report', () => {
    const heard: unknown[] = [];
    const { source, clock, lines } = startDiscovery((targets) => {
      heard.push(targets);
      if (heard.length === 1) throw new Error('no room');
    });
    source.found([A]);
    clock.advance(1000);
    source.found([A]);
    clock.advance(1000);
    source.found([A]);
    expect(heard).toEqual([[A], [A]]);
    expect(lines.map(({ message }) => message)).toEqual(['discovered targets cannot be used']);
  });
});

describe('a source that yields nothing, or stops', () => {
  it.each([
    ['lists no target', (source: TargetReport) => source.found([]), 'lists no targets'],
    [
      'says why it does not respond',
      (source: TargetReport) => source.failed('refused (401)'),
      'refused (401)',
    ],
  ])('leaves the last set in use when it %s', (_, stop, detail) => {
    const { source, sets, clock, discovery, up } = startDiscovery();
    source.found([A, B]);
    expect(up()).toBe(1);
    clock.advance(1000);
    stop(source);
    expect(sets).toEqual([[A, B]]);
    expect(discovery.status().ok).toBe(false);
    expect(discovery.status().detail).toContain(detail);
    expect(discovery.status().detail).toContain('the last known stay in use (2)');
    expect(up()).toBe(0);
  });

  it('says so before the first answer and when nothing was ever found', () => {
    const { source, discovery, up } = startDiscovery();
    expect(discovery.status()).toEqual({ ok: false, detail: 'has not answered yet' });
    expect(up()).toBe(0);
    source.failed('away');
    expect(discovery.status()).toEqual({ ok: false, detail: 'away; no target is known yet' });
  });

  it('is logged once when it goes and once when it is back', () => {
    const { source, lines, clock } = startDiscovery();
    source.found([A]);
    for (let i = 0; i < 20; i++) {
      clock.advance(1000);
      source.failed('away');
    }
    clock.advance(1000);
    source.found([A]);
    clock.advance(1000);
    source.found([A]);
    expect(lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
      'warn discovery finds no targets',
      'info discovery finds targets again',
    ]);
    expect(lines[0]).toMatchObject({ upstream: 'orders', targets: 1 });
    expect(lines[0]?.detail).toContain('away');
  });

  it('is logged again when the reason changes', () => {
    const { source, lines, clock } = startDiscovery();
    source.failed('away');
    clock.advance(1000);
    source.failed('refused');
    expect(lines.map(({ detail }) => detail)).toEqual([
      'away; no target is known yet',
      'refused; no target is known yet',
    ]);
  });

  it('shows what had to be left out though there are targets', () => {
    const { source, sets, lines, discovery, up } = startDiscovery();
    source.found([A], 'b has port 0');
    expect(sets).toEqual([[A]]);
    expect(discovery.status()).toEqual({ ok: true, detail: 'b has port 0' });
    expect(up()).toBe(1);
    expect(lines).toMatchObject([{ level: 'warn', message: 'discovery leaves some targets out' }]);
  });
});

describe('a closed discovery', () => {
  it('closes the source, ends its timers and its series, and passes nothing on', () => {
    const { source, sets, clock, discovery, up, isSourceClosed } = startDiscovery();
    source.found([A]);
    source.found([B]);
    expect(clock.planned()).toHaveLength(1);
    discovery.close();
    source.found([C]);
    clock.advance(5000);
    expect(sets).toEqual([[A]]);
    expect(clock.planned()).toEqual([]);
    expect(up()).toBeUndefined();
    expect(isSourceClosed()).toBe(true);
  });
});
