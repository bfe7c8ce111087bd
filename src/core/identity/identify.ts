import type { z } from 'zod';
import type { Clock } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { isPromise } from '../is-promise.ts';
import type { Reply, ResponseHead } from '../message.ts';
import { withinTime } from '../pipeline/within-time.ts';
import { definePolicy, type Policy, type PolicyInstance, type RequestOutcome } from '../policy.ts';
import { isReply } from '../reply.ts';
import type { Counter, Services } from '../services.ts';
import { guardIdentifier } from './guard-identifier.ts';
import type { Identification, Identifier } from './identifier.ts';
import type { Identity } from './identity.ts';
import { hasEnded, sealIdentity } from './seal-identity.ts';

/** Declares a policy that identifies, by the way in which it does. */
export function defineIdentifyingPolicy<Schema extends z.ZodType, const Name extends string = string>(
  policy: Pick<Policy<Schema, Name>, 'name' | 'summary' | 'options'> &
    Pick<Policy<Schema>, 'authServices'> &
    Required<Pick<Policy<Schema>, 'createIdentifier'>> &
    Pick<Policy<Schema>, 'origins'>,
): Policy<Schema, Name> {
  const createIdentifier: typeof policy.createIdentifier = (options, services) => {
    const made = policy.createIdentifier(options, services);
    const isExchanged = (options as { readonly forward?: unknown }).forward === 'exchange';
    const complete = (identifier: Identifier): Identifier => {
      const guarded = guardIdentifier(identifier);
      return isExchanged ? exchanging(guarded) : guarded;
    };
    return isPromise(made) ? made.then(complete) : complete(made);
  };
  return definePolicy({
    ...policy,
    refuses: true,
    access: 'identifies',
    maxWaitMs: 0,
    createIdentifier,
    create(options, services) {
      const made = createIdentifier(options, services);
      if (!isPromise(made)) return identifyBy(made, policy.name, services);
      return made.then((identifier) => identifyBy(identifier, policy.name, services));
    },
  });
}

/** A way to identify after which the upstream gets a token of ours. Within `any`, each has its own say about that. */
function exchanging(identifier: Identifier): Identifier {
  const noted = (exchange: Exchange, outcome: Identification): Identification => {
    if (isIdentity(outcome)) exchange.wantsInternalToken = true;
    return outcome;
  };
  return {
    challenge: identifier.challenge,
    isOptional: identifier.isOptional,
    hasOwnDeadlines: identifier.hasOwnDeadlines === true,
    writesResponse: identifier.writesResponse === true,
    identify(exchange) {
      const outcome = identifier.identify(exchange);
      if (!isPromise(outcome)) return noted(exchange, outcome);
      // Whatever is only like a promise becomes one.
      return Promise.resolve(outcome).then((settled) => noted(exchange, settled));
    },
    dropCredential: (exchange) => identifier.dropCredential(exchange),
    close: () => identifier.close?.(),
  };
}

function isIdentity(outcome: Identification): outcome is Identity {
  return (
    outcome !== undefined && outcome !== 'admitted' && !(outcome instanceof GatewayError) && !isReply(outcome)
  );
}

/** How long anything may take to find out who is calling: longer than any of its own bounds, so that it is the last one. */
const DEADLINE_MS = 10_000;

/** Makes what the pipeline runs of a way to identify: the one place that decides what passes. */
export function identifyBy(identifier: Identifier, policy: string, services: Services): PolicyInstance {
  const failures = new FailureCounters(policy, services);
  const missing = new GatewayError('GW_CREDENTIALS_MISSING', {
    ...(identifier.challenge === '' ? {} : { headers: { 'www-authenticate': identifier.challenge } }),
    reason: 'missing',
  });
  const expired = new GatewayError('GW_CREDENTIALS_INVALID', {
    ...(identifier.challenge === '' ? {} : { headers: { 'www-authenticate': identifier.challenge } }),
    reason: 'expired',
  });
  const settle = (exchange: Exchange, outcome: Identification): RequestOutcome => {
    if (outcome === undefined) {
      exchange.challenge = identifier.challenge;
      if (identifier.isOptional) return undefined;
      failures.count('missing');
      return missing;
    }
    if (outcome instanceof GatewayError || isReply(outcome)) return failures.counted(outcome);
    if (outcome === 'admitted') {
      exchange.isAdmitted = true;
      return undefined;
    }
    const identity = sealIdentity(outcome, policy);
    if (identity.subject === '') throw new TypeError('an identity needs a subject');
    if (hasEnded(identity, services.clock.now())) return failures.counted(expired);
    exchange.identity = identity;
    return undefined;
  };
  return {
    onRequest(exchange) {
      const outcome = identifyInTime(identifier, exchange, services.clock);
      if (!isPromise(outcome)) return settle(exchange, outcome);
      return Promise.resolve(outcome).then((settled) => settle(exchange, settled));
    },
    ...(identifier.writesResponse === true && { onResponse: writeResponseFields }),
    ...(identifier.close === undefined ? {} : { close: () => identifier.close?.() }),
  };
}

function writeResponseFields({ responseFields = [] }: Exchange, { headers }: ResponseHead): void {
  for (const [name, value] of responseFields) headers.append(name, value);
}

/** Asks a way in, and waits for its response no longer than `DEADLINE_MS`, unless it has bounds of its own. */
export function identifyInTime(
  identifier: Identifier,
  exchange: Exchange,
  clock: Clock,
): Identification | Promise<Identification> {
  const outcome = identifier.identify(exchange);
  if (!isPromise(outcome) || identifier.hasOwnDeadlines === true) return outcome;
  return withinTime<Identification>(outcome, DEADLINE_MS, clock, denyAfterTimeout);
}

function denyAfterTimeout(): GatewayError {
  return new GatewayError('GW_AUTH_UNAVAILABLE', { reason: 'timeout' });
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

  counted<Outcome extends GatewayError | Reply>(outcome: Outcome): Outcome {
    this.count(outcome instanceof GatewayError ? (outcome.reason ?? 'other') : 'answered');
    return outcome;
  }

  count(reason: string): void {
    let counter = this.byReason.get(reason);
    if (counter === undefined) {
      const labels = { policy: this.policy, reason };
      const help = 'Requests whose credentials were missing or rejected, by policy and reason.';
      counter = this.services.metrics.counter('gateway_authentication_failures_total', help, labels);
      this.byReason.set(reason, counter);
    }
    counter.add();
  }
}
