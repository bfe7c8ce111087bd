import { createRequire } from 'node:module';
import type { ASTNode, Environment } from '@marcbachmann/cel-js';
import type { Exchange } from '../../core/exchange.ts';
import { decodeFieldText } from '../../core/fields/field-text.ts';
import type { Identity } from '../../core/identity/identity.ts';
import { exactClaims } from './exact-claims.ts';
import { checkLoopWork, childrenOf, findUnboundedPart, hasLoop } from './expression-bounds.ts';

/** Decides about a caller. May throw, which denies. */
export type AccessExpression = (exchange: Exchange, identity: Identity) => boolean;

/** An expression is a line or two; what is larger belongs into a policy of one's own. */
const LIMITS = {
  maxAstNodes: 200,
  maxDepth: 24,
  maxListElements: 100,
  maxMapEntries: 100,
  maxCallArguments: 8,
};
/** Says what is wrong with an expression, with the remedy behind ' — ', or nothing. */
export function findExpressionFault(text: string): string | undefined {
  const { valid, type, error } = environment().check(text);
  if (!valid) {
    const at = error?.range === undefined ? '' : ` at character ${error.range.start + 1}`;
    return `is not a valid CEL expression: ${error?.summary ?? 'it has no type'}${at} — correct it`;
  }
  if (type !== 'bool' && type !== 'dyn')
    return `gives ${type} where true or false is due — compare it with something`;
  return findUnboundedPart(environment().parse(text).ast);
}

/** Compiles an expression in which `findExpressionFault` has found nothing. */
export function compileExpression(text: string): AccessExpression {
  const run = environment().parse(text);
  const read = fieldsRead(run.ast);
  const isLooping = hasLoop(run.ast);
  return (exchange, identity) => {
    const { request, path, params } = exchange;
    const { subject, roles, permissions, method, plan = '', claims } = identity;
    const headers = read.has('headers') ? headersOf(exchange) : NOTHING;
    const query = read.has('query') ? queryOf(exchange) : NOTHING;
    if (isLooping)
      checkLoopWork([headers, query], [path, ...Object.values(params)], roles.length + permissions.length);
    return (
      run({
        request: { method: request.method, path, headers, query },
        identity: { subject, roles, permissions, method, plan, claims: exactClaims(claims) },
        params,
      }) === true
    );
  };
}

const NOTHING = {};
let shared: Environment | undefined;

/** Loaded when the first expression is met, and at once, since a schema cannot wait. */
function environment(): Environment {
  if (shared !== undefined) return shared;
  const cel = createRequire(import.meta.url)('@marcbachmann/cel-js') as typeof import('@marcbachmann/cel-js');
  shared = new cel.Environment({ limits: LIMITS })
    .registerVariable({
      name: 'request',
      schema: {
        method: 'string',
        path: 'string',
        headers: 'map<string, string>',
        query: 'map<string, string>',
      },
    })
    .registerVariable({
      name: 'identity',
      schema: {
        subject: 'string',
        roles: 'list<string>',
        permissions: 'list<string>',
        method: 'string',
        plan: 'string',
        claims: 'map<string, dyn>',
      },
    })
    .registerVariable('params', 'map<string, string>');
  return shared;
}

/** The fields of `request` that an expression may read, so that the others need not be made. */
function fieldsRead(root: ASTNode): ReadonlySet<string> {
  const read = new Set<string>();
  const visit = (node: ASTNode): void => {
    if (node.op === '.' && isRequest(node.args[0])) return void read.add(node.args[1]);
    // As a whole, or by a computed name: it may read all.
    if (isRequest(node)) read.add('headers').add('query');
    for (const child of childrenOf(node)) visit(child);
  };
  visit(root);
  return read;
}

function isRequest(node: ASTNode): boolean {
  return node.op === 'id' && node.args === 'request';
}

/** In one pass, since a client chooses how many there are. */
function headersOf({ headers }: Exchange): Record<string, string> {
  const found = new Map<string, string>();
  for (const [spelt, value] of headers) {
    const name = spelt.toLowerCase();
    const before = found.get(name);
    found.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(Array.from(found, ([name, value]) => [name, decodeFieldText(value)]));
}

/** Upstreams differ in which of two parameters of one name they take, so one that stands twice decides nothing. */
function queryOf({ query }: Exchange): Record<string, string> {
  const found = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (found.has(name)) throw new TypeError('a query parameter stands twice');
    found.set(name, value);
  }
  return Object.fromEntries(found);
}
