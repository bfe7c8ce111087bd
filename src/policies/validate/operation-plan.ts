import { isSchemaMap, type JsonSchema } from '../../json-schema/schema-text.ts';
import { wireTypeOf } from '../../json-schema/wire-type.ts';
import { type MediaSchema, mediaSchemasOf } from '../../openapi/media-schemas.ts';
import type { Located, OpenApiDocument } from '../../openapi/open-api-document.ts';
import type { Operation } from '../../openapi/operations.ts';
import { readTemplate } from '../../openapi/path-template.ts';
import { referenceTo, type SchemaBundle } from '../../openapi/schema-bundle.ts';
import type { SourceFinding } from '../../openapi/source-file.ts';
import type { BodyPlan, DeclaredBody } from './body-check.ts';
import { BODY_FORMATS, type BodyFormat, formatOf, readMediaType } from './media-type.ts';
import type { ParameterStyle } from './parameter-style.ts';
import type { DeclaredParameter, PlacePlan } from './place-check.ts';
import { type RequestPlan, USUAL_STYLES } from './request-plan.ts';
import type { ResponsePlan } from './response-check.ts';
import type { ValidateOptions } from './validate-options.ts';

type Rules = Pick<ValidateOptions, 'unknown' | 'maxDepth' | 'maxBody' | 'coerce'>;

/** Headers that OpenAPI leaves to other parts of a document (3.1 §4.8.12.1). */
const LEFT_OUT: ReadonlySet<string> = new Set(['accept', 'content-type', 'authorization']);

/** Makes the plan of requests for one operation. */
export class OperationPlanner {
  private readonly document: OpenApiDocument;
  private readonly bundle: SchemaBundle;
  private readonly rules: Rules;
  /** The names of all schemas that were taken. */
  private readonly names = new Set<string>();

  constructor(document: OpenApiDocument, bundle: SchemaBundle, rules: Rules) {
    this.document = document;
    this.bundle = bundle;
    this.rules = rules;
  }

  /** Finds what is wrong with the schemas that were taken. */
  findFaults(): SourceFinding[] {
    return [...this.bundle.faults, ...this.bundle.findFaults(this.names)];
  }

  /** What is asked of a request. */
  planOfRequest(operation: Operation): RequestPlan {
    const places = (['path', 'query', 'header', 'cookie'] as const).flatMap((place) =>
      this.planOfPlace(operation, place),
    );
    return { places, body: this.planOfBody(operation) };
  }

  /** What is asked of responses, by their status. */
  plansOfResponses({ responses }: Operation): Map<string, ResponsePlan> {
    return new Map(
      [...responses].map(([status, response]) => [
        status,
        { headers: this.planOfHeaders(response), declared: this.declaredBodies(response) },
      ]),
    );
  }

  /** What is asked of a body whose media types stand in `owner`. Of a range of types, the type that comes decides. */
  declaredBodies(owner: Located): DeclaredBody[] {
    return mediaSchemasOf(this.document, owner).flatMap((media) => {
      const type = readMediaType(media.mediaType);
      if (type === undefined) return [];
      const formats = type.essence.includes('*') ? BODY_FORMATS : [formatOf(type.essence)];
      return formats.flatMap((format) => {
        const judged = this.judgedBody(media, format, formats.length > 1);
        return judged === undefined ? [] : [{ ...judged, type }];
      });
    });
  }

  private planOfHeaders(response: Located): PlacePlan | undefined {
    const headers = this.document.within(response, 'headers');
    if (!isSchemaMap(headers.value)) return undefined;
    const names = new Set<string>();
    const properties: Record<string, JsonSchema> = {};
    const required: string[] = [];
    const parameters = Object.keys(headers.value).flatMap((name) => {
      const located = this.document.follow(this.document.within(headers, name));
      if (located === undefined || !isSchemaMap(located.value) || name.toLowerCase() === 'content-type')
        return [];
      const named = { ...located, value: { ...located.value, name } };
      const { parameter, schema } = this.readParameter(named, 'header', '', names);
      if (schema !== undefined) properties[name] = schema;
      if (located.value.required === true) required.push(name);
      return [parameter];
    });
    const schema = { type: 'object', properties, required, $defs: this.bundle.definitionsOf(names) };
    return {
      place: 'header',
      parameters,
      schema,
      others: undefined,
      unknown: 'keep',
      maxDepth: this.rules.maxDepth,
    };
  }

  private planOfPlace(operation: Operation, place: PlacePlan['place']): PlacePlan[] {
    const own = operation.parameters.filter(({ value }) => {
      const { in: at, name } = value as { in: string; name: string };
      return at === place && !(place === 'header' && LEFT_OUT.has(name.toLowerCase()));
    });
    const keys = place === 'query' ? this.keysInQuery() : [];
    if (own.length === 0 && place !== 'query') return [];
    const names = new Set<string>();
    const properties: Record<string, JsonSchema> = Object.create(null) as Record<string, JsonSchema>;
    const required: string[] = [];
    const parameters = own.map((located): DeclaredParameter => {
      const { name, required: isRequired } = located.value as { name: string; required?: unknown };
      if (isRequired === true || place === 'path') required.push(name);
      const { parameter, schema } = this.readParameter(located, place, operation.path, names);
      if (schema !== undefined) properties[name] = schema;
      return parameter;
    });
    for (const name of keys) {
      if (own.some(({ value }) => (value as { name: string }).name === name)) continue;
      parameters.push({ name, style: 'form', explode: true, type: wireTypeOf(true), isJson: false });
    }
    const { unknown = 'refuse', maxDepth } = this.rules;
    const schema = { type: 'object', properties, required, $defs: this.bundle.definitionsOf(names) };
    return [{ place, parameters, schema, others: undefined, unknown, maxDepth }];
  }

  private readParameter(
    located: Located,
    place: PlacePlan['place'],
    path: string,
    names: Set<string>,
  ): { parameter: DeclaredParameter; schema: JsonSchema | undefined } {
    const {
      name,
      style = USUAL_STYLES[place],
      explode = style === 'form',
    } = located.value as {
      name: string;
      style?: ParameterStyle;
      explode?: boolean;
    };
    const [media] = mediaSchemasOf(this.document, located);
    const own = this.document.within(located, 'schema');
    const found = own.value === undefined ? media?.schema : own;
    const schema = found === undefined ? undefined : this.take(found, names);
    const type = wireTypeOf(schema === undefined ? true : this.whole(schema, names));
    const segment =
      place === 'path' ? readTemplate(path).find((each) => each.names.includes(name)) : undefined;
    return {
      parameter: {
        name,
        style,
        explode,
        type,
        isJson:
          own.value === undefined &&
          media !== undefined &&
          formatOf(media.mediaType.toLowerCase()) === 'json',
        ...(segment !== undefined && { routeName: segment.routeName }),
        ...(segment?.pattern !== undefined && {
          within: { pattern: segment.pattern, index: segment.names.indexOf(name) },
        }),
      },
      schema,
    };
  }

  /** API keys in the query are described by the security schemes, not as parameters. */
  private keysInQuery(): string[] {
    const schemes = this.document.within(this.document.root, 'components', 'securitySchemes').value;
    if (!isSchemaMap(schemes)) return [];
    return Object.values(schemes).flatMap((scheme) => {
      const { type, in: place, name } = isSchemaMap(scheme) ? scheme : {};
      return type === 'apiKey' && place === 'query' && typeof name === 'string' ? [name] : [];
    });
  }

  private planOfBody({ requestBody }: Operation): BodyPlan {
    const { maxBody } = this.rules;
    if (requestBody === undefined) return { isRequired: false, declared: [], maxBytes: maxBody };
    const { required } = requestBody.value as { required?: unknown };
    return { isRequired: required === true, declared: this.declaredBodies(requestBody), maxBytes: maxBody };
  }

  private judgedBody(
    { schema: located, encoding }: MediaSchema,
    format: BodyFormat,
    isRange: boolean,
  ): Omit<DeclaredBody, 'type'> | undefined {
    const { unknown, maxDepth, coerce } = this.rules;
    const names = new Set<string>();
    const schema = located === undefined ? undefined : this.whole(this.take(located, names), names);
    switch (format) {
      case 'json':
        return { format, json: { schema, unknown, coerce, maxDepth } };
      case 'form':
        return { format, ...(schema !== undefined && { form: this.planOfForm(schema, encoding) }) };
      case 'multipart': {
        const mediaTypes = new Map(
          [...encoding].flatMap(([name, { contentType }]) =>
            typeof contentType === 'string'
              ? [[name, contentType.split(',').map((each) => each.trim().toLowerCase())] as const]
              : [],
          ),
        );
        return { format, multipart: { schema: schema ?? true, unknown, maxDepth, mediaTypes } };
      }
      case 'text':
        return { format, ...(schema !== undefined && { text: schema }) };
      default:
        // What no schema of values can be held against passes only where its type is declared, or where it is text or bytes.
        return isRange && schema !== undefined && !wireTypeOf(schema).kinds.has('string')
          ? undefined
          : { format };
    }
  }

  private planOfForm(schema: JsonSchema, encoding: MediaSchema['encoding']): PlacePlan {
    const { unknown, maxDepth } = this.rules;
    const type = wireTypeOf(schema);
    const parameters = [...type.members].map(([name, member]): DeclaredParameter => {
      const {
        style = 'form',
        explode = style === 'form',
        contentType,
      } = (encoding.get(name) ?? {}) as {
        style?: ParameterStyle;
        explode?: boolean;
        contentType?: unknown;
      };
      const isObject = member.kinds.has('object') && !member.kinds.has('array');
      const isJson =
        formatOf(String(contentType ?? '').toLowerCase()) === 'json' || (isObject && !encoding.has(name));
      return { name, style, explode, type: member, isJson };
    });
    return { place: 'query', parameters, schema, others: type.others, unknown, maxDepth };
  }

  private take(located: Located, names: Set<string>): JsonSchema {
    const name = this.bundle.add(located);
    names.add(name);
    this.names.add(name);
    return { $ref: referenceTo(name) };
  }

  private whole(schema: JsonSchema, names: Iterable<string>): JsonSchema {
    return { ...(schema as object), $defs: this.bundle.definitionsOf(names) };
  }
}
