import { mediaSchemasOf } from './media-schemas.ts';
import { type Located, OpenApiDocument } from './open-api-document.ts';
import { findOperation, type Operation, operationsOf } from './operations.ts';
import { type Direction, SchemaBundle } from './schema-bundle.ts';
import type { ReadFile, SourceFinding } from './source-file.ts';

/** A document made ready to be used: its operations, and its schemas in the form that judges values. */
export class ApiSource {
  readonly document: OpenApiDocument;
  readonly operations: readonly Operation[];
  /** What is wrong with operations, their schemas left aside. */
  readonly faults: readonly SourceFinding[];
  private readonly bundles = new Map<Direction, SchemaBundle>();

  private constructor(document: OpenApiDocument) {
    const { operations, faults } = operationsOf(document);
    this.document = document;
    this.operations = operations;
    this.faults = faults;
  }

  /** Reads a document. Gives what is wrong where it cannot be used at all. Rejects where its file cannot be read. */
  static async load(path: string, readFile: ReadFile): Promise<ApiSource | SourceFinding[]> {
    const document = await OpenApiDocument.load(path, readFile);
    return Array.isArray(document) ? document : new ApiSource(document);
  }

  /** Its schemas, those of requests or of responses. */
  bundle(direction: Direction): SchemaBundle {
    const bundle = this.bundles.get(direction) ?? new SchemaBundle(this.document, direction);
    this.bundles.set(direction, bundle);
    return bundle;
  }

  /**
   * Finds what is wrong with all operations and the schemas that they use in these directions, each once. For what judges
   * one operation alone there is less to look at.
   */
  findFaults(directions: readonly Direction[]): SourceFinding[] {
    const faults = [...this.faults];
    for (const direction of directions) {
      const bundle = this.bundle(direction);
      const names = new Set<string>();
      for (const operation of this.operations)
        for (const schema of schemasOf(this.document, operation, direction)) names.add(bundle.add(schema));
      faults.push(...bundle.faults, ...bundle.findFaults(names));
    }
    return faults;
  }

  /** Finds an operation by its `operationId`, or by method and path. */
  find(name: string): Operation | undefined {
    return findOperation(this.operations, name);
  }
}

function schemasOf(document: OpenApiDocument, operation: Operation, direction: Direction): Located[] {
  const { parameters, requestBody, responses } = operation;
  const owners =
    direction === 'request'
      ? [...parameters, ...(requestBody === undefined ? [] : [requestBody])]
      : [...responses.values()];
  return owners.flatMap((owner) => {
    const own = document.within(owner, 'schema');
    const media = mediaSchemasOf(document, owner).flatMap(({ schema }) => schema ?? []);
    return own.value === undefined ? media : [own, ...media];
  });
}
