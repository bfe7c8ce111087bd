import { longestFor } from './bounded-pattern.ts';
import { compileSchema, metaSchemas } from './compile-schema.ts';
import { costOf } from './pattern-cost.ts';
import { SchemaReferences } from './schema-references.ts';
import {
  isSchemaMap,
  type JsonSchema,
  readPointer,
  type SchemaFault,
  type SchemaPath,
} from './schema-text.ts';
import { subschemasOf, walkSchemas } from './subschemas.ts';
import { loadTypebox, type TypeboxValidator } from './typebox.ts';

const LATEST = 'https://json-schema.org/draft/2020-12/schema';
const DRAFT_7 = 'http://json-schema.org/draft-07/schema#';

/** What is wrong with a schema, and what is allowed but deserves a look. */
export interface SchemaFindings {
  readonly faults: readonly SchemaFault[];
  readonly doubts: readonly SchemaFault[];
}

export interface SchemaFaultOptions {
  /** Whether it is compiled, to see that it can be. Default: true. */
  readonly compiles?: boolean;
}

/** Finds what is wrong with a schema that somebody wrote: with all of it that can be found before it judges a value. */
export function findSchemaFaults(
  value: unknown,
  { compiles = true }: SchemaFaultOptions = {},
): SchemaFindings {
  const faults: SchemaFault[] = [];
  const doubts: SchemaFault[] = [];
  const schema = value as JsonSchema;
  const dialect = isSchemaMap(value) ? (value.$schema ?? LATEST) : LATEST;
  const meta = metaValidator(dialect);
  if (meta === undefined) {
    const text = `is a dialect that is not known here — write ${LATEST} or ${DRAFT_7}, or leave it out`;
    return { faults: [{ path: ['$schema'], text }], doubts };
  }
  faults.push(...findFormFaults(meta, value));
  if (faults.length > 0) return { faults, doubts };
  const references = new SchemaReferences(schema, metaSchemas(loadTypebox().Meta));
  walkSchemas(schema, (inner, path) => {
    if (!isSchemaMap(inner)) return;
    faults.push(...findReferenceFaults(inner, path, references));
    for (const { at, pattern } of patternsOf(inner)) {
      const { fault, doubt } = judgePattern(pattern);
      if (fault !== undefined) faults.push({ path: [...path, ...at], text: fault });
      if (doubt !== undefined) doubts.push({ path: [...path, ...at], text: doubt });
    }
  });
  if (faults.length === 0) faults.push(...findEndlessReferences(schema, references));
  if (compiles && faults.length === 0) faults.push(...findCompileFault(schema));
  return { faults, doubts };
}

const metaValidators = new Map<unknown, TypeboxValidator>();

/** Finds the meta-schema of a dialect. */
function metaValidator(dialect: unknown): TypeboxValidator | undefined {
  const { Compile, Meta } = loadTypebox();
  const uri = Object.keys(Meta).find((known) => known.replace('#', '') === String(dialect).replace(/#$/, ''));
  if (uri === undefined) return undefined;
  let validator = metaValidators.get(uri);
  if (validator === undefined) {
    validator = Compile(metaSchemas(Meta), Meta[uri] as JsonSchema);
    metaValidators.set(uri, validator);
  }
  return validator;
}

function findFormFaults(meta: TypeboxValidator, value: unknown): SchemaFault[] {
  const [isValid, errors] = meta.Errors(value);
  if (isValid) return [];
  const places = new Map(errors.map(({ instancePath }) => [instancePath, readPointer(instancePath) ?? []]));
  // Of what stands within each other, the innermost says most.
  const innermost = [...places].filter(
    ([at]) => ![...places.keys()].some((other) => other.startsWith(`${at}/`)),
  );
  return innermost.map(([, path]) => ({
    path,
    text: 'is not what this keyword of JSON Schema takes — correct it',
  }));
}

function findReferenceFaults(
  schema: Readonly<Record<string, unknown>>,
  path: SchemaPath,
  references: SchemaReferences,
): SchemaFault[] {
  return ['$ref', '$dynamicRef'].flatMap((keyword) => {
    const reference = schema[keyword];
    if (typeof reference !== 'string' || references.find(reference, references.baseOf(schema)) !== undefined)
      return [];
    const isRemote = !reference.startsWith('#');
    const text = isRemote
      ? 'refers to what this schema does not hold, and nothing is fetched — put it into $defs, with its $id'
      : 'refers to what is not there — correct it, or add it to $defs';
    return [{ path: [...path, keyword], text }];
  });
}

function patternsOf(schema: Readonly<Record<string, unknown>>): { at: SchemaPath; pattern: string }[] {
  const names = isSchemaMap(schema.patternProperties) ? Object.keys(schema.patternProperties) : [];
  const own = typeof schema.pattern === 'string' ? [{ at: ['pattern'], pattern: schema.pattern }] : [];
  return [...own, ...names.map((pattern) => ({ at: ['patternProperties', pattern], pattern }))];
}

/** Says what is wrong with a pattern, or what deserves a look. */
export function judgePattern(pattern: string): { fault?: string; doubt?: string } {
  const cost = costOf(pattern);
  if (cost === undefined) return { fault: 'is not a regular expression — correct it' };
  if (cost === 'exponential')
    return {
      fault:
        'could run for hours on a short text, since there are many ways in which one text matches — let no repetition stand within another one without something between them that tells them apart',
    };
  if (cost.power === 1) return {};
  return {
    doubt: `takes time by the power of ${cost.power} of its text, so that no text of more than ${longestFor(cost.power)} characters matches — anchor it with ^, and let repetitions that follow each other take different characters`,
  };
}

/** A schema that refers to itself without going into the value would judge for ever. */
function findEndlessReferences(root: JsonSchema, references: SchemaReferences): SchemaFault[] {
  const state = new Map<object, 'open' | 'done'>();
  const isEndless = (schema: JsonSchema): boolean => {
    if (!isSchemaMap(schema) || state.get(schema) === 'done') return false;
    if (state.get(schema) === 'open') return true;
    state.set(schema, 'open');
    const { $ref: reference } = schema;
    const target =
      typeof reference === 'string'
        ? references.find(reference, references.baseOf(schema))?.schema
        : undefined;
    const same = subschemasOf(schema).flatMap(({ schema: inner, isInPlace }) => (isInPlace ? [inner] : []));
    const found = [...same, ...(target === undefined ? [] : [target])].some(isEndless);
    state.set(schema, 'done');
    return found;
  };
  const faults: SchemaFault[] = [];
  walkSchemas(root, (schema, path) => {
    if (faults.length === 0 && isEndless(schema))
      faults.push({
        path,
        text: 'refers to itself without end — refer to it from within properties or items',
      });
  });
  return faults;
}

function findCompileFault(schema: JsonSchema): SchemaFault[] {
  try {
    compileSchema(schema);
    return [];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [{ path: [], text: `cannot be compiled (${reason}) — correct the schema` }];
  }
}
