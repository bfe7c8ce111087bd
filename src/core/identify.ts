import type { z } from 'zod';
import { GatewayError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { Identification, Identifier } from './identifier.ts';
import type { Identity } from './identity.ts';
import { isPromise } from './is-promise.ts';
import { definePolicy, type Policy, type PolicyInstance } from './policy.ts';
import type { Counter, Services } from './services.ts';

/** Declares a policy that identifies, by the way in which it does. */
export function defineIdentifyingPolicy<Schema extends z.ZodType>(
  policy: Pick<Policy<Schema>, 'name' | 'summary' | 'options'> &
    Required<Pick<Policy<Schema>, 'createIdentifier'>>,
): Policy<Schema> {
  return definePolicy({
    ...policy,
    refuses: true,
    access: 'identifies',
    create(options, services) {
      const made = policy.createIdentifier(options, services);
      if (!isPromise(made)) return identifyBy(made, policy.name, services);
      return made.then((identifier) => identifyBy(identifier, policy.name, services));
    },
  });
}

/** Makes what the pipeline runs of a way to identify: the one place that decides what passes. */
export function identifyBy(identifier: Identifier, policy: string, services: Services): PolicyInstance {
  const failures = new FailureCounters(policy, services);
  const missing = new GatewayError('GW_CREDENTIALS_MISSING', {
    headers: { 'www-authenticate': identifier.challenge },
    reason: 'missing',
  });
  const settle = (exchange: Exchange, outcome: Identification): GatewayError | undefined => {
    if (outcome === undefined) {
      if (identifier.isOptional) return undefined;
      failures.count(missing);
      return missing;
    }
    if (outcome instanceof GatewayError) {
      failures.count(outcome);
      return outcome;
    }
    exchange.identity = requireIdentity(outcome);
    return undefined;
  };
  return {
    onRequest(exchange) {
      const outcome = identifier.identify(exchange);
      if (!isPromise(outcome)) return settle(exchange, outcome);
      return outcome.then((settled) => settle(exchange, settled));
    },
    ...(identifier.close === undefined ? {} : { close: () => identifier.close?.() }),
  };
}

/** Code of one's own may give anything, and whatever is no identity must not pass for one. */
function requireIdentity(outcome: Identity): Identity {
  const { subject, roles, permissions } = outcome;
  if (typeof subject === 'string' && subject !== '' && Array.isArray(roles) && Array.isArray(permissions))
    return outcome;
  throw new TypeError('an identity needs a subject, roles and permissions');
}

/** Counts failures by reason as `gateway_authentication_failures_total`. */
class FailureCounters {
  private readonly policy: string;
  private readonly services: Services;
  private readonly byReason = new Map<string, Counter>();

  constructor(policy: string, services: Services) {
    this.policy = policy;
    this.services = services;
  }

  count({ reason = 'other' }: GatewayError): void {
    let counter = this.byReason.get(reason);
    if (counter === undefined) {
      const labels = { policy: this.policy, reason };
      const help = 'Requests whose credentials were missing or refused, by policy and reason.';
      counter = this.services.metrics.counter('gateway_authentication_failures_total', help, labels);
      this.byReason.set(reason, counter);
    }
    counter.add();
  }
}
