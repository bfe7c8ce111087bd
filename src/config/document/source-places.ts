import { stripTypeScriptTypes } from 'node:module';
import {
  type ArrayExpression,
  type CallExpression,
  type Expression,
  type ObjectExpression,
  type Program,
  type Property,
  parse,
  type SpreadElement,
} from 'acorn';
import type { ConfigPath } from '../problem.ts';
import type { ConfigDocument, Position } from './document.ts';

/** Finds where a value of a configuration stands, or the nearest thing around it that can be found. */
export type Locate = ConfigDocument['locate'];

type Variables = ReadonlyMap<string, Expression>;
/** A place, what stands there, and whether that is all that the path leads to. */
interface Step {
  readonly offset: number;
  readonly node: Expression | undefined;
}

/**
 * Makes the way to find places in a configuration that is TypeScript or JavaScript. Literals are followed, variables of the
 * file, and calls that take a part of the configuration, such as `defineGateway` and `cors`. What is computed ends the
 * search: then the place is that of the computation.
 */
export function createSourceLocate(text: string): Locate {
  const program = parseSource(text);
  const exported = program?.body.find((node) => node.type === 'ExportDefaultDeclaration')?.declaration;
  if (program === undefined || exported === undefined || !isExpression(exported)) return () => undefined;
  const variables = readVariables(program);
  return (path, what = 'value') => positionAt(text, findOffset(exported, path, what, variables));
}

/** Types become blanks, so that all offsets stay. */
function parseSource(text: string): Program | undefined {
  // Node says once that this function is new, which would stand between the problems. The file has been imported with it.
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return parse(stripTypeScriptTypes(text), { ecmaVersion: 'latest', sourceType: 'module' });
  } catch {
    return undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}

function isExpression(node: { readonly type: string }): node is Expression {
  return node.type !== 'FunctionDeclaration' && node.type !== 'ClassDeclaration';
}

function readVariables({ body }: Program): Variables {
  const variables = new Map<string, Expression>();
  for (const node of body) {
    const declaration = node.type === 'ExportNamedDeclaration' ? node.declaration : node;
    if (declaration?.type !== 'VariableDeclaration' || declaration.kind !== 'const') continue;
    for (const { id, init } of declaration.declarations)
      if (id.type === 'Identifier' && init) variables.set(id.name, init);
  }
  return variables;
}

function findOffset(
  exported: Expression,
  path: ConfigPath,
  what: 'key' | 'value',
  variables: Variables,
): number {
  let node = argumentOf(follow(exported, variables));
  let { start: offset } = node ?? exported;
  for (const [i, key] of path.entries()) {
    const isAtValue = what === 'value' && i === path.length - 1;
    const step =
      node === undefined ? undefined : takeStep(follow(node, variables), key, isAtValue, variables);
    if (step === undefined) return offset;
    offset = step.offset;
    node = step.node;
  }
  return offset;
}

function takeStep(
  node: Expression,
  key: PropertyKey,
  isAtValue: boolean,
  variables: Variables,
): Step | undefined {
  switch (node.type) {
    case 'ObjectExpression':
      return findProperty(node, key, isAtValue, variables);
    case 'ArrayExpression':
      return findElement(node, Number(key));
    case 'CallExpression':
      return enterCall(node, String(key));
    default:
      return undefined;
  }
}

/** Of several of one name the last one counts, as in the language. */
function findProperty(
  { properties }: ObjectExpression,
  key: PropertyKey,
  isAtValue: boolean,
  variables: Variables,
): Step | undefined {
  for (const property of properties.toReversed()) {
    if (property.type === 'SpreadElement') {
      const spread = follow(property.argument, variables);
      const found =
        spread.type === 'ObjectExpression' ? findProperty(spread, key, isAtValue, variables) : undefined;
      if (found !== undefined) return found;
    } else if (nameOf(property) === String(key)) {
      const { value } = property;
      const isInline = value.type === 'Literal' || value.type === 'TemplateLiteral';
      return { offset: isAtValue && isInline ? value.start : property.key.start, node: value };
    }
  }
  return undefined;
}

function nameOf({ key, computed }: Property): string | undefined {
  if (key.type === 'Literal') return String(key.value);
  return key.type === 'Identifier' && !computed ? key.name : undefined;
}

/** What is spread before an element shifts it, by how much nobody knows here. */
function findElement({ elements }: ArrayExpression, index: number): Step | undefined {
  if (elements.slice(0, index + 1).some(isSpread)) return undefined;
  const element = elements[index] as Expression | null | undefined;
  return element ? { offset: element.start, node: element } : undefined;
}

function isSpread(element: Expression | SpreadElement | null): boolean {
  return element?.type === 'SpreadElement';
}

/** Enters what makes a map of one key: `cors({ … })` for `cors`, `usePolicy(audit, { … })` for whatever `audit` is named. */
function enterCall(call: CallExpression, key: string): Step | undefined {
  if (call.callee.type !== 'Identifier') return undefined;
  const { name } = call.callee;
  const [first, second] = call.arguments as readonly (Expression | undefined)[];
  const camelCased = key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  if (name === 'usePolicy') return { offset: call.start, node: second };
  return name === camelCased ? { offset: call.start, node: first } : undefined;
}

/** Of `defineGateway({ … })`, whatever it is called here. */
function argumentOf(node: Expression): Expression | undefined {
  if (node.type !== 'CallExpression') return node;
  const [argument] = node.arguments;
  return argument?.type === 'SpreadElement' ? undefined : argument;
}

/** Follows a name to what it was declared as, at most through so many. */
function follow(node: Expression, variables: Variables, most = 10): Expression {
  if (node.type === 'ParenthesizedExpression') return follow(node.expression, variables, most);
  const value = node.type === 'Identifier' ? variables.get(node.name) : undefined;
  return value === undefined || most === 0 ? node : follow(value, variables, most - 1);
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}
