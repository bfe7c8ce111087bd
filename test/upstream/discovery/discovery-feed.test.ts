import { describe, expect, it } from 'vitest';
import type { DiscoveredTarget, Discovery } from '../../../src/upstream/discovery/discovery.ts';
import { DiscoveryFeed } from '../../../src/upstream/discovery/discovery-feed.ts';
import { ManualClock } from './manual-clock.ts';

const A: DiscoveredTarget = { host: '10.0.0.1', port: 80 };
const B: DiscoveredTarget = { host: '10.0.0.2', port: 80 };

function startFeed() {
  let tell: (targets: readonly DiscoveredTarget[]) => void = () => {};
  let isClosed = false;
  const discovery: Discovery = {
    start: (onTargets) => {
      tell = onTargets;
    },
    status: () => ({ ok: true, detail: 'fine' }),
    close: () => {
      isClosed = true;
    },
  };
  const feed = new DiscoveryFeed(discovery);
  return { feed, tell: (...targets: DiscoveredTarget[]) => tell(targets), isClosed: () => isClosed };
}

describe('a discovery that is shared', () => {
  it('tells who joins later what is known, and all of them what changes', () => {
    const { feed, tell } = startFeed();
    const heard: string[] = [];
    const note = (who: string) => (targets: readonly DiscoveredTarget[]) =>
      heard.push(`${who} ${targets.map(({ host }) => host).join(' ')}`);
    feed.subscribe(note('first'));
    tell(A);
    const leave = feed.subscribe(note('second'));
    tell(A, B);
    leave();
    tell(B);
    expect(heard).toEqual([
      'first 10.0.0.1',
      'second 10.0.0.1',
      'first 10.0.0.1 10.0.0.2',
      'second 10.0.0.1 10.0.0.2',
      'first 10.0.0.2',
    ]);
  });

  it('lets a new upstream wait for the first targets', async () => {
    const { feed, tell } = startFeed();
    const clock = new ManualClock();
    const waiting = feed.whenKnown(clock, 3000);
    tell(A);
    await waiting;
    expect(clock.planned()).toEqual([]);
    await feed.whenKnown(clock, 3000);
  });

  it('lets it wait no longer than it wants to', async () => {
    const { feed } = startFeed();
    const clock = new ManualClock();
    const waiting = feed.whenKnown(clock, 3000);
    clock.advance(3000);
    await waiting;
  });

  it('gives the state of the discovery, and closes it', () => {
    const { feed, tell, isClosed } = startFeed();
    const heard: unknown[] = [];
    feed.subscribe((targets) => heard.push(targets));
    expect(feed.status()).toEqual({ ok: true, detail: 'fine' });
    feed.close();
    tell(A);
    expect(isClosed()).toBe(true);
    expect(heard).toEqual([]);
  });
});
