import type { StrategyName } from '../../config/schema/upstream-schema.ts';
import { compileRequestKey } from '../../core/request-key.ts';
import type { Balancer } from './balancer.ts';
import { LeastConnections } from './least-connections.ts';
import { RandomChoice } from './random.ts';
import { Rendezvous } from './rendezvous.ts';
import { RoundRobin } from './round-robin.ts';
import { TwoChoices } from './two-choices.ts';

const STRATEGIES: Readonly<Record<StrategyName, (random: () => number) => Balancer>> = {
  'round-robin': () => new RoundRobin(),
  'least-connections': () => new LeastConnections(),
  'two-choices': (random) => new TwoChoices(random),
  random: (random) => new RandomChoice(random),
};

/** Makes the balancer of a `balance` setting. Throws `TypeError` for one that does not exist. */
export function createBalancer(balance: string, random: () => number): Balancer {
  if (balance.startsWith('hash:')) return new Rendezvous(compileRequestKey(balance.slice('hash:'.length)));
  if (!Object.hasOwn(STRATEGIES, balance))
    throw new TypeError(`there is no balancing strategy called '${balance}'`);
  return STRATEGIES[balance as StrategyName](random);
}
