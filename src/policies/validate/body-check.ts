import { isUtf8 } from 'node:buffer';
import { bodyFrom } from '../../core/body.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import { compileSchema, type SchemaValidator } from '../../json-schema/compile-schema.ts';
import type { JsonSchema } from '../../json-schema/schema-text.ts';
import { type BodyFault, unreadable, unsupported } from './body-fault.ts';
import type { BodyVerdict, JsonBodySpec } from './body-judge.ts';
import { CODINGS, decodeContent, readCoding } from './content-coding.ts';
import { bodyError, type InputError } from './input-error.ts';
import type { JsonJudge } from './json-judge.ts';
import {
  type BodyFormat,
  formatOf,
  isReadable,
  type MediaType,
  matchesMediaType,
  precisionOf,
  readMediaType,
} from './media-type.ts';
import { MultipartJudge, type MultipartSpec } from './multipart-judge.ts';
import { PlaceCheck, type PlacePlan } from './place-check.ts';

/** A media type that is taken, and what is asked of bodies of it. */
export interface DeclaredBody {
  readonly type: MediaType;
  readonly format: BodyFormat;
  readonly json?: JsonBodySpec;
  readonly form?: PlacePlan;
  readonly multipart?: MultipartSpec;
  /** Of a text as a whole. */
  readonly text?: JsonSchema;
}

/** What is asked of the bodies of a route. */
export interface BodyPlan {
  readonly isRequired: boolean;
  /** Empty where there must be none. */
  readonly declared: readonly DeclaredBody[];
  readonly maxBytes: number;
}

type Verdict = BodyVerdict | { readonly fault: BodyFault } | GatewayError;

/** What a body is read from. */
export type JudgedBody = Pick<Exchange, 'bodyBytes' | 'headers' | 'request'>;

interface Judge {
  readonly body: DeclaredBody;
  judge(bytes: Buffer, type: MediaType, contentType: string): Verdict | Promise<Verdict>;
}

/** Who judges bodies of a type, and that type. */
interface Chosen {
  readonly judge: Judge;
  readonly type: MediaType;
  readonly written: string;
}

const MAX_CHOSEN = 100;

/** Judges the bodies of requests. */
export class BodyCheck {
  readonly plan: BodyPlan;
  private readonly judges: readonly Judge[];
  private readonly accepts: string;
  private readonly chosen = new Map<string, Chosen>();

  constructor(plan: BodyPlan, judgeOf: (spec: JsonBodySpec) => JsonJudge) {
    this.plan = plan;
    this.judges = plan.declared
      .toSorted((a, b) => precisionOf(b.type) - precisionOf(a.type))
      .map((body) => createJudge(body, judgeOf));
    this.accepts = plan.declared.map(({ type }) => type.essence).join(', ');
  }

  /** Judges the body that was read. What is to be forwarded in its place stands in the verdict. */
  judge({ bodyBytes, headers, request }: JudgedBody): Verdict | Promise<Verdict> {
    if (bodyBytes === undefined || bodyBytes.length === 0) {
      const isDue = this.plan.isRequired && !BODILESS.has(request.method);
      return { errors: isDue ? [MISSING] : [] };
    }
    const contentTypes = headers.getAll('content-type');
    const chosen = contentTypes.length === 1 ? this.choose(contentTypes[0] as string) : undefined;
    if (chosen === undefined)
      return unsupported('media-type', this.accepts === '' ? {} : { accept: this.accepts });
    const { judge, type, written } = chosen;
    const coding = readCoding(headers.get('content-encoding'));
    if (coding === undefined) return unsupported('content-coding', { 'accept-encoding': CODINGS });
    if (coding === 'identity') return judge.judge(bodyBytes, type, written);
    return decodeContent(bodyBytes, coding, this.plan.maxBytes).then((decoded) => {
      if (decoded === 'too-large') return new GatewayError('GW_BODY_TOO_LARGE');
      // The same bytes are read on elsewhere, in another way.
      if (decoded === 'broken') return unsupported('content-coding', { 'accept-encoding': CODINGS });
      return judge.judge(decoded, type, written);
    });
  }

  /** Finds who judges bodies of a type as written. The same few are sent again and again. */
  private choose(written: string): Chosen | undefined {
    const known = this.chosen.get(written);
    if (known !== undefined) return known;
    const type = readMediaType(written);
    if (type === undefined) return undefined;
    const format = formatOf(type.essence);
    const judge = this.judges.find(({ body }) => body.format === format && matchesMediaType(type, body.type));
    if (judge === undefined || !isReadable(type, judge.body.type, format)) return undefined;
    const chosen = { judge, type, written };
    if (this.chosen.size < MAX_CHOSEN) this.chosen.set(written, chosen);
    return chosen;
  }
}

const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE']);
const MISSING: InputError = { in: 'body', pointer: '', keyword: 'required', message: 'is missing' };

/** Puts other bytes in the place of the body that came. What was said of that is not true of these. */
export function replaceBody(exchange: Exchange, bytes: Buffer): void {
  exchange.bodyBytes = bytes;
  exchange.body = bodyFrom(bytes);
  for (const name of ['content-encoding', 'content-digest', 'repr-digest', 'digest', 'content-md5'])
    exchange.headers.delete(name);
}

function createJudge(body: DeclaredBody, judgeOf: (spec: JsonBodySpec) => JsonJudge): Judge {
  const { json, form, multipart, text } = body;
  if (json !== undefined) {
    const judge = judgeOf(json);
    return { body, judge: (bytes) => judge.judge(bytes) };
  }
  if (form !== undefined) {
    const check = new PlaceCheck(form);
    return { body, judge: (bytes) => judgeForm(bytes, check) };
  }
  if (multipart !== undefined) {
    const judge = new MultipartJudge(multipart);
    return {
      body,
      judge: (bytes, type, written) => judge.judge(bytes, written, type.parameters.get('boundary')),
    };
  }
  const validator = text === undefined ? undefined : compileSchema(text);
  return { body, judge: (bytes) => judgeText(bytes, body.format, validator) };
}

function judgeForm(bytes: Buffer, check: PlaceCheck): Verdict {
  if (!isUtf8(bytes)) return { fault: 'encoding' };
  const { errors, query } = check.judgePairs(bytes.toString('utf8'), 'body');
  if (errors.some(({ keyword }) => keyword === 'encoding')) return { fault: 'form' };
  return { errors, ...(query !== undefined && { replaced: Buffer.from(query) }) };
}

function judgeText(bytes: Buffer, format: BodyFormat, validator: SchemaValidator | undefined): Verdict {
  if (format === 'bytes') return { errors: [] };
  if (!isUtf8(bytes)) return { fault: 'text' };
  return { errors: validator?.findErrors(bytes.toString('utf8')).map(bodyError) ?? [] };
}

/** Gives the response that a verdict means, if any. */
export function responseTo(verdict: Verdict): GatewayError | undefined {
  if (verdict instanceof GatewayError) return verdict;
  return verdict.fault === undefined ? undefined : unreadable(verdict.fault);
}
