import { compilePattern, longestFor } from './bounded-pattern.ts';
import { usesUnevaluated, withFastKeywords } from './fast-keywords.ts';
import { inheritedNamesIn, withoutPrototypes } from './inherited-names.ts';
import { costOf } from './pattern-cost.ts';
import { describeError, type SchemaError } from './schema-error.ts';
import { isOldDialect, isSchemaMap, type JsonSchema } from './schema-text.ts';
import { subschemasOf } from './subschemas.ts';
import { loadTypebox, type TypeboxValidator } from './typebox.ts';

/** A schema made ready to judge values, which are plain data, and may lose their prototypes by it. */
export interface SchemaValidator {
  /** Whether a member called `__proto__` is meant: the schema names it. */
  readonly allowsProto: boolean;
  /** Tells whether a value is as the schema says. */
  accepts(value: unknown): boolean;
  /** Says what is wrong with a value, up to a bound; empty for nothing. */
  findErrors(value: unknown): SchemaError[];
}

/** Compiles a schema in which `findSchemaFaults` has found nothing. Throws for one that cannot be compiled. */
export function compileSchema(schema: JsonSchema): SchemaValidator {
  const { Compile, Meta } = loadTypebox();
  const references = metaSchemas(Meta);
  const isOld = isOldDialect(schema);
  const judging = Compile(
    references,
    prepare(schema, { isOld, isUnique: usesUnevaluated(schema) ? undefined : hasUniqueItems }),
  );
  // The schema as it is written, which knows its keywords by name: needed when something is wrong.
  let explaining: TypeboxValidator | undefined;
  const inherited = inheritedNamesIn(schema);
  // The compiled code asks `'toString' in value`, to which every object with a prototype says yes.
  const own = inherited.size > 0 ? withoutPrototypes : (value: unknown) => value;
  return {
    allowsProto: inherited.has('__proto__'),
    accepts: (value) => judging.Check(own(value)),
    findErrors(value) {
      explaining ??= Compile(references, prepare(schema, { isOld, isUnique: undefined }));
      const [isValid, errors] = explaining.Errors(own(value));
      if (isValid) return [];
      const described = errors.flatMap(describeError);
      // What repeats itself through several branches of a schema is said once.
      const seen = new Set<string>();
      return described.filter(
        ({ pointer, message }) => !seen.has(`${pointer} ${message}`) && seen.add(`${pointer} ${message}`),
      );
    },
  };
}

/** The meta-schemas by all spellings of their URI. */
export function metaSchemas(meta: Readonly<Record<string, JsonSchema>>): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(meta).flatMap(([uri, schema]) => [
      [uri, schema],
      [uri.replace(/#$/, ''), schema],
    ]),
  );
}

let uniqueItems: TypeboxValidator | undefined;

function hasUniqueItems(value: unknown): boolean {
  uniqueItems ??= loadTypebox().Compile({}, { uniqueItems: true });
  return uniqueItems.Check(value);
}

interface PrepareOptions {
  /** Whether the dialect is draft 7 or older. */
  readonly isOld: boolean;
  /** Tells whether a list has no equal items; `undefined` leaves all keywords as they are. */
  readonly isUnique: ((value: unknown) => boolean) | undefined;
}

/** Up to draft 7 nothing beside `$ref` means anything (core §8.3); what others refer to may stand there. */
function referenceAlone({
  $ref,
  $defs,
  definitions,
}: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return { $ref, ...(definitions !== undefined && { definitions }), ...($defs !== undefined && { $defs }) };
}

/**
 * Copies a schema, its patterns compiled so that they cannot run away, and where it is told what is unique its keywords in a
 * form that takes less time.
 */
function prepare(schema: JsonSchema, options: PrepareOptions): JsonSchema {
  if (!isSchemaMap(schema)) return schema;
  const copy: Record<string, unknown> =
    options.isOld && '$ref' in schema ? referenceAlone(schema) : { ...schema };
  for (const { path, schema: inner } of subschemasOf(copy)) {
    const [keyword, key] = path as [string, string | number | undefined];
    const made = prepare(inner, options);
    if (key === undefined) copy[keyword] = made;
    else {
      const holder = copy[keyword] === schema[keyword] ? copyOf(schema[keyword]) : (copy[keyword] as object);
      copy[keyword] = holder;
      Object.defineProperty(holder, key, {
        value: made,
        enumerable: true,
        writable: true,
        configurable: true,
      });
    }
  }
  if (typeof copy.pattern === 'string') copy.pattern = compilePattern(copy.pattern);
  if (isSchemaMap(copy.patternProperties))
    copy.patternProperties = Object.fromEntries(
      Object.entries(copy.patternProperties).map(([pattern, inner]) => [boundedText(pattern), inner]),
    );
  return options.isUnique === undefined ? copy : withFastKeywords(copy, options.isUnique);
}

function copyOf(holder: unknown): object {
  if (Array.isArray(holder)) return [...holder];
  // `__proto__` is a name like any other here.
  return Object.create(
    Object.getPrototypeOf(holder),
    Object.getOwnPropertyDescriptors(holder as object),
  ) as object;
}

/** A pattern for names is compiled by the compiler of schemas, so that its bound is part of it. */
function boundedText(pattern: string): string {
  const cost = costOf(pattern);
  if (cost === undefined || cost === 'exponential' || cost.power === 1) return pattern;
  return `^(?![^]{${longestFor(cost.power) + 1}})(?:[^]*(?:${pattern}))`;
}
