/** A field's value: text; several lines; or, of fields that hold a date, seconds from now. */
export type FieldValue = string | number | readonly string[];
export type Fields = Readonly<Record<string, FieldValue>>;

/** What the target answers in a step; what is left out is 200, `Date`, and a body that is another one each time. */
export interface PlannedAnswer {
  readonly status?: number;
  readonly fields?: Fields;
  readonly body?: string;
  /** Interim responses that go before it. */
  readonly interim?: readonly (readonly [number, Readonly<Record<string, string>>])[];
  /** Whether the target closes the connection instead. */
  readonly breaks?: boolean;
}

/** One request to the gateway, what the target would answer, and what has to come of it. */
export interface Step {
  readonly method?: string;
  /** What stands behind the path of the row. */
  readonly path?: string;
  readonly ask?: Fields;
  readonly body?: string;
  readonly answer?: PlannedAnswer;
  /** Where the answer has to come from. `validated` by what is stored, which the target confirms with 304. */
  readonly from?: 'store' | 'target' | 'validated';
  readonly status?: number;
  readonly text?: string;
  /** Fields of the response: their value, a check of it, or `null` where they must not be there. */
  readonly has?: Readonly<Record<string, FieldValue | ((value: string) => boolean) | null>>;
  /** Fields of the request to the target: their value, or `null`. */
  readonly forwarded?: Readonly<Record<string, string | null>>;
  readonly interim?: readonly number[];
  /** Seconds that pass behind it. */
  readonly wait?: number;
}

/** One requirement, as a conversation that shows it. */
export interface Row {
  /** Where it is written. */
  readonly source: string;
  readonly name: string;
  /** `required` by MUST; `optimal` where it only makes a cache better; `choice` where the RFC leaves it open. */
  readonly kind: 'required' | 'optimal' | 'choice';
  /** Why the cache deliberately does otherwise. The steps then show what it does. */
  readonly differs?: string;
  readonly steps: readonly Step[];
}

/** Groups rows of one source. Each is `[kind, name, steps]`, with the reason where the cache differs. */
export function rowsOf(
  source: string,
  rows: readonly (readonly [Row['kind'], string, readonly Step[], string?])[],
): Row[] {
  return rows.map(([kind, name, steps, differs]) => ({
    source,
    kind,
    name,
    steps,
    ...(differs !== undefined && { differs }),
  }));
}

/** The target answers with these fields, and so many seconds pass. */
export function given(fields: Fields, wait = 3, more: Omit<PlannedAnswer, 'fields'> = {}): Step {
  return { answer: { fields, ...more }, from: 'target', wait };
}

/** What is stored answers. */
export const STORED: Step = { from: 'store' };
/** The target is asked for the whole. */
export const ANEW: Step = { from: 'target' };

/** An answer with `fields` is used again after three seconds. */
export function reused(fields: Fields, more: Omit<PlannedAnswer, 'fields'> = {}): Step[] {
  const { status = 200 } = more;
  return [given(fields, 3, more), { from: 'store', status }];
}

/** An answer with `fields` is not used again after three seconds. */
export function notReused(fields: Fields, more: Omit<PlannedAnswer, 'fields'> = {}): Step[] {
  return [given(fields, 3, more), ANEW];
}
