import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import { isPromise } from '../core/is-promise.ts';
import { withinTime } from '../core/pipeline/within-time.ts';
import { importUserModule } from '../core/user-code/import-user-module.ts';
import { toData, writeData } from '../template/plain-json.ts';
import type { AggregateResult } from './aggregate-plan.ts';

/** What code may know of the request whose response it makes. */
export interface ComposeRequest {
  readonly requestId: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Who is calling, where a policy has found that out. */
  readonly subject: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Names of the optional parts that gave nothing. */
  readonly missing: readonly string[];
}

/**
 * Makes the answer of the parts, which are there by name: the JSON of each, frozen, and `undefined` for one that was skipped
 * or gave nothing. What it gives is sent as JSON. A throw answers 500, a `GatewayError` as that says.
 */
export type Composer<Parts> = (parts: Parts, request: ComposeRequest) => unknown;

/** Declares the code of `compose: ./home.ts`: `export default compose<{ user: User }>(({ user }) => ({ name: user.name }))`. */
export function compose<Parts = Readonly<Record<string, unknown>>>(
  composer: Composer<Parts>,
): Composer<Parts> {
  return composer;
}

/** Imports such code, once per process. Rejects where the file exports none. */
export async function importComposer(file: string): Promise<Composer<unknown>> {
  const { default: composer } = await importUserModule(file);
  if (typeof composer === 'function') return composer as Composer<unknown>;
  throw new TypeError(`${file} has no function as its default export — export default compose(({ … }) => …)`);
}

/** Has code make the response as JSON, or says why it does not. */
export async function runComposer(
  composer: Composer<unknown>,
  result: AggregateResult,
  clock: Clock,
): Promise<string | GatewayError> {
  try {
    const made = composer(partsOf(result), requestOf(result));
    if (!isPromise(made)) return writeData(made);
    const leftMs = Math.max(0, result.deadlineAt - clock.monotonic());
    const late = (): Promise<never> => Promise.reject(new Error('compose was not done at the deadline'));
    return writeData(await withinTime<unknown>(made, leftMs, clock, late));
  } catch (cause) {
    return asGatewayError(cause) ?? new GatewayError('GW_INTERNAL', { cause });
  }
}

function partsOf({ values }: AggregateResult): Readonly<Record<string, unknown>> {
  const parts = [...values].map(
    ([name, { body, status }]) => [name, body === undefined ? nothing(status) : toData(body)] as const,
  );
  return Object.freeze(Object.fromEntries(parts));
}

/** An empty response is null, none is undefined. */
function nothing(status: number | undefined): null | undefined {
  return status === undefined ? undefined : null;
}

function requestOf({ exchange, missing }: AggregateResult): ComposeRequest {
  const { requestId, params, query, identity } = exchange;
  return {
    requestId,
    params,
    query: new URLSearchParams(query),
    subject: identity?.subject,
    claims: identity?.claims ?? {},
    missing: missing.map(({ part }) => part),
  };
}
