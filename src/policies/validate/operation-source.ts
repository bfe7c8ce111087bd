import { resolve } from 'node:path';
import type { OptionFiles, OptionFinding } from '../../core/policy.ts';
import { ApiSource } from '../../openapi/api-source.ts';
import type { Operation } from '../../openapi/operations.ts';
import { readTemplate } from '../../openapi/path-template.ts';
import { OperationPlanner } from './operation-plan.ts';
import type { ValidateOptions } from './validate-options.ts';

/** Finds what is wrong with the operation that options name: with all of its document that it uses. */
export async function findOperationFaults(
  options: ValidateOptions,
  files: OptionFiles,
): Promise<OptionFinding[]> {
  const { openapi } = options;
  if (openapi === undefined) return [];
  const path = resolve(files.folder, openapi.file);
  const source = await files.share(`openapi ${path}`, () => ApiSource.load(path, files.read));
  const at = ['openapi', 'file'];
  if (Array.isArray(source)) return source.map((fault) => ({ path: at, ...fault }));
  const operation = source.find(openapi.operation);
  if (operation === undefined)
    return [
      { path: ['openapi', 'operation'], text: `is not an operation of ${openapi.file} — ${namesOf(source)}` },
    ];
  return [
    ...findMissingParameters(operation, files.routePath),
    ...findFaultsOf(source, operation, options).map((fault) => ({ path: at, ...fault })),
  ];
}

/** A parameter of the path that the route does not have would be missing in every request. */
function findMissingParameters(
  { path, parameters }: Operation,
  routePath: string | undefined,
): OptionFinding[] {
  if (routePath === undefined) return [];
  const known = new Set(routePath.split('/').map((segment) => segment.replace(/^:/, '')));
  return readTemplate(path).flatMap(({ names, routeName }) => {
    const isDeclared = parameters.some(({ value }) => {
      const { in: place, name } = value as { in?: unknown; name?: unknown };
      return place === 'path' && names.includes(String(name));
    });
    if (!isDeclared || known.has(routeName)) return [];
    const text = `has a parameter of the path that the route does not have — write it as :${routeName} in the path of the route`;
    return [{ path: ['openapi', 'operation'], text }];
  });
}

/** Finds what is wrong with an operation and the schemas that it uses. */
export function findFaultsOf(source: ApiSource, operation: Operation, options: ValidateOptions) {
  const { request, response } = plannersOf(source, options);
  request.planOfRequest(operation);
  if (options.response !== 'off') response.plansOfResponses(operation);
  return [...source.faults, ...request.findFaults(), ...response.findFaults()];
}

/** What makes the plans of requests and of responses. */
export function plannersOf(source: ApiSource, options: ValidateOptions) {
  const { document } = source;
  return {
    request: new OperationPlanner(document, source.bundle('request'), options),
    response: new OperationPlanner(document, source.bundle('response'), {
      ...options,
      unknown: undefined,
      coerce: false,
    }),
  };
}

const MAX_NAMED = 6;

function namesOf({ operations }: ApiSource): string {
  if (operations.length === 0) return 'it has none';
  const names = operations.map(({ operationId, method, path }) => operationId ?? `${method} ${path}`);
  const shown = names.slice(0, MAX_NAMED).join(', ');
  return `write one of ${shown}${names.length > MAX_NAMED ? ', …' : ''}`;
}
