import { encodeFieldText } from '../core/fields/field-text.ts';

/** Where header conditions look values up; a `HeaderList` is one. */
export interface HeaderSource {
  get(name: string): string | undefined;
}

/** A name and the exact value it must have. */
export type Condition = readonly [name: string, value: string];

/** What a request shows to the conditions of routes. Its query is parsed only when a condition asks. */
export interface ConditionInput {
  readonly headers: HeaderSource;
  readonly query: string;
  parsedQuery: URLSearchParams | undefined;
  /** Header names, in lower case, that a CORS preflight announces, so that conditions on them count as met. */
  readonly announced: ReadonlySet<string> | undefined;
}

const NO_CONDITIONS: readonly Condition[] = [];

/** Lists conditions as pairs, header names in lower case if `isHeader`. */
export function compileConditions(
  conditions: Readonly<Record<string, string>> | undefined,
  isHeader: boolean,
): readonly Condition[] {
  if (conditions === undefined) return NO_CONDITIONS;
  return Object.entries(conditions).map(([name, value]) =>
    isHeader ? [name.toLowerCase(), encodeFieldText(value)] : [name, value],
  );
}

/** Tells whether every header condition holds. */
export function meetsHeaders(conditions: readonly Condition[], input: ConditionInput): boolean {
  return conditions.every(
    ([name, value]) => input.headers.get(name) === value || input.announced?.has(name) === true,
  );
}

/** Tells whether every query condition holds. Of a repeated parameter the first value counts, as in the Gateway API. */
export function meetsQuery(conditions: readonly Condition[], input: ConditionInput): boolean {
  input.parsedQuery ??= new URLSearchParams(input.query);
  const query = input.parsedQuery;
  return conditions.every(([name, value]) => query.get(name) === value);
}
