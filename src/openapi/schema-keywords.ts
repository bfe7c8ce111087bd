import { isSchemaMap, type JsonSchema } from '../json-schema/schema-text.ts';
import type { OpenApiVersion } from './open-api-document.ts';

/** Keywords that say nothing about whether a value is good, or that a bundle has no use for. */
const DROPPED: ReadonlySet<string> = new Set([
  ...['example', 'examples', 'xml', 'externalDocs', 'discriminator', 'deprecated', 'title', 'description'],
  ...['readOnly', 'writeOnly', 'default', '$comment', '$schema', '$id', '$defs', 'definitions'],
]);

/** Gives the keywords of one schema of OpenAPI the form that they have in JSON Schema 2020-12. */
export function toLatestKeywords(
  schema: Readonly<Record<string, unknown>>,
  version: OpenApiVersion,
): JsonSchema {
  const kept = Object.fromEntries(
    Object.entries(schema).filter(([keyword]) => !DROPPED.has(keyword) && !keyword.startsWith('x-')),
  );
  return version === '3.0' ? withMeaningOf30(kept) : kept;
}

/** 3.0 has keywords of draft 4, and `nullable` (§4.7.24.1). */
function withMeaningOf30({ nullable, ...schema }: Record<string, unknown>): JsonSchema {
  const made: Record<string, unknown> = { ...schema };
  for (const [limit, exclusive] of [
    ['minimum', 'exclusiveMinimum'],
    ['maximum', 'exclusiveMaximum'],
  ] as const) {
    if (typeof made[exclusive] !== 'boolean') continue;
    if (made[exclusive] === true && made[limit] !== undefined) {
      made[exclusive] = made[limit];
      delete made[limit];
    } else delete made[exclusive];
  }
  if (nullable !== true) return made;
  if (typeof made.type === 'string') return { ...made, type: [made.type, 'null'] };
  // Without a type `nullable` says nothing by the letter, but all who write it beside `allOf` mean it.
  return isEmpty(made) ? made : { anyOf: [{ type: 'null' }, made] };
}

function isEmpty(schema: object): boolean {
  return isSchemaMap(schema) && Object.keys(schema).length === 0;
}
