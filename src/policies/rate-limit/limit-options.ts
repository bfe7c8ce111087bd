import { z } from 'zod';
import { addressRange, text, wholeNumber } from '../../config/schema/scalars.ts';
import { AddressBlocks, plainAddress } from '../../core/address-blocks.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import { findClaim } from '../../core/identity/identity.ts';
import { REQUEST_KEY, REQUEST_KEY_EXAMPLES } from '../../core/request-key.ts';
import type { AppliedLimit } from '../../limits/applied-limit.ts';
import { limitKeyFor } from '../../limits/limit-key.ts';
import { readUnits, type UsageCost } from '../../limits/usage-cost.ts';

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
/** The length of a body is not a field here: not every message says it. */
const COST = new RegExp(
  `^(?:(?:header|response-header):(?![cC][oO][nN][tT][eE][nN][tT]-[lL][eE][nN][gG][tT][hH]$)${TOKEN}|response-json:[^.\\s]+(?:\\.[^.\\s]+)*)$`,
);

/** Takes a key or a list of keys and gives a list. */
export function limitKeys() {
  const error =
    'is not a key — write ip, subject, api-key, route, header:<name>, cookie:<name>, claim:<name> or param:<name>, or a list of them';
  const key = z.string({ error }).regex(REQUEST_KEY, { error }).meta({ examples: REQUEST_KEY_EXAMPLES });
  return z
    .union([key, z.array(key).min(1, { error })], { error })
    .transform((keys) => (typeof keys === 'string' ? [keys] : keys));
}

/** Takes what a request costs. */
export function limitCost() {
  const error =
    'is not a cost — write a whole number, header:<name>, response-header:<name> (any but content-length, which not every message has) or response-json:<path>';
  return z.union([wholeNumber(1), z.string().regex(COST, { error })], { error });
}

/** Takes who is not limited. */
export function limitAllowList() {
  return z.strictObject({
    ips: z.array(addressRange()).prefault([]).describe('Addresses and ranges.'),
    subjects: z.array(text()).prefault([]).describe('Subjects, as whoever identifies them names them.'),
  });
}

/** Compiles what a request costs when it comes, and where the rest is read off the response. */
export function compileCost(cost: number | string): {
  costOf: (exchange: Exchange) => number;
  usage: UsageCost | undefined;
} {
  if (typeof cost === 'number') return { costOf: () => cost, usage: undefined };
  const colon = cost.indexOf(':');
  const name = cost.slice(colon + 1);
  switch (cost.slice(0, colon)) {
    case 'header':
      return { costOf: (exchange) => headerCost(exchange, name), usage: undefined };
    case 'response-header':
      return { costOf: () => 1, usage: { kind: 'header', name } };
    default:
      return { costOf: () => 1, usage: { kind: 'json', path: name.split('.') } };
  }
}

/** Compiles who is not limited, `undefined` for nobody. */
export function compileAllowList(
  allow: z.output<ReturnType<typeof limitAllowList>> | undefined,
): ((exchange: Exchange) => boolean) | undefined {
  if (allow === undefined) return undefined;
  const blocks = allow.ips.length === 0 ? undefined : new AddressBlocks(allow.ips);
  const subjects = new Set(allow.subjects);
  return ({ identity, clientAddress }) =>
    (identity !== undefined && subjects.has(identity.subject)) ||
    blocks?.has(plainAddress(clientAddress)) === true;
}

export interface LimitChoices<Written> {
  readonly key: readonly string[];
  readonly plans: Readonly<Record<string, Written>>;
  readonly planClaim?: string | undefined;
  readonly overrides: Readonly<Record<string, Written>>;
}

/** Compiles which limit holds for who is calling: that of the key, else that of the plan, else the one for all. */
export function compileChoice<Written>(
  { key, plans, planClaim, overrides }: LimitChoices<Written>,
  forAll: AppliedLimit,
  apply: (written: Written) => AppliedLimit,
): (key: string, exchange: Exchange | undefined) => AppliedLimit {
  const byPlan = new Map(Object.entries(plans).map(([plan, written]) => [plan, apply(written)]));
  const byKey = new Map(
    Object.entries(overrides).map(([value, written]) => [limitKeyFor(key, [value]), apply(written)]),
  );
  if (byPlan.size === 0 && byKey.size === 0) return () => forAll;
  return (found, exchange) => {
    const own = byKey.size === 0 ? undefined : byKey.get(found);
    if (own !== undefined) return own;
    const plan = byPlan.size === 0 || exchange === undefined ? undefined : planOf(exchange, planClaim);
    return (plan === undefined ? undefined : byPlan.get(plan)) ?? forAll;
  };
}

/** Says what is wrong with overrides, which only a single key can have. */
export function findOverridesFault({
  key,
  overrides,
}: Pick<LimitChoices<unknown>, 'key' | 'overrides'>): string | undefined {
  if (key.length < 2 || Object.keys(overrides).length === 0) return undefined;
  return 'names values of one key, but the key is a list — take the overrides out, or use one key';
}

/** Lists the limit for all and those of plans and keys, each with where it stands. */
export function limitsOf<Written>(
  forAll: Written & Pick<LimitChoices<Written>, 'plans' | 'overrides'>,
): (readonly [path: readonly PropertyKey[], written: Written])[] {
  const ofEach = (key: 'plans' | 'overrides') =>
    Object.entries(forAll[key]).map(([name, written]) => [[key, name], written] as const);
  return [[[], forAll], ...ofEach('plans'), ...ofEach('overrides')];
}

/** Says what is wrong with a cost that no request could ever pay. `capacity` is what may be spent at once. */
export function findCostFault(cost: number | string, capacity: number): string | undefined {
  // What is not a limit at all is said elsewhere.
  if (typeof cost !== 'number' || cost <= capacity || capacity < 1) return undefined;
  return `holds ${capacity}, but a request costs ${cost}, so none would pass — lower the cost, or raise this`;
}

function planOf({ identity }: Exchange, claim: string | undefined): string | undefined {
  if (identity === undefined) return undefined;
  const named = claim === undefined ? undefined : findClaim(identity.claims, claim);
  return typeof named === 'string' ? named : identity.plan;
}

function headerCost({ headers }: Exchange, name: string): number {
  const stated = headers.get(name);
  if (stated === undefined) return 1;
  const units = readUnits(stated);
  if (units !== undefined && units > 0) return units;
  throw new GatewayError('GW_BAD_REQUEST', { detail: `${name} is not a whole number of at least 1` });
}
