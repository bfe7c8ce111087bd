import type { Exchange } from '../../core/exchange.ts';
import { findCookieOnce } from '../../core/fields/cookies.ts';
import { decodeFieldText, trimOws } from '../../core/fields/field-text.ts';
import { compileSchema, type SchemaValidator } from '../../json-schema/compile-schema.ts';
import type { JsonSchema } from '../../json-schema/schema-text.ts';
import { readStrictJson } from '../../json-schema/strict-json.ts';
import { isListType, PLAIN_TEXT, readScalar, type WireType } from '../../json-schema/wire-type.ts';
import { type InputError, type InputPlace, MAX_INPUT_ERRORS, parameterError } from './input-error.ts';
import {
  isPairOf,
  type ParameterForm,
  type ReadValue,
  readQueryParameter,
  readStyledText,
} from './parameter-style.ts';
import { type QueryPair, readQueryPairs } from './query-pairs.ts';

/** What becomes of what a schema does not name; `undefined`: what the schema says. */
export type UnknownRule = 'refuse' | 'strip' | 'keep' | undefined;

/** A parameter as it is declared. */
export interface DeclaredParameter extends ParameterForm {
  /** The name by which the route knows it, where it is another one. */
  readonly routeName?: string;
  /** Which part of a segment of the path it is, where it is not the whole of it. */
  readonly within?: { readonly pattern: RegExp; readonly index: number };
  /** Whether its text is JSON. */
  readonly isJson: boolean;
}

/** What is asked of the parameters of one place. */
export interface PlacePlan {
  readonly place: Exclude<InputPlace, 'body'>;
  readonly parameters: readonly DeclaredParameter[];
  /** Of the object that all of them make. */
  readonly schema: JsonSchema;
  /** What it says of parameters that are not declared, `undefined` where it leaves them out. */
  readonly others: WireType | undefined;
  readonly unknown: UnknownRule;
  readonly maxDepth: number;
}

/** What came of reading: the errors, and a query without what is not declared where that is taken out. */
export interface PlaceVerdict {
  readonly errors: readonly InputError[];
  readonly query?: string;
}

/** What parameters are read from. */
export type JudgedPlaces = Pick<Exchange, 'headers' | 'params' | 'query'>;

const GOOD: PlaceVerdict = { errors: [] };

/** Judges the parameters of one place. */
export class PlaceCheck {
  readonly plan: PlacePlan;
  private readonly validator: SchemaValidator;

  constructor(plan: PlacePlan) {
    this.plan = plan;
    this.validator = compileSchema(plan.schema);
  }

  /** Judges those of a request. */
  judge(exchange: JudgedPlaces): PlaceVerdict {
    const { place } = this.plan;
    if (place === 'query') return this.judgePairs(exchange.query, 'query');
    const read = new PlaceReading(place);
    for (const parameter of this.plan.parameters) {
      const text = textOf(exchange, place, parameter);
      if (text === 'repeated') read.refuse(parameter, 'stands there more than once');
      else if (text !== undefined) read.take(parameter, this.readText(text, parameter));
    }
    if (place === 'path') this.takeOtherParams(exchange, read);
    return this.conclude(read, place);
  }

  /** Judges a query, or a form, which is written in the same way. */
  judgePairs(text: string, place: 'query' | 'body'): PlaceVerdict {
    const pairs = readQueryPairs(text);
    if (pairs === undefined)
      return { errors: [{ in: place, keyword: 'encoding', message: 'is not percent-encoded UTF-8' }] };
    const read = new PlaceReading(place);
    const rest = new Set(pairs);
    for (const parameter of this.plan.parameters) {
      const { name, isJson } = parameter;
      const own = pairs.filter((pair) => (isJson ? pair.name === name : isPairOf(pair, parameter)));
      for (const pair of own) rest.delete(pair);
      if (own.length > 0) read.take(parameter, this.readPairs(own, parameter));
    }
    const dropped = this.takeOtherPairs(rest, read);
    const verdict = this.conclude(read, place);
    if (dropped.size === 0 || verdict.errors.length > 0) return verdict;
    const kept = pairs.filter((pair) => !dropped.has(pair)).map(({ raw }) => raw);
    return { errors: [], query: kept.join('&') };
  }

  private readText(text: string, parameter: DeclaredParameter): ReadValue {
    return parameter.isJson ? this.readJson(text) : readStyledText(text, parameter);
  }

  private readPairs(pairs: readonly QueryPair[], parameter: DeclaredParameter): ReadValue {
    if (!parameter.isJson) return readQueryParameter(pairs, parameter);
    return pairs.length === 1 ? this.readJson((pairs[0] as QueryPair).value) : 'malformed';
  }

  private readJson(text: string): ReadValue {
    const { maxDepth } = this.plan;
    const read = readStrictJson(Buffer.from(text), { maxDepth, allowsProto: this.validator.allowsProto });
    return read.fault === undefined ? { value: read.value } : 'malformed';
  }

  /** The schema judges those too that have no form of their own, as text. */
  private takeOtherParams({ params }: JudgedPlaces, read: PlaceReading): void {
    const declared = new Set(this.plan.parameters.map(({ name, routeName }) => routeName ?? name));
    if (this.plan.unknown !== undefined || this.plan.others === undefined) return;
    for (const [name, text] of Object.entries(params))
      if (!declared.has(name)) read.put(name, readScalar(text, this.plan.others));
  }

  private takeOtherPairs(rest: ReadonlySet<QueryPair>, read: PlaceReading): ReadonlySet<QueryPair> {
    const { unknown, others } = this.plan;
    if (unknown === 'keep' && others === undefined) return NONE;
    if (others === undefined && unknown === 'strip') return rest;
    for (const { name, value } of rest) {
      if (others === undefined && unknown === 'refuse') read.fail(name, 'unknown', 'is not known here');
      else
        read.add(name, readScalar(value, others ?? PLAIN_TEXT), others !== undefined && isListType(others));
    }
    return NONE;
  }

  private conclude(read: PlaceReading, place: InputPlace): PlaceVerdict {
    if (read.errors.length === 0 && this.validator.accepts(read.values)) return GOOD;
    const broken = new Set(read.errors.map(({ name }) => name));
    const errors = this.validator
      .findErrors(read.values)
      .map((error) => parameterError(place, error))
      // What is written in a wrong way is not missing as well.
      .filter(({ name }) => name === undefined || !broken.has(name));
    return { errors: [...read.errors, ...errors].slice(0, MAX_INPUT_ERRORS) };
  }
}

const NONE: ReadonlySet<QueryPair> = new Set();

/** The values of one place, as they are read. */
class PlaceReading {
  readonly values: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  readonly errors: InputError[] = [];
  private readonly place: InputPlace;

  constructor(place: InputPlace) {
    this.place = place;
  }

  take(parameter: DeclaredParameter, read: ReadValue): void {
    if (read === 'malformed') this.refuse(parameter, 'is not written as this parameter must be');
    else this.put(parameter.name, read.value);
  }

  refuse({ name }: DeclaredParameter, message: string): void {
    this.fail(name, 'form', message);
  }

  fail(name: string, keyword: string, message: string): void {
    this.errors.push({ in: this.place, name: name.slice(0, MAX_NAME_CHARS), keyword, message });
  }

  put(name: string, value: unknown): void {
    this.values[name] = value;
  }

  /** Several of one name are a list. */
  add(name: string, value: unknown, isList: boolean): void {
    const former = this.values[name];
    if (Object.hasOwn(this.values, name))
      this.put(name, Array.isArray(former) ? [...former, value] : [former, value]);
    else this.put(name, isList ? [value] : value);
  }
}

const MAX_NAME_CHARS = 100;

function textOf(
  exchange: JudgedPlaces,
  place: PlacePlan['place'],
  { name, routeName, within, type }: DeclaredParameter,
): string | 'repeated' | undefined {
  switch (place) {
    case 'path': {
      const known = routeName ?? name;
      const text = Object.hasOwn(exchange.params, known) ? exchange.params[known] : undefined;
      return text === undefined || within === undefined
        ? text
        : within.pattern.exec(text)?.[within.index + 1];
    }
    case 'cookie': {
      const field = exchange.headers.getAll('cookie').join('; ');
      const found = field === '' ? undefined : findCookieOnce(field, name);
      if (found === 'unclear') return 'repeated';
      return found === undefined ? undefined : decodeCookie(found.value);
    }
    default: {
      const values = exchange.headers.getAll(name);
      if (values.length > 1 && !isListType(type)) return 'repeated';
      return values.length === 0
        ? undefined
        : values.map((value) => trimOws(decodeFieldText(value))).join(',');
    }
  }
}

function decodeCookie(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
