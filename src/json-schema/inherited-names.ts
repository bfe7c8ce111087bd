import { isSchemaMap, type JsonSchema } from './schema-text.ts';
import { walkSchemas } from './subschemas.ts';

/** The names that every object seems to have, such as `toString`. */
const INHERITED: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));
/** Keywords whose names or lists of names are about members of the value. */
const NAMING = ['properties', 'required', 'dependentRequired', 'dependentSchemas', 'dependencies'] as const;

/** Names the members of `Object.prototype` that a schema has something to say about. */
export function inheritedNamesIn(schema: JsonSchema): ReadonlySet<string> {
  const found = new Set<string>();
  const note = (name: unknown): void => {
    if (typeof name === 'string' && INHERITED.has(name)) found.add(name);
  };
  walkSchemas(schema, (inner) => {
    if (!isSchemaMap(inner)) return;
    for (const keyword of NAMING) {
      const value = inner[keyword];
      if (Array.isArray(value)) value.forEach(note);
      else if (isSchemaMap(value))
        for (const [name, names] of Object.entries(value)) {
          note(name);
          if (Array.isArray(names)) names.forEach(note);
        }
    }
  });
  return found;
}

/** Gives plain data in which no object has anything but its own members. Changes `value` itself. */
export function withoutPrototypes(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const member of Object.values(value)) withoutPrototypes(member);
  return Array.isArray(value) ? value : Object.setPrototypeOf(value, null);
}
