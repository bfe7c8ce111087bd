import { SchemaReferences } from './schema-references.ts';
import { isSchemaMap, type JsonSchema } from './schema-text.ts';
import { strongComponents } from './strong-components.ts';
import { subschemasOf } from './subschemas.ts';

/** One schema within another, and where it leads to. */
interface Node {
  /** Those that judge the same value. */
  readonly same: readonly number[];
  /** Those that judge a part of it. */
  readonly parts: readonly number[];
}

/**
 * Tells whether a schema comes back to itself by two ways for one value: each level of a value could then double the time
 * that it takes, as for `anyOf` of two forms that both hold the schema again.
 */
export function isBranchingWithoutEnd(root: JsonSchema): boolean {
  const nodes = readNodes(root);
  const componentOf = strongComponents(nodes.length, (i) => [
    ...(nodes[i] as Node).same,
    ...(nodes[i] as Node).parts,
  ]);
  return nodes.some(({ same, parts }, i) => {
    const comesBack = (target: number): boolean => componentOf[target] === componentOf[i];
    return same.filter(comesBack).length + Number(parts.some(comesBack)) > 1;
  });
}

function readNodes(root: JsonSchema): Node[] {
  const references = new SchemaReferences(root);
  const ids = new Map<JsonSchema, number>();
  const queue: JsonSchema[] = [];
  const idOf = (schema: JsonSchema): number => {
    const known = ids.get(schema);
    if (known !== undefined) return known;
    ids.set(schema, queue.length);
    return queue.push(schema) - 1;
  };
  if (isSchemaMap(root)) idOf(root);
  const nodes: Node[] = [];
  for (let i = 0; i < queue.length; i++) {
    const schema = queue[i] as Readonly<Record<string, unknown>>;
    const inner = subschemasOf(schema).filter(
      ({ keyword, schema: each }) => keyword !== '$defs' && keyword !== 'definitions' && isSchemaMap(each),
    );
    const same = inner.flatMap(({ schema: each, isInPlace }) => (isInPlace ? [idOf(each)] : []));
    const parts = inner.flatMap(({ schema: each, isInPlace }) => (isInPlace ? [] : [idOf(each)]));
    for (const reference of [schema.$ref, schema.$dynamicRef]) {
      const target =
        typeof reference === 'string' ? references.find(reference, references.baseOf(schema)) : undefined;
      if (target !== undefined && isSchemaMap(target.schema)) same.push(idOf(target.schema));
    }
    nodes.push({ same, parts });
  }
  return nodes;
}
