import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import type { ConfigPath } from '../problem.ts';
import { type ConfigDocument, type DocumentFault, failedDocument, type Position } from './document.ts';
import { findCycles } from './self-containment.ts';

// Enough for anchors in a hand-written file, too few to blow a small one up.
const MAX_ALIASES = 100;
// One slip makes the reader stumble over all that follows.
const MAX_FAULTS = 20;

/** What the reader's own words leave unclear, by its code. A sign that means something to YAML is what people meet first. */
const WORDED: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'holds more than one document — keep one document a file, and remove the `---` between them',
  BAD_ALIAS: "begins with '*', which YAML takes for an alias — quote it",
  TAG_RESOLVE_FAILED: "begins with '!', which YAML takes for a tag — quote it",
  BAD_SCALAR_START: 'begins with a sign that YAML keeps for itself — quote it',
  TAB_AS_INDENT: 'is indented with a tab — use spaces',
  BLOCK_AS_IMPLICIT_KEY: "holds ': ' where only one key can stand — begin a new line, or quote it",
};

type UnplacedFault = DocumentFault & { readonly path: []; readonly position: Position };

/** Reads YAML. */
export function parseYaml(text: string): ConfigDocument {
  const lines = new LineCounter();
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  try {
    // Duplicates are searched below: the reader compares each key of a map with all before it.
    const options = { lineCounter: lines, prettyErrors: false, stringKeys: true, uniqueKeys: false };
    const document = parseDocument(text, options);
    const faults = [...document.errors, ...document.warnings]
      .slice(0, MAX_FAULTS)
      .map(({ code, message, pos }) => ({
        path: [],
        position: positionOf(pos[0]),
        text: WORDED[code] ?? `${firstLine(message)} — ${remedyFor(lineAround(text, pos[0]))}`,
      }));
    if (faults.length === 0) faults.push(...findUnknownAliases(document, positionOf));
    if (faults.length > 0) return { data: undefined, faults, isUsable: false, locate: () => undefined };
    const resolveAlias = (node: unknown) => (isAlias(node) ? node.resolve(document) : node);
    const locate = (path: ConfigPath, what: 'key' | 'value' = 'value') => {
      const offset = findOffset(document.contents, path, what, resolveAlias);
      return offset === undefined ? undefined : positionOf(offset);
    };
    const data: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    const cycles = findCycles(data).slice(0, MAX_FAULTS);
    if (cycles.length > 0) {
      const text = 'contains itself — write it out, or take the alias away';
      const faults = cycles.map((path) => ({ path, position: locate(path) ?? { line: 1, column: 1 }, text }));
      return { data: undefined, faults, isUsable: false, locate };
    }
    return {
      data,
      faults: findDuplicateKeys(document.contents, [], positionOf),
      isUsable: true,
      locate,
    };
  } catch {
    // The reader throws for too many aliases and for nesting that exhausts the stack.
    return failedDocument('is nested too deeply or uses too many aliases — write it out plainly');
  }
}

/** Finds aliases of nothing: `hosts: [*.example.com]` is one to YAML, and not a host. */
function findUnknownAliases(document: Document, positionOf: (offset: number) => Position): UnplacedFault[] {
  const anchors = new Set<string>();
  const faults: UnplacedFault[] = [];
  visit(document, {
    Node(_, node) {
      if (isAlias(node)) {
        if (anchors.has(node.source) || faults.length === MAX_FAULTS) return;
        const text = `begins with '*', which YAML takes for an alias, and nothing here is called &${node.source} — quote it`;
        faults.push({ path: [], position: positionOf(node.range?.[0] ?? 0), text });
      } else if (node.anchor !== undefined) anchors.add(node.anchor);
    },
  });
  return faults;
}

function findDuplicateKeys(
  node: unknown,
  path: ConfigPath,
  positionOf: (offset: number) => Position,
): DocumentFault[] {
  if (isSeq(node)) return node.items.flatMap((item, i) => findDuplicateKeys(item, [...path, i], positionOf));
  if (!isMap(node)) return [];
  const seen = new Set<string>();
  return node.items.flatMap(({ key, value }) => {
    const name = String(isScalar(key) ? key.value : key);
    const at = [...path, name];
    const inside = findDuplicateKeys(value, at, positionOf);
    if (!seen.has(name)) {
      seen.add(name);
      return inside;
    }
    const text = 'this key is there twice — keep one of them';
    return [{ path: at, position: positionOf(offsetOf(key) ?? 0), text }, ...inside];
  });
}

/** A bare reference inside `[…]` or `{…}` is what people meet first, since YAML reads its braces. */
function remedyFor(line: string): string {
  return line.includes('${') ? 'quote what holds a reference' : 'correct the YAML';
}

function lineAround(text: string, offset: number): string {
  const end = text.indexOf('\n', offset);
  return text.slice(text.lastIndexOf('\n', offset - 1) + 1, end < 0 ? text.length : end);
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}

type Resolve = (node: unknown) => unknown;

/** Finds the offset of what `path` leads to, or of the last thing on the way that exists. */
function findOffset(
  root: unknown,
  path: ConfigPath,
  what: 'key' | 'value',
  resolve: Resolve,
): number | undefined {
  let node = resolve(root);
  let offset = offsetOf(node);
  for (const [i, step] of path.entries()) {
    const isLast = i === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (pair === undefined) return offset;
      const isInline = isScalar(pair.value) && pair.value.value !== null;
      const isAtValue = isLast && what === 'value' && isInline;
      offset = offsetOf(isAtValue ? pair.value : pair.key) ?? offset;
      node = resolve(pair.value);
    } else if (isSeq(node)) {
      node = resolve(node.items[Number(step)]);
      if (node === undefined) return offset;
      offset = offsetOf(node) ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

function offsetOf(node: unknown): number | undefined {
  if (!isScalar(node) && !isCollection(node)) return undefined;
  return (node as Node).range?.[0];
}
