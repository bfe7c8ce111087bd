import { coerceTexts } from '../../json-schema/coerce-texts.ts';
import { compileSchema, type SchemaValidator } from '../../json-schema/compile-schema.ts';
import { editJson, type JsonEdit } from '../../json-schema/edit-json.ts';
import { KnownMembers } from '../../json-schema/known-members.ts';
import { type JsonSchema, pointerTo } from '../../json-schema/schema-text.ts';
import { type JsonFault, readStrictJson } from '../../json-schema/strict-json.ts';
import { type WireType, wireTypeOf } from '../../json-schema/wire-type.ts';
import { bodyError, type InputError, MAX_INPUT_ERRORS } from './input-error.ts';
import type { UnknownRule } from './place-check.ts';

/** What is asked of a JSON body: plain data, so that it can be judged in another thread as well. */
export interface JsonBodySpec {
  /** Left out: any JSON. */
  readonly schema: JsonSchema | undefined;
  readonly unknown: UnknownRule;
  readonly coerce: boolean;
  readonly maxDepth: number;
}

/** What came of judging a body: errors, or the bytes to forward where they are others than came. */
export type BodyVerdict =
  | { readonly errors: readonly InputError[]; readonly replaced?: Buffer; readonly fault?: undefined }
  | { readonly fault: JsonFault };

const GOOD: BodyVerdict = { errors: [] };

/** Judges JSON bodies by one schema. */
export class JsonBodyJudge {
  private readonly spec: JsonBodySpec;
  private readonly validator: SchemaValidator | undefined;
  private readonly known: KnownMembers | undefined;
  private readonly type: WireType | undefined;

  constructor(spec: JsonBodySpec) {
    this.spec = spec;
    const { schema, unknown, coerce } = spec;
    this.validator = schema === undefined ? undefined : compileSchema(schema);
    const looksForUnknown = unknown === 'strip' || unknown === 'refuse';
    this.known = looksForUnknown && schema !== undefined ? new KnownMembers(schema) : undefined;
    this.type = coerce && schema !== undefined ? wireTypeOf(schema) : undefined;
  }

  /** Judges a body, its content coding undone. */
  judge(bytes: Buffer): BodyVerdict {
    const { validator, spec } = this;
    const allowsProto = validator?.allowsProto ?? false;
    const read = readStrictJson(bytes, { maxDepth: spec.maxDepth, allowsProto });
    if (read.fault !== undefined) return { fault: read.fault };
    if (validator === undefined) return GOOD;
    if (this.known === undefined && this.type === undefined)
      return validator.accepts(read.value) ? GOOD : this.reject([], validator, read.value);
    return this.judgeChanged(read.value, read.text, validator);
  }

  private judgeChanged(given: unknown, text: string, validator: SchemaValidator): BodyVerdict {
    const edits: JsonEdit[] = [];
    let value = given;
    if (this.type !== undefined) {
      const coerced = coerceTexts(value, this.type);
      value = coerced.value;
      edits.push(...coerced.edits);
    }
    const unknown = this.findUnknown(value);
    const isRefused = this.spec.unknown === 'refuse' && unknown.length > 0;
    if (!isRefused)
      for (const path of unknown) {
        drop(value, path);
        edits.push({ path, json: undefined });
      }
    if (isRefused || !validator.accepts(value)) {
      const errors = isRefused ? unknown.map(unknownError) : [];
      return this.reject(errors, validator, value);
    }
    return edits.length === 0 ? GOOD : { errors: [], replaced: Buffer.from(editJson(text, edits)) };
  }

  private findUnknown(value: unknown): readonly (readonly (string | number)[])[] {
    const most = this.spec.unknown === 'refuse' ? MAX_INPUT_ERRORS : Number.POSITIVE_INFINITY;
    return this.known?.findUnknown(value, most) ?? [];
  }

  private reject(errors: readonly InputError[], validator: SchemaValidator, value: unknown): BodyVerdict {
    const found = validator.findErrors(value).map(bodyError);
    const places = new Set(errors.map(({ pointer }) => pointer));
    const all = [...errors, ...found.filter(({ pointer }) => !places.has(pointer))];
    if (all.length === 0) all.push({ in: 'body', pointer: '', keyword: 'schema', message: 'is not valid' });
    return { errors: all.slice(0, MAX_INPUT_ERRORS) };
  }
}

function unknownError(path: readonly (string | number)[]): InputError {
  return {
    in: 'body',
    pointer: pointerTo(path).slice(0, 200),
    keyword: 'unknown',
    message: 'is not known here',
  };
}

function drop(root: unknown, path: readonly (string | number)[]): void {
  let at = root as Record<string | number, unknown>;
  for (const step of path.slice(0, -1)) at = at[step] as typeof at;
  delete at[path.at(-1) as string | number];
}
