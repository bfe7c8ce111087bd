import type { BodySource } from '../body.ts';
import type { Exchange } from '../exchange.ts';
import { isPromise } from '../is-promise.ts';
import { takeBody, UnownedBody } from './foreign-body.ts';
import type { PolicyStep } from './policy-step.ts';
import { failureOf, type Outcome, readOutcome } from './read-outcome.ts';

/**
 * Runs `onRequest`. Of a policy that only observes, what it put around the body is taken off again; of one whose code is
 * not ours, that is taken with care.
 */
export function attemptRequest(step: PolicyStep, exchange: Exchange): Outcome | Promise<Outcome> {
  if (!step.isForeign && !step.isObserved) {
    const outcome = decide(step, exchange);
    return isPromise(outcome) ? step.settle(outcome) : outcome;
  }
  const { body, path, query } = exchange;
  const lent = step.isForeign && body.length !== 0 ? new UnownedBody(body) : undefined;
  exchange.body = lent ?? body;
  const before: Lent = { body, lent, path, query };
  const outcome = decide(step, exchange);
  if (!isPromise(outcome)) return takeBack(step, exchange, before, outcome);
  return step.settle(outcome).then((settled) => takeBack(step, exchange, before, settled));
}

function decide({ instance }: PolicyStep, exchange: Exchange): Outcome | Promise<unknown> {
  try {
    return readOutcome(instance.onRequest?.(exchange));
  } catch (error) {
    return failureOf(error);
  }
}

/** What a policy may change of a request beside its header, as it was before. */
interface Lent {
  readonly body: BodySource;
  /** The body as the policy sees it. */
  readonly lent: UnownedBody | undefined;
  readonly path: string;
  readonly query: string;
}

/** Takes the request back from a policy to which it was lent, as that left it, unless that cannot be sent. */
function takeBack(
  { isForeign, isObserved }: PolicyStep,
  exchange: Exchange,
  { body, lent, path, query }: Lent,
  outcome: Outcome,
): Outcome {
  const left: unknown = exchange.body;
  exchange.body = body;
  try {
    if (isForeign && (exchange.path !== path || exchange.query !== query)) requireTarget(exchange);
    if (!isObserved && left !== lent && left !== body) exchange.body = takeBody(left, lent);
    return outcome;
  } catch (error) {
    exchange.path = path;
    exchange.query = query;
    return failureOf(error);
  }
}

/** Anything else would end the line that it stands in, and begin another request. */
function requireTarget({ path, query }: Exchange): void {
  if (typeof path !== 'string' || !/^(?:\/[!-~]*|\*)$/.test(path))
    throw new TypeError('a policy set a path that is invalid — percent-encode it');
  if (typeof query !== 'string' || !/^[!-~]*$/.test(query))
    throw new TypeError('a policy set a query that is invalid — percent-encode it');
}
