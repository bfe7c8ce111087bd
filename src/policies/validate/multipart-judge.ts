import { compileSchema, type SchemaValidator } from '../../json-schema/compile-schema.ts';
import type { JsonSchema } from '../../json-schema/schema-text.ts';
import { readStrictJson } from '../../json-schema/strict-json.ts';
import {
  isListType,
  isObjectType,
  PLAIN_TEXT,
  readScalar,
  type WireType,
  wireTypeOf,
} from '../../json-schema/wire-type.ts';
import type { BodyFault } from './body-fault.ts';
import { bodyError, type InputError } from './input-error.ts';
import { formatOf } from './media-type.ts';
import { type FormPart, readMultipart } from './multipart-body.ts';
import type { UnknownRule } from './place-check.ts';

/** What is asked of a multipart form. */
export interface MultipartSpec {
  readonly schema: JsonSchema;
  readonly unknown: UnknownRule;
  readonly maxDepth: number;
  /** The media types that a part may have, by its name. */
  readonly mediaTypes: ReadonlyMap<string, readonly string[]>;
}

/** Judges multipart forms, of which every part is read. What is not declared is rejected or kept, never taken out. */
export class MultipartJudge {
  private readonly spec: MultipartSpec;
  private readonly validator: SchemaValidator;
  private readonly type: WireType;

  constructor(spec: MultipartSpec) {
    this.spec = spec;
    this.validator = compileSchema(spec.schema);
    this.type = wireTypeOf(spec.schema);
  }

  async judge(
    bytes: Buffer,
    contentType: string,
    boundary: string | undefined,
  ): Promise<{ readonly errors: readonly InputError[] } | { readonly fault: BodyFault }> {
    const parts = boundary === undefined ? undefined : await readMultipart(bytes, contentType, boundary);
    if (parts === undefined) return { fault: 'multipart' };
    const values = Object.create(null) as Record<string, unknown>;
    const errors: InputError[] = [];
    for (const part of parts) {
      const error = this.take(part, values);
      if (error !== undefined) errors.push({ in: 'body', pointer: `/${part.name.slice(0, 100)}`, ...error });
    }
    if (errors.length === 0 && this.validator.accepts(values)) return { errors };
    return { errors: [...errors, ...this.validator.findErrors(values).map(bodyError)] };
  }

  private take(part: FormPart, values: Record<string, unknown>): Omit<InputError, 'in'> | undefined {
    const { members, others } = this.type;
    const declared = members.get(part.name) ?? others;
    if (
      declared === undefined &&
      this.spec.unknown !== 'keep' &&
      members.size > 0 &&
      this.spec.unknown !== undefined
    )
      return { keyword: 'unknown', message: 'is not known here' };
    const allowed = this.spec.mediaTypes.get(part.name);
    if (allowed !== undefined && !allowed.includes(part.mediaType))
      return { keyword: 'contentType', message: 'is not of a media type that is allowed here' };
    const type = declared ?? PLAIN_TEXT;
    const isList = isListType(type);
    const value = this.read(part, isList ? (type.items ?? PLAIN_TEXT) : type);
    if (value === MALFORMED) return { keyword: 'form', message: 'cannot be read' };
    const former = values[part.name];
    if (isList && formatOf(part.mediaType) === 'json' && Array.isArray(value)) values[part.name] = value;
    else if (isList) values[part.name] = [...((former as unknown[] | undefined) ?? []), value];
    else if (Object.hasOwn(values, part.name))
      return { keyword: 'form', message: 'stands there more than once' };
    else values[part.name] = value;
    return undefined;
  }

  /** A file is bytes, one character each, so that lengths are those of the file. */
  private read({ bytes, mediaType, isFile }: FormPart, type: WireType): unknown {
    const format = formatOf(mediaType);
    const isJson = format === 'json' || (!isFile && mediaType === 'text/plain' && isObjectType(type));
    if (isJson) {
      const { maxDepth } = this.spec;
      const read = readStrictJson(bytes, { maxDepth, allowsProto: this.validator.allowsProto });
      return read.fault === undefined ? read.value : MALFORMED;
    }
    return isFile || format === 'bytes' ? bytes.toString('latin1') : readScalar(bytes.toString('utf8'), type);
  }
}

const MALFORMED = Symbol('malformed');
