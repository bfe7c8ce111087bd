import { describe, expect, it } from 'vitest';
import { Rendezvous } from '../../../src/upstream/balancing/rendezvous.ts';
import type { UpstreamTarget } from '../../../src/upstream/upstream-target.ts';
import { stubExchange } from '../../core/stub-exchange.ts';
import { fc } from '../../support/fast-check.ts';
import { seededRandom, stubTarget, stubUpstream } from '../stub-upstream.ts';

/** What the guide states: how much more than its share a target has of a million keys, as a part of the share. */
const TOLERANCE = 0.02;
const EXCHANGE = stubExchange();

/** Which of `targets` each of so many keys goes to. */
function placesOf(keys: number, targets: readonly UpstreamTarget[]): (UpstreamTarget | undefined)[] {
  let i = 0;
  const balancer = new Rendezvous(() => `user-${i}`);
  balancer.update(targets);
  const places: (UpstreamTarget | undefined)[] = [];
  for (; i < keys; i++) places.push(balancer.pick(EXCHANGE, []));
  return places;
}

function sharesOf(places: readonly (UpstreamTarget | undefined)[]): Map<UpstreamTarget | undefined, number> {
  const counts = new Map<UpstreamTarget | undefined, number>();
  for (const place of places) counts.set(place, (counts.get(place) ?? 0) + 1);
  return new Map(Array.from(counts, ([target, count]) => [target, count / places.length]));
}

const named = (weights: readonly number[], prefix = '10.0.0'): UpstreamTarget[] =>
  weights.map((weight, i) => stubTarget(`${prefix}.${i}:8080`, weight));

const totalOf = (targets: readonly UpstreamTarget[]): number =>
  targets.reduce((sum, { fullWeight }) => sum + fullWeight, 0);

/** Targets at any addresses and ports, with weights as in a configuration or in SRV records. */
const anyTargets = fc
  .uniqueArray(fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })), {
    minLength: 2,
    maxLength: 12,
    selector: String,
  })
  .chain((places) => {
    const weight = fc.oneof(
      fc.constant(1),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 65_535 }),
    );
    const weights = fc.array(weight, { minLength: places.length, maxLength: places.length });
    return weights.map((all) => places.map(([ip, port], i) => stubTarget(`${ip}:${port}`, all[i] as number)));
  });

describe('the keys of a hash', () => {
  it('move from the target that leaves, all of them, and from no other, and back with it', () => {
    fc.assert(
      fc.property(anyTargets, fc.nat(), (targets, which) => {
        const gone = targets[which % targets.length] as UpstreamTarget;
        const before = placesOf(500, targets);
        const after = placesOf(
          500,
          targets.filter((target) => target !== gone),
        );
        for (const [i, place] of before.entries()) {
          if (place === gone) expect(after[i]).not.toBe(gone);
          else expect(after[i]).toBe(place);
        }
        expect(placesOf(500, [...targets].reverse())).toEqual(before);
      }),
    );
  });

  it('move from the heaviest target as from any other', () => {
    const targets = named([100, 1, 2, 3]);
    const before = placesOf(2000, targets);
    const after = placesOf(2000, targets.slice(1));
    expect(after.filter((place, i) => place !== before[i] && before[i] !== targets[0])).toEqual([]);
  });

  it.each([2, 3, 5, 10])('that move are no more than one in %i of all, within the tolerance', (count) => {
    for (const prefix of ['10.0.0', '192.168.1', 'fd00::7']) {
      const shares = [...sharesOf(placesOf(1_000_000, named(new Array(count).fill(1), prefix))).values()];
      expect(shares).toHaveLength(count);
      expect(Math.max(...shares)).toBeLessThanOrEqual((1 / count) * (1 + TOLERANCE));
    }
  });

  it.each([[[1, 2]], [[1, 1, 2, 5]], [[3, 4, 5, 6, 7, 8]], [[65_535, 1, 65_535, 30_000]]])(
    'are shared by the weights %j, and those of one that leaves are too',
    (weights) => {
      const targets = named(weights);
      const shares = sharesOf(placesOf(1_000_000, targets));
      const isClose = (share: number, wanted: number): void =>
        // A weight of 1 beside 65,535 gets a handful of a million keys, of which 2 % is less than one.
        expect(Math.abs(share - wanted)).toBeLessThanOrEqual(Math.max(TOLERANCE * wanted, 20e-6));
      for (const target of targets) isClose(shares.get(target) ?? 0, target.fullWeight / totalOf(targets));
      const others = targets.slice(0, -1);
      const after = sharesOf(placesOf(1_000_000, others));
      for (const target of others) isClose(after.get(target) ?? 0, target.fullWeight / totalOf(others));
    },
  );

  it('deviate from the shares as chance does, over many sets of targets', () => {
    const random = seededRandom(7);
    const keys = 20_000;
    let chiSquare = 0;
    let freedom = 0;
    for (let set = 0; set < 60; set++) {
      const count = 2 + Math.floor(random() * 11);
      const targets = named(
        Array.from({ length: count }, () => 1 + Math.floor(random() * 4)),
        `10.1.${set}`,
      );
      const shares = sharesOf(placesOf(keys, targets));
      for (const target of targets) {
        const wanted = (target.fullWeight / totalOf(targets)) * keys;
        chiSquare += ((shares.get(target) ?? 0) * keys - wanted) ** 2 / wanted;
      }
      freedom += count - 1;
    }
    // Of a fair draw it is about 1, and above this once in ten thousand times.
    expect(chiSquare / freedom).toBeLessThan(1 + 3.7 * Math.sqrt(2 / freedom));
  });
});

describe('an upstream that hashes', () => {
  const spread = ({ upstream }: ReturnType<typeof stubUpstream>): (string | undefined)[] =>
    Array.from({ length: 1000 }, (_, i) => {
      const exchange = stubExchange({ clientAddress: `10.0.${i >> 8}.${i & 255}` });
      return upstream.pick(exchange)?.name;
    });

  it('moves only the keys of a target that is ejected, and has them back when it is in again', () => {
    const stub = stubUpstream([3, 1, 1, 1], { balance: 'hash:ip' });
    const before = spread(stub);
    stub.report(stub.targets[0] as UpstreamTarget, 503, 5);
    const after = spread(stub);
    expect(after).not.toContain('a');
    expect(before.every((name, i) => name === after[i] || name === 'a')).toBe(true);
    stub.clock.advance(30_000);
    expect(spread(stub)).toEqual(before);
  });

  it('moves only the keys of a target that is no longer named', () => {
    const stub = stubUpstream([1, 5, 1], { balance: 'hash:ip' });
    const before = spread(stub);
    stub.upstream.setTargets(stub.targets.filter(({ name }) => name !== 'b'));
    const after = spread(stub);
    expect(before.every((name, i) => name === after[i] || name === 'b')).toBe(true);
  });

  it('tries for a key the target that would have it next', () => {
    const { upstream, targets } = stubUpstream([1, 2, 1, 4], { balance: 'hash:ip' });
    for (let i = 0; i < 50; i++) {
      const exchange = stubExchange({ clientAddress: `192.0.2.${i}` });
      const first = upstream.pick(exchange) as UpstreamTarget;
      const next = upstream.pick(exchange, [first]);
      upstream.setTargets(targets.filter((target) => target !== first));
      expect(upstream.pick(exchange)).toBe(next);
      upstream.setTargets(targets);
    }
  });
});
