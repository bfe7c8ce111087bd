import { isSchemaMap } from '../json-schema/schema-text.ts';
import type { Located, OpenApiDocument } from './open-api-document.ts';
import type { SourceFinding } from './source-file.ts';

/** An operation of a document: what is done to one path by one method. */
export interface Operation {
  /** As it is written, if it is. */
  readonly operationId: string | undefined;
  /** In upper case. */
  readonly method: string;
  /** The template, such as `/orders/{id}`. */
  readonly path: string;
  readonly located: Located;
  /** Those of the path and its own, references followed. */
  readonly parameters: readonly Located[];
  readonly requestBody: Located | undefined;
  /** By status, such as `200`, `2XX` and `default`. */
  readonly responses: ReadonlyMap<string, Located>;
}

const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace', 'query'];

/** Lists the operations of a document, and what is wrong with them. */
export function operationsOf(document: OpenApiDocument): {
  operations: Operation[];
  faults: SourceFinding[];
} {
  const faults: SourceFinding[] = [];
  const operations: Operation[] = [];
  const paths = document.within(document.root, 'paths');
  for (const template of keysOf(paths.value)) {
    if (template.startsWith('x-')) continue;
    const written = document.within(paths, template);
    const item = followOrReport(document, written, faults);
    if (item === undefined) continue;
    if (!template.startsWith('/')) {
      faults.push({
        text: "is a path that does not begin with '/' — put a / in front",
        place: document.placeOf(written),
      });
      continue;
    }
    for (const { method, located } of methodsOf(document, item))
      operations.push(readOperation(document, { method, path: template, item, located }, faults));
  }
  return { operations, faults };
}

/** Finds an operation by its `operationId`, or by method and path: `GET /orders/{id}`. */
export function findOperation(operations: readonly Operation[], name: string): Operation | undefined {
  const byId = operations.find(({ operationId }) => operationId === name);
  if (byId !== undefined) return byId;
  const [method = '', path = ''] = name.split(/\s+/, 2);
  return operations.find((each) => each.method === method.toUpperCase() && each.path === path);
}

/** In 3.2 there are methods of any name, in `additionalOperations`. */
function methodsOf(document: OpenApiDocument, item: Located): { method: string; located: Located }[] {
  const known = METHODS.filter((method) => isSchemaMap(document.within(item, method).value)).map(
    (method) => ({
      method: method.toUpperCase(),
      located: document.within(item, method),
    }),
  );
  const additional = document.within(item, 'additionalOperations');
  const more = keysOf(additional.value).map((method) => ({
    method,
    located: document.within(additional, method),
  }));
  return document.version === '3.2' ? [...known, ...more] : known.filter(({ method }) => method !== 'QUERY');
}

function readOperation(
  document: OpenApiDocument,
  { method, path, item, located }: { method: string; path: string; item: Located; located: Located },
  faults: SourceFinding[],
): Operation {
  const { operationId } = located.value as { operationId?: unknown };
  const body = document.within(located, 'requestBody');
  const responses = document.within(located, 'responses');
  return {
    operationId: typeof operationId === 'string' ? operationId : undefined,
    method,
    path,
    located,
    parameters: readParameters(
      document,
      [document.within(item, 'parameters'), document.within(located, 'parameters')],
      faults,
    ),
    requestBody: body.value === undefined ? undefined : followOrReport(document, body, faults),
    responses: new Map(
      keysOf(responses.value)
        .filter((status) => !status.startsWith('x-'))
        .flatMap((status) => {
          const response = followOrReport(document, document.within(responses, status), faults);
          return response === undefined ? [] : [[status, response] as const];
        }),
    ),
  };
}

/** Those of an operation take the place of those of its path that have the same name and place. */
function readParameters(
  document: OpenApiDocument,
  lists: readonly Located[],
  faults: SourceFinding[],
): readonly Located[] {
  const found = new Map<string, Located>();
  for (const list of lists) {
    if (!Array.isArray(list.value)) continue;
    for (const i of list.value.keys()) {
      const parameter = followOrReport(document, document.within(list, i), faults);
      if (parameter === undefined) continue;
      const { name, in: place } = isSchemaMap(parameter.value) ? parameter.value : {};
      if (typeof name !== 'string' || typeof place !== 'string')
        faults.push({
          text: 'is a parameter without name and in — add them',
          place: document.placeOf(parameter),
        });
      else found.set(`${place} ${place === 'header' ? name.toLowerCase() : name}`, parameter);
    }
  }
  return [...found.values()];
}

function followOrReport(
  document: OpenApiDocument,
  located: Located,
  faults: SourceFinding[],
): Located | undefined {
  const found = document.follow(located);
  if (found !== undefined) return found;
  const { $ref: reference } = located.value as { $ref?: unknown };
  const isRemote = typeof reference === 'string' && /^[A-Za-z][A-Za-z0-9+.-]+:/.test(reference);
  const text = isRemote
    ? 'refers to another server, and nothing is fetched — put a copy beside the document'
    : 'refers to what is not there — correct it';
  faults.push({ text, place: document.placeOf({ ...located, path: [...located.path, '$ref'] }) });
  return undefined;
}

function keysOf(value: unknown): string[] {
  return isSchemaMap(value) ? Object.keys(value) : [];
}
