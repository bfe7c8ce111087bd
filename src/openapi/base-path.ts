import { isSchemaMap } from '../json-schema/schema-text.ts';
import type { OpenApiDocument } from './open-api-document.ts';

/** The path under which a service serves what its document describes: that of its first server, without a slash at its end. */
export function basePathOf({ root }: OpenApiDocument): string {
  const { servers } = isSchemaMap(root.value) ? root.value : {};
  const first: unknown = Array.isArray(servers) ? servers[0] : undefined;
  if (!isSchemaMap(first) || typeof first.url !== 'string') return '';
  const url = fillVariables(first.url, first.variables);
  const path = URL.canParse(url, 'http://relative/') ? new URL(url, 'http://relative/').pathname : '/';
  return path.replace(/\/+$/, '');
}

function fillVariables(url: string, variables: unknown): string {
  return url.replace(/\{([^{}]+)\}/g, (_, name: string) => {
    const variable = isSchemaMap(variables) && Object.hasOwn(variables, name) ? variables[name] : undefined;
    return isSchemaMap(variable) && typeof variable.default === 'string' ? variable.default : name;
  });
}
