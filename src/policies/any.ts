import { z } from 'zod';
import { type PolicyEntry, policyEntrySchema } from '../config/schema/policy-entry.ts';
import type { Clock } from '../core/clock.ts';
import type { Exchange } from '../core/exchange.ts';
import type { Identification, Identifier } from '../core/identity/identifier.ts';
import { defineIdentifyingPolicy, identifyInTime } from '../core/identity/identify.ts';
import { isPromise } from '../core/is-promise.ts';
import type { Policy } from '../core/policy.ts';
import type { Services } from '../core/services.ts';

/** Makes the policy `any` of those that it may put side by side: all of `policies` that identify. */
export function anyOf(policies: readonly Policy[]): Policy {
  const ways = policies.filter(({ createIdentifier }) => createIdentifier !== undefined);
  const byName = new Map(ways.map((policy) => [policy.name, policy]));
  const any = defineIdentifyingPolicy({
    name: 'any',
    summary: 'Asks for one of several kinds of credentials: the first that a request has decides.',
    options: z
      .array(policyEntrySchema(ways))
      .min(2, { error: 'is not a choice — name two authentication methods, or write the one without any' })
      .check(({ value, issues }) => {
        for (const [i, message] of findFaults(value))
          issues.push({ code: 'custom', message, path: [i], input: value });
      })
      .describe('Policies that identify, in the order in which they are tried.'),
    origins: (entries) => entries.flatMap(({ name, options }) => byName.get(name)?.origins?.(options) ?? []),
    createIdentifier: (entries, services) => createAny(entries, byName, services),
  });
  return { ...any, including: (others) => anyOf([...policies, ...others]) } as Policy;
}

/** Kinds that need no credential to decide, so that nothing behind them is ever asked. */
const ALWAYS_DECIDES: ReadonlySet<string> = new Set(['forward-auth']);

function* findFaults(entries: readonly PolicyEntry[]): Generator<[index: number, message: string]> {
  const optional = entries.filter(isOptional).length;
  for (const [i, entry] of entries.entries()) {
    if (entry.id !== undefined || entry.observe)
      yield [i, 'has an id, or observes, within any — leave that out, since any is one policy'];
    if (ALWAYS_DECIDES.has(entry.name) && i < entries.length - 1)
      yield [i, `decides about every request, so that nothing behind it is tried — put ${entry.name} last`];
    if (optional > 0 && !isOptional(entry))
      yield [
        i,
        'is not optional, though others within any are — write optional: true in all of them, or in none',
      ];
  }
}

function isOptional({ options }: PolicyEntry): boolean {
  return (options as { optional?: unknown } | undefined)?.optional === true;
}

async function createAny(
  entries: readonly PolicyEntry[],
  byName: ReadonlyMap<string, Policy>,
  services: Services,
): Promise<Identifier> {
  const parts: Identifier[] = [];
  try {
    for (const { name, options } of entries) {
      const part = await byName.get(name)?.createIdentifier?.(options, services);
      if (part === undefined) throw new TypeError(`there is no authentication method called '${name}'`);
      parts.push(part);
    }
  } catch (error) {
    await closeAll(parts);
    throw error;
  }
  return new AnyIdentifier(parts, services.clock);
}

/** Asks one after the other, until one finds its kind of credential. What that one says holds, good or bad. */
class AnyIdentifier implements Identifier {
  readonly challenge: string;
  readonly isOptional: boolean;
  /** Those of its parts. */
  readonly hasOwnDeadlines = true;
  readonly writesResponse: boolean;
  private readonly parts: readonly Identifier[];
  private readonly clock: Clock;

  constructor(parts: readonly Identifier[], clock: Clock) {
    const challenges = parts.map(({ challenge }) => challenge).filter((challenge) => challenge !== '');
    this.challenge = [...new Set(challenges)].join(', ');
    this.isOptional = parts.every(({ isOptional }) => isOptional);
    this.writesResponse = parts.some((part) => part.writesResponse === true);
    this.parts = parts;
    this.clock = clock;
  }

  identify(exchange: Exchange): Identification | Promise<Identification> {
    return this.identifyFrom(0, exchange);
  }

  dropCredential(exchange: Exchange): void {
    for (const part of this.parts) part.dropCredential(exchange);
  }

  close(): Promise<void> {
    return closeAll(this.parts);
  }

  private identifyFrom(start: number, exchange: Exchange): Identification | Promise<Identification> {
    for (let i = start; i < this.parts.length; i++) {
      const outcome = identifyInTime(this.parts[i] as Identifier, exchange, this.clock);
      if (isPromise(outcome)) return this.identifyAfter(i, exchange, outcome);
      if (outcome !== undefined) return this.decide(i, exchange, outcome);
    }
    return undefined;
  }

  private async identifyAfter(i: number, exchange: Exchange, pending: PromiseLike<Identification>) {
    const outcome = await pending;
    return outcome === undefined ? this.identifyFrom(i + 1, exchange) : this.decide(i, exchange, outcome);
  }

  /** Another kind of credential that the request has as well is not forwarded: nobody has verified it. */
  private decide(decider: number, exchange: Exchange, outcome: Identification): Identification {
    for (let i = 0; i < this.parts.length; i++)
      if (i !== decider) (this.parts[i] as Identifier).dropCredential(exchange);
    return outcome;
  }
}

async function closeAll(parts: readonly Identifier[]): Promise<void> {
  await Promise.allSettled(parts.map(async (part) => part.close?.()));
}
