import { findOwnedField } from '../../core/fields/owned-fields.ts';
import { compileCondition } from '../../template/condition.ts';
import { RESERVED_NAMES } from '../../template/json-map.ts';
import { compileJson, findJsonFaults } from '../../template/json-template.ts';
import { compileField, compileParameter, compilePath, compileWhole } from '../../template/places.ts';
import type { TemplateNames } from '../../template/reference.ts';
import { describeFault, findFault } from '../../template/template-error.ts';
import { asFields, type Fields, type Findings } from '../findings.ts';
import type { ConfigPath } from '../problem.ts';
import { checkUpstreamName } from './upstream-name.ts';

/** What the checks of the parts of one route share. */
interface AggregateCheck {
  readonly findings: Findings;
  readonly upstreams: readonly string[];
  readonly names: TemplateNames;
}

/** Where a part refers to another one. */
interface Need {
  readonly part: string;
  readonly at: ConfigPath;
}

/** Checks what `aggregate` of a route asks for, and that no part waits for itself. `params` are those of the route's path. */
export function checkAggregate(
  aggregate: Fields,
  path: ConfigPath,
  { params, upstreams }: { params: readonly string[]; upstreams: readonly string[] },
  findings: Findings,
): void {
  const parts = Object.entries(asFields(aggregate.parts)).map(([name, part]) => ({
    name,
    part: asFields(part),
  }));
  const lists = parts.filter(({ part }) => part.forEach !== undefined).map(({ name }) => name);
  const names: TemplateNames = { params, parts: parts.map(({ name }) => name), lists, hasBody: true };
  if (aggregate.parts !== undefined && parts.length === 0)
    findings.reject([...path, 'parts'], 'is empty — name a part, or use upstream or respond');
  const needs = new Map<string, readonly Need[]>();
  for (const { name, part } of parts)
    needs.set(name, checkPart(part, [...path, 'parts', name], { findings, upstreams, names }));
  checkOrder(needs, findings);
  if (aggregate.response !== undefined && aggregate.compose !== undefined)
    findings.reject([...path, 'compose'], 'stands beside response — keep one of them');
  checkJson(aggregate.response, [...path, 'response'], names, findings);
}

/** Checks one part, and gives what it needs of others. */
function checkPart(part: Fields, path: ConfigPath, { findings, upstreams, names }: AggregateCheck): Need[] {
  const needs: Need[] = [];
  const at = (...keys: (string | number)[]): ConfigPath => [...path, ...keys];
  const check = (
    text: unknown,
    place: ConfigPath,
    known: TemplateNames,
    compile: (text: string, names: TemplateNames) => unknown,
  ): void => {
    if (typeof text !== 'string') return;
    const onReference: TemplateNames['onReference'] = ({ part: need }) => {
      if (need !== undefined) needs.push({ part: need, at: place });
    };
    const fault = findFault(() => compile(text, { ...known, onReference }));
    if (fault !== undefined) findings.reject(place, fault);
  };
  checkUpstreamName(part.upstream, at('upstream'), upstreams, findings);
  checkKeys(part, path, findings);
  const item = typeof part.as === 'string' ? part.as : undefined;
  const ofItem = part.forEach === undefined ? names : { ...names, item };
  check(part.forEach, at('forEach'), names, compileWhole);
  check(part.when, at('when'), names, compileCondition);
  check(part.path, at('path'), ofItem, compilePath);
  for (const [name, value] of Object.entries(asFields(part.query)))
    check(value, at('query', name), ofItem, (text, known) => compileParameter(name, text, known));
  for (const [name, value] of Object.entries(asFields(part.headers))) {
    const owned = findOwnedField(name);
    if (owned !== undefined) findings.reject(at('headers', name), owned);
    check(value, at('headers', name), ofItem, compileField);
  }
  checkJson(part.body, at('body'), ofItem, findings);
  noteNeeds(part.body, ofItem, (need) => needs.push({ part: need, at: at('body') }));
  return needs;
}

function checkKeys(part: Fields, path: ConfigPath, findings: Findings): void {
  const { method = 'GET', body, optional, fallback, forEach, as } = part;
  if (body !== undefined && (method === 'GET' || method === 'HEAD'))
    findings.reject([...path, 'body'], `is not sent with ${method} — write method: POST, or take it out`);
  if (part.cache !== undefined && method !== 'GET')
    findings.reject(
      [...path, 'cache'],
      `is for GET, not for ${String(method)} — take it out, or write method: GET`,
    );
  if (fallback !== undefined && optional !== true)
    findings.reject(
      [...path, 'fallback'],
      'stands for nothing, since the part is required — add optional: true',
    );
  if (forEach !== undefined && as === undefined)
    findings.reject(path, 'has forEach without a name for the element — add as: item');
  if (typeof as === 'string' && RESERVED_NAMES.has(as))
    findings.reject([...path, 'as'], `is the name of something else in templates — choose another one`);
  for (const key of ['as', 'concurrency', 'maxItems'] as const)
    if (forEach === undefined && part[key] !== undefined)
      findings.reject([...path, key], 'has no effect without forEach — take it out');
}

function checkJson(template: unknown, path: ConfigPath, names: TemplateNames, findings: Findings): void {
  for (const { path: within, error } of findJsonFaults(template, names))
    findings.reject([...path, ...within], describeFault(error));
}

function noteNeeds(template: unknown, names: TemplateNames, note: (part: string) => void): void {
  if (template === undefined) return;
  findFault(() =>
    compileJson(template, { ...names, onReference: ({ part }) => part !== undefined && note(part) }),
  );
}

/** Reports each circle of parts once, at the reference that closes it. */
function checkOrder(needs: ReadonlyMap<string, readonly Need[]>, findings: Findings): void {
  const done = new Set<string>();
  const visit = (name: string, trail: readonly string[]): void => {
    if (done.has(name)) return;
    for (const { part, at } of needs.get(name) ?? []) {
      const start = [...trail, name].indexOf(part);
      if (start < 0) visit(part, [...trail, name]);
      else {
        const circle = [...[...trail, name].slice(start), part].join(' → ');
        findings.reject(at, `makes the part wait for itself (${circle}) — take one of these references out`);
      }
    }
    done.add(name);
  };
  for (const name of needs.keys()) visit(name, []);
}
