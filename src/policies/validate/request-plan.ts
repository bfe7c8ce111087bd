import type { JsonSchema } from '../../json-schema/schema-text.ts';
import { isListType, isObjectType, wireTypeOf } from '../../json-schema/wire-type.ts';
import type { BodyPlan } from './body-check.ts';
import type { InputPlace } from './input-error.ts';
import type { ParameterStyle } from './parameter-style.ts';
import type { DeclaredParameter, PlacePlan } from './place-check.ts';
import type { ValidateOptions } from './validate-options.ts';
import type { SCHEMA_OPTIONS } from './written-schemas.ts';

/** What is asked of a request. */
export interface RequestPlan {
  readonly places: readonly PlacePlan[];
  /** Left out: whatever it has. */
  readonly body: BodyPlan | undefined;
}

/** The schemas that options hold, read. */
export type ReadSchemas = Partial<Record<(typeof SCHEMA_OPTIONS)[number], JsonSchema>>;

const PLACES: readonly (readonly [option: keyof ReadSchemas, place: PlacePlan['place']])[] = [
  ['params', 'path'],
  ['query', 'query'],
  ['headers', 'header'],
  ['cookies', 'cookie'],
];

/** How parameters of a place are written where nothing else is said (OpenAPI 3.1 §4.8.12.2). */
export const USUAL_STYLES: Readonly<Record<PlacePlan['place'], ParameterStyle>> = {
  path: 'simple',
  query: 'form',
  header: 'simple',
  cookie: 'form',
};

/** Makes the plan of schemas of one's own. */
export function planOfSchemas(schemas: ReadSchemas, options: ValidateOptions): RequestPlan {
  const { unknown, maxDepth, maxBody, coerce } = options;
  const places = PLACES.flatMap(([option, place]): PlacePlan[] => {
    const schema = schemas[option];
    return schema === undefined ? [] : [planOfPlace(schema, place, { unknown, maxDepth })];
  });
  if (schemas.body === undefined) return { places, body: undefined };
  const json = { schema: schemas.body, unknown, coerce, maxDepth };
  const declared = ['application/json', 'application/*+json'].map((essence) => ({
    type: { essence, parameters: new Map<string, string>() },
    format: 'json' as const,
    json,
  }));
  return { places, body: { isRequired: true, declared, maxBytes: maxBody } };
}

function planOfPlace(
  schema: JsonSchema,
  place: Exclude<InputPlace, 'body'>,
  { unknown, maxDepth }: Pick<PlacePlan, 'unknown' | 'maxDepth'>,
): PlacePlan {
  const type = wireTypeOf(schema);
  const style = USUAL_STYLES[place];
  const parameters = [...type.members].map(
    ([name, member]): DeclaredParameter => ({
      name,
      style,
      // Lists of a query are repeated; an object would take names that the schema does not know as its own.
      explode: style === 'form' && isListType(member) && !isObjectType(member),
      type: member,
      isJson: false,
    }),
  );
  return { place, parameters, schema, others: type.others, unknown, maxDepth };
}
