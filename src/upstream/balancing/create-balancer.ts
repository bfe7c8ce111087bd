import { compileRequestKey } from '../../core/request-key.ts';
import type { Balancer } from './balancer.ts';
import { LeastConnections } from './least-connections.ts';
import { RandomChoice } from './random.ts';
import { Rendezvous } from './rendezvous.ts';
import { RoundRobin } from './round-robin.ts';
import { TwoChoices } from './two-choices.ts';

/** Makes the balancer of a `balance` setting. Throws `TypeError` for one that does not exist. */
export function createBalancer(balance: string, random: () => number): Balancer {
  switch (balance) {
    case 'round-robin':
      return new RoundRobin();
    case 'least-connections':
      return new LeastConnections();
    case 'two-choices':
      return new TwoChoices(random);
    case 'random':
      return new RandomChoice(random);
  }
  if (balance.startsWith('hash:')) return new Rendezvous(compileRequestKey(balance.slice('hash:'.length)));
  throw new TypeError(`there is no way to balance called '${balance}'`);
}
