import type { ASTNode } from '@marcbachmann/cel-js';

/** What runs once for each element of a list. */
const LOOPS: ReadonlySet<unknown> = new Set(['all', 'exists', 'exists_one', 'map', 'filter']);
/** What makes a list as long as a text, which a request may bring along. */
const LIST_MAKERS: ReadonlySet<unknown> = new Set(['split']);
/** What takes time by the length of two texts, where both are made for it. */
const SEARCHES: ReadonlySet<unknown> = new Set(['contains', 'indexOf', 'lastIndexOf', 'split']);
/** Elements that are gone through, times characters that each step may look at: below a millisecond. */
const MAX_LOOP_WORK = 256 * 1024;

/** Finds what takes longer than an expression and a request are long: patterns, loops within loops, searches. */
export function findUnboundedPart(root: ASTNode): string | undefined {
  return findIn(root, 0);
}

function findIn(node: ASTNode, loops: number): string | undefined {
  const name = callOf(node);
  if (name === 'matches')
    return 'uses matches(), which a request could make run for hours — use startsWith, endsWith, contains or in';
  const depth = loops + (LOOPS.has(name) || LIST_MAKERS.has(name) ? 1 : 0);
  if (depth > 1)
    return 'has a loop within a loop, or over the parts of a text — write a policy of your own for that';
  if (SEARCHES.has(name) && !isSearchText(node, loops > 0))
    return `has ${name}() look for what a request brings along, which could make it run for long — name the text, or use ==, startsWith, endsWith or in`;
  for (const child of childrenOf(node)) {
    const fault = findIn(child, depth);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Tells whether a call searches for text that is written, or, once and no more, for what is known of the caller. */
function isSearchText(call: ASTNode, isInLoop: boolean): boolean {
  const [, , given = []] = call.args as readonly [string, ASTNode, readonly ASTNode[]];
  const mayRead = isInLoop ? NOTHING : IDENTITY;
  return given.every((argument) => namesRead(argument).every((name) => mayRead.has(name)));
}

const NOTHING: ReadonlySet<string> = new Set();
const IDENTITY: ReadonlySet<string> = new Set(['identity']);

function namesRead(node: ASTNode): string[] {
  return node.op === 'id' ? [node.args as string] : childrenOf(node).flatMap(namesRead);
}

/** Tells whether an expression goes through lists. */
export function hasLoop(node: ASTNode): boolean {
  return LOOPS.has(callOf(node)) || childrenOf(node).some(hasLoop);
}

/** Throws, which denies, where a request has so much to go through that only harm is meant. */
export function checkLoopWork(
  maps: readonly Readonly<Record<string, string>>[],
  texts: readonly string[],
  more: number,
): void {
  let elements = more;
  let characters = texts.reduce((sum, text) => sum + text.length, 0);
  for (const map of maps) {
    for (const name in map) {
      elements++;
      characters += name.length + (map[name] as string).length;
    }
  }
  if (elements * characters > MAX_LOOP_WORK) throw new RangeError('the request is too large for a loop');
}

/** The function that a node calls; empty for none. */
function callOf(node: ASTNode): unknown {
  return node.op === 'rcall' || node.op === 'call' ? node.args[0] : '';
}

/** The parts of an expression that stand within another one. */
export function childrenOf(node: ASTNode): ASTNode[] {
  const isNode = (value: unknown): value is ASTNode =>
    typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
  if (isNode(node.args)) return [node.args];
  return Array.isArray(node.args) ? (node.args as unknown[]).flat(2).filter(isNode) : [];
}
