import {
  isListType,
  isObjectType,
  PLAIN_TEXT,
  readScalar,
  type WireType,
} from '../../json-schema/wire-type.ts';
import { decodeForm, type QueryPair } from './query-pairs.ts';

/** The styles of OpenAPI (3.1 §4.8.12.3). */
export type ParameterStyle =
  | 'simple'
  | 'label'
  | 'matrix'
  | 'form'
  | 'spaceDelimited'
  | 'pipeDelimited'
  | 'deepObject';

/** How a parameter is written. */
export interface ParameterForm {
  readonly name: string;
  readonly style: ParameterStyle;
  /** Whether each element or member has a place of its own. */
  readonly explode: boolean;
  readonly type: WireType;
}

/** A value that was read, or that it is written in another way than it must be. */
export type ReadValue = { readonly value: unknown } | 'malformed';

const MAX_DEEP_STEPS = 5;

/** Reads the text of a path, header or cookie parameter, which is decoded. */
export function readStyledText(text: string, form: ParameterForm): ReadValue {
  switch (form.style) {
    case 'label':
      return text.startsWith('.') ? readParts(text.slice(1), form, form.explode ? '.' : ',') : 'malformed';
    case 'matrix':
      return readMatrix(text, form);
    default:
      return readParts(text, form, ',');
  }
}

function readMatrix(text: string, form: ParameterForm): ReadValue {
  if (!text.startsWith(';')) return 'malformed';
  const prefix = `${form.name}=`;
  const parts = text.slice(1).split(';');
  if (form.explode && isObjectType(form.type)) return objectOf(parts, form.type, true);
  const values = parts.map((part) => (part.startsWith(prefix) ? part.slice(prefix.length) : undefined));
  if (values.some((value) => value === undefined)) return 'malformed';
  if (form.explode && isListType(form.type)) return listOf(values as string[], form.type);
  return values.length === 1 ? readParts(values[0] as string, form, ',') : 'malformed';
}

function readParts(text: string, { type, explode }: ParameterForm, separator: string): ReadValue {
  if (isListType(type)) return listOf(text === '' ? [] : text.split(separator), type);
  if (isObjectType(type)) return objectOf(text.split(separator), type, explode);
  return { value: readScalar(text, type) };
}

function listOf(texts: readonly string[], { items = PLAIN_TEXT }: WireType): ReadValue {
  return { value: texts.map((text) => readScalar(text.trim(), items)) };
}

/** `a=1,b=2` where exploded, else `a,1,b,2`. */
function objectOf(parts: readonly string[], type: WireType, explode: boolean): ReadValue {
  const pairs: [string, string][] = [];
  if (explode) {
    for (const part of parts) {
      const equals = part.indexOf('=');
      if (equals < 0) return 'malformed';
      pairs.push([part.slice(0, equals), part.slice(equals + 1)]);
    }
  } else {
    if (parts.length % 2 === 1) return 'malformed';
    for (let i = 0; i < parts.length; i += 2) pairs.push([parts[i] as string, parts[i + 1] as string]);
  }
  const value = emptyObject();
  for (const [name, text] of pairs) {
    if (Object.hasOwn(value, name)) return 'malformed';
    put(value, name, readScalar(text, memberType(type, name)));
  }
  return { value };
}

/** Tells whether a pair of the query belongs to a parameter. */
export function isPairOf({ name: pair }: QueryPair, { name, style, explode, type }: ParameterForm): boolean {
  if (style === 'deepObject') return pair.startsWith(`${name}[`);
  if (style === 'form' && explode && isObjectType(type))
    return type.members.has(pair) || type.others !== undefined;
  return pair === name;
}

/** Reads a parameter of the query from its pairs, of which there is at least one. */
export function readQueryParameter(pairs: readonly QueryPair[], form: ParameterForm): ReadValue {
  const { style, explode, type } = form;
  if (style === 'deepObject') return readDeepObject(pairs, form);
  if (isListType(type)) {
    // Several of one name are a list in any style: there is nothing else that they could mean.
    if (pairs.length > 1 && !explode) return 'malformed';
    if (explode && style === 'form')
      return { value: pairs.map(({ value }) => readScalar(value, type.items ?? PLAIN_TEXT)) };
    return readDelimited(pairs[0] as QueryPair, form);
  }
  if (isObjectType(type)) {
    if (explode && style === 'form') return readExplodedObject(pairs, type);
    return pairs.length === 1 ? readDelimited(pairs[0] as QueryPair, form) : 'malformed';
  }
  return pairs.length === 1 ? { value: readScalar((pairs[0] as QueryPair).value, type) } : 'malformed';
}

const SEPARATORS = { spaceDelimited: /%20|\+/, pipeDelimited: /\||%7[Cc]/ } as const;

/** Parted before it is decoded, so that an encoded separator belongs to a value. */
function readDelimited({ rawValue }: QueryPair, { style, type }: ParameterForm): ReadValue {
  const separator = style === 'spaceDelimited' || style === 'pipeDelimited' ? SEPARATORS[style] : ',';
  const parts = rawValue === '' ? [] : rawValue.split(separator).map(decodeForm);
  if (parts.some((part) => part === undefined)) return 'malformed';
  return isListType(type) ? listOf(parts as string[], type) : objectOf(parts as string[], type, false);
}

function readExplodedObject(pairs: readonly QueryPair[], type: WireType): ReadValue {
  const value = emptyObject();
  for (const { name, value: text } of pairs) {
    const member = memberType(type, name);
    if (!isListType(member)) {
      if (Object.hasOwn(value, name)) return 'malformed';
      put(value, name, readScalar(text, member));
    } else
      put(value, name, [
        ...((value[name] as unknown[] | undefined) ?? []),
        readScalar(text, member.items ?? PLAIN_TEXT),
      ]);
  }
  return { value };
}

/** `filter[size][min]=1`. OpenAPI leaves open what is deeper than one level; services read it so. */
function readDeepObject(pairs: readonly QueryPair[], { name, type }: ParameterForm): ReadValue {
  const value = emptyObject();
  for (const { name: written, value: text } of pairs) {
    const steps = stepsOf(written.slice(name.length));
    if (steps === undefined) return 'malformed';
    let at = value;
    let inner = type;
    for (const step of steps.slice(0, -1)) {
      inner = memberType(inner, step);
      if (!Object.hasOwn(at, step)) put(at, step, emptyObject());
      const next = at[step];
      if (typeof next !== 'object' || next === null || Array.isArray(next)) return 'malformed';
      at = next as Record<string, unknown>;
    }
    const last = steps.at(-1) as string;
    const member = memberType(inner, last);
    if (isListType(member))
      put(at, last, [
        ...((at[last] as unknown[] | undefined) ?? []),
        readScalar(text, member.items ?? PLAIN_TEXT),
      ]);
    else if (Object.hasOwn(at, last)) return 'malformed';
    else put(at, last, readScalar(text, member));
  }
  return { value };
}

function stepsOf(brackets: string): string[] | undefined {
  if (!/^(?:\[[^[\]]+\])+$/.test(brackets)) return undefined;
  const steps = brackets.slice(1, -1).split('][');
  return steps.length > MAX_DEEP_STEPS ? undefined : steps;
}

function memberType({ members, others }: WireType, name: string): WireType {
  return members.get(name) ?? others ?? PLAIN_TEXT;
}

/** Without a prototype, since callers choose the names. */
function emptyObject(): Record<string, unknown> {
  return Object.create(null) as Record<string, unknown>;
}

function put(object: Record<string, unknown>, name: string, value: unknown): void {
  object[name] = value;
}
