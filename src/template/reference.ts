import { decodeFieldText } from '../core/fields/field-text.ts';
import { findClaim } from '../core/identity/identity.ts';
import { JsonValue } from './json-value.ts';
import type { PartValue, TemplateScope } from './scope.ts';
import { TemplateError } from './template-error.ts';

/** What templates of one place may refer to. */
export interface TemplateNames {
  /** Parameters of the route's path; `undefined` where it is not known which route it is. */
  readonly params: readonly string[] | undefined;
  readonly parts?: readonly string[];
  /** Those of the parts that are asked once for each element of a list, and so have neither status nor header. */
  readonly lists?: readonly string[];
  /** The name of the element that a template is filled for, and the part that its list is of, if it is of one. */
  readonly item?: string | undefined;
  readonly itemPart?: string | undefined;
  /** Told of each reference. */
  readonly onReference?: ((reference: Reference) => void) | undefined;
  /** Whether the body of the request may be referred to. */
  readonly hasBody?: boolean;
  /** Whether there is one response to refer to. */
  readonly hasResponse?: boolean;
}

/** A place where a value is found, as compiled. */
export interface Reference {
  /** As written, without braces. */
  readonly text: string;
  /** What it begins with: one of `ROOTS`, or the name of the element. */
  readonly root: string;
  /** The part that it refers to. */
  readonly part: string | undefined;
  /** The route parameter that it refers to. */
  readonly param: string | undefined;
  /** Whether what it gives is text, whatever it looks like. */
  readonly isText: boolean;
  /** Gives the value, `undefined` where there is none. */
  readonly find: (scope: TemplateScope) => JsonValue | undefined;
}

/** The names that references may begin with, beside the one after `as`. */
export const ROOTS = [
  'params',
  'query',
  'headers',
  'claims',
  'subject',
  'requestId',
  'parts',
  'body',
  'response',
] as const;

const STEP = /\.([A-Za-z0-9_$-]+|\*)|\[(\d{1,9})\]|\["((?:[^"\\]|\\.)*)"\]|\['([^']*)'\]/y;
const ROOT = /[A-Za-z_][A-Za-z0-9_-]*/y;

/** Reads the reference that begins at `at` in `source`, and gives it with the place behind it. Throws `TemplateError`. */
export function readReference(
  source: string,
  at: number,
  names: TemplateNames,
): { readonly reference: Reference; readonly end: number } {
  ROOT.lastIndex = at;
  const root = ROOT.exec(source)?.[0];
  if (root === undefined)
    throw new TemplateError('has no reference where one is due — write {params.name} or the like', at + 1);
  let end = at + root.length;
  const steps: (string | number)[] = [];
  for (;;) {
    STEP.lastIndex = end;
    const match = STEP.exec(source);
    if (match === null) break;
    const [all, name, index, quoted, plain] = match;
    steps.push(index === undefined ? (name ?? plain ?? readQuoted(quoted as string, end)) : Number(index));
    end += all.length;
  }
  const reference = compileReference({ text: source.slice(at, end), root, steps, at }, names);
  names.onReference?.(reference);
  return { reference, end };
}

interface Written {
  readonly text: string;
  readonly root: string;
  readonly steps: readonly (string | number)[];
  readonly at: number;
}

function readQuoted(quoted: string, at: number): string {
  try {
    return JSON.parse(`"${quoted}"`) as string;
  } catch {
    throw new TemplateError('has a name in quotes that is not text — write it as in JSON', at + 1);
  }
}

function compileReference(written: Written, names: TemplateNames): Reference {
  const { root, steps, text } = written;
  const reference = (find: Reference['find'], more: Partial<Reference> = {}): Reference => ({
    text,
    root,
    part: undefined,
    param: undefined,
    isText: false,
    find,
    ...more,
  });
  if (root === names.item) return reference(({ item }) => walk(item, steps, 0), { part: names.itemPart });
  switch (root) {
    case 'subject':
      nameOf(written, 0);
      return reference(({ exchange }) => textValue(exchange.identity?.subject), { isText: true });
    case 'requestId':
      nameOf(written, 0);
      return reference(({ exchange }) => textValue(exchange.requestId), { isText: true });
    case 'params': {
      const param = nameOf(written, 1);
      if (names.params?.includes(param) === false)
        throw unknown('parameter', 'params', names.params, written);
      const find: Reference['find'] = ({ exchange: { params } }) =>
        Object.hasOwn(params, param) ? textValue(params[param]) : undefined;
      return reference(find, { param, isText: true });
    }
    case 'query': {
      const name = nameOf(written, 1);
      return reference(({ query }) => textValue(query.get(name) ?? undefined), { isText: true });
    }
    case 'headers': {
      const name = nameOf(written, 1).toLowerCase();
      return reference(({ exchange }) => fieldValue(exchange.headers.get(name)), { isText: true });
    }
    case 'claims':
      if (steps.length === 0) throw new TemplateError('names no claim — write claims.name', written.at + 1);
      return reference(findClaimOf(steps));
    case 'parts':
      if (names.parts === undefined) break;
      return compilePart(written, names, reference);
    case 'body':
      if (names.hasBody === true) return reference(({ body }) => walk(body, steps, 0));
      break;
    case 'response':
      if (names.hasResponse === true)
        return compileMessage(written, 0, ({ response }) => response, reference);
  }
  const known = [
    ...(names.item === undefined ? [] : [names.item]),
    ...ROOTS.filter((name) => isThere(name, names)),
  ];
  throw new TemplateError(
    `refers to '${root}', which is nothing here — use ${known.join(', ')}`,
    written.at + 1,
  );
}

function isThere(root: (typeof ROOTS)[number], { parts, hasBody, hasResponse }: TemplateNames): boolean {
  if (root === 'parts') return parts !== undefined;
  if (root === 'response') return hasResponse === true;
  return root !== 'body' || hasBody === true;
}

type MakeReference = (find: Reference['find'], more?: Partial<Reference>) => Reference;

function compilePart(
  written: Written,
  { parts = [], lists = [] }: TemplateNames,
  reference: MakeReference,
): Reference {
  const [part, what] = written.steps;
  if (typeof part !== 'string' || !parts.includes(part)) throw unknown('part', 'parts', parts, written);
  const isOfOne = what === 'status' || what === 'headers';
  if (isOfOne && lists.includes(part))
    throw new TemplateError(
      `asks for the ${what} of a part with forEach, which has many — use parts.${part}.body`,
      written.at + 1,
    );
  const ofPart: MakeReference = (find, more) => reference(find, { ...more, part });
  if (what === undefined) return ofPart(({ parts: known }) => known.get(part)?.body);
  return compileMessage(written, 1, ({ parts: known }) => known.get(part), ofPart);
}

/** Compiles a reference to the status, the header or the body of a response, of which it names one at step `from`. */
function compileMessage(
  { text, steps, at }: Written,
  from: number,
  messageOf: (scope: TemplateScope) => PartValue | undefined,
  reference: MakeReference,
): Reference {
  const [what, name, ...more] = steps.slice(from);
  if (what === 'status' && name === undefined)
    return reference((scope) => statusValue(messageOf(scope)?.status));
  if (what === 'headers' && typeof name === 'string' && more.length === 0)
    return reference((scope) => fieldValue(messageOf(scope)?.headers?.get(name)), { isText: true });
  if (what === 'body') return reference((scope) => walk(messageOf(scope)?.body, steps, from + 1));
  const start = text.split(/[.[]/, from + 1).join('.');
  throw new TemplateError(
    `has '${text}', which a response does not have — write ${start}.body, .status or .headers.name`,
    at + 1,
  );
}

/** Gives the one name behind a root that takes as many steps as `count`. */
function nameOf({ steps, root, text, at }: Written, count: 0 | 1): string {
  if (steps.length === count && (count === 0 || typeof steps[0] === 'string')) return String(steps[0] ?? '');
  const remedy = count === 0 ? `write ${root} alone` : `write ${root}.name`;
  throw new TemplateError(`has '${text}', which is one text and no more — ${remedy}`, at + 1);
}

function unknown(
  what: string,
  root: string,
  names: readonly string[] | undefined,
  { text, at }: Written,
): TemplateError {
  const known = (names ?? []).map((name) => `${root}.${name}`).join(', ');
  const remedy = known === '' ? 'add it, or leave the reference out' : `write ${known}`;
  return new TemplateError(`refers to a ${what} that there is not (${text}) — ${remedy}`, at + 1);
}

function walk(
  value: JsonValue | undefined,
  steps: readonly (string | number)[],
  from: number,
): JsonValue | undefined {
  let found = value;
  for (let i = from; i < steps.length && found !== undefined; i++)
    found = found.find(steps[i] as string | number);
  return found;
}

/** A claim may have dots in its name, as everywhere. A number that names no single caller (NaN) is not one. */
function findClaimOf(steps: readonly (string | number)[]): Reference['find'] {
  const index = steps.findIndex((step) => typeof step === 'number');
  const name = steps.slice(0, index < 0 ? steps.length : index).join('.');
  const rest = index < 0 ? [] : steps.slice(index);
  return ({ exchange }) => {
    const claim = exchange.identity === undefined ? undefined : findClaim(exchange.identity.claims, name);
    if (claim === undefined || Number.isNaN(claim)) return undefined;
    return walk(JsonValue.of(claim), rest, 0);
  };
}

function textValue(text: string | undefined): JsonValue | undefined {
  return text === undefined ? undefined : JsonValue.of(text);
}

function fieldValue(value: string | undefined): JsonValue | undefined {
  return value === undefined ? undefined : JsonValue.of(decodeFieldText(value));
}

function statusValue(status: number | undefined): JsonValue | undefined {
  return status === undefined ? undefined : JsonValue.of(status);
}
