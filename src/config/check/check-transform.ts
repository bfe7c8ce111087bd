import { compileCondition } from '../../template/condition.ts';
import { findJsonFaults } from '../../template/json-template.ts';
import { compileField } from '../../template/places.ts';
import type { TemplateNames } from '../../template/reference.ts';
import { describeFault, findFault } from '../../template/template-error.ts';
import { asFields, type Fields, type Findings } from '../findings.ts';
import type { ConfigPath } from '../problem.ts';
import { findPatternFault, paramNames } from '../schema/path-pattern.ts';
import type { WrittenRoute, WrittenUse } from './check-access.ts';

/** Checks the templates of each `transform` with the parameters of its route; of a top-level one these are not known. */
export function checkTransforms(
  topLevel: readonly WrittenUse[],
  routes: readonly WrittenRoute[],
  findings: Findings,
): void {
  checkUses(topLevel, undefined, findings);
  for (const { fields, uses } of routes) checkUses(uses, readParams(fields.path), findings);
}

function readParams(path: unknown): readonly string[] | undefined {
  return typeof path === 'string' && findPatternFault(path) === undefined ? paramNames(path) : undefined;
}

function checkUses(
  uses: readonly WrittenUse[],
  params: readonly string[] | undefined,
  findings: Findings,
): void {
  for (const { name, options, path } of uses) {
    if (name !== 'transform') continue;
    const at = [...path, 'transform'];
    checkMessage(asFields(options.request), [...at, 'request'], { params, hasBody: true }, findings);
    const names: TemplateNames = { params, hasBody: true, hasResponse: true };
    checkMessage(asFields(options.response), [...at, 'response'], names, findings);
  }
}

function checkMessage(message: Fields, path: ConfigPath, names: TemplateNames, findings: Findings): void {
  const { when, headers, body, status } = message;
  const check = (
    text: unknown,
    place: ConfigPath,
    compile: typeof compileCondition | typeof compileField,
  ) => {
    const fault = typeof text === 'string' ? findFault(() => compile(text, names)) : undefined;
    if (fault !== undefined) findings.reject(place, fault);
  };
  check(when, [...path, 'when'], compileCondition);
  for (const [name, value] of Object.entries(asFields(headers)))
    check(value, [...path, 'headers', name], compileField);
  for (const { path: within, error } of findJsonFaults(body, names))
    findings.reject([...path, 'body', ...within], describeFault(error));
  if (status === 204 && body !== undefined)
    findings.reject([...path, 'body'], 'cannot be sent with status 204 — take it out, or use status 200');
}
