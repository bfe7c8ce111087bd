import { endOfText, endOfValue, skipSpace } from '../template/json-scan.ts';

/** What is changed at a place: it is taken out, or JSON takes its place. */
export type JsonEdit = { readonly path: readonly (string | number)[]; readonly json: string | undefined };

type EditTree = Map<string | number, EditTree | string | undefined>;

/**
 * Changes places of a valid JSON text and leaves all else as it was written, numbers of any length among it. Elements of
 * lists can be replaced, not taken out.
 */
export function editJson(text: string, edits: readonly JsonEdit[]): string {
  const root: EditTree = new Map();
  for (const { path, json } of edits) {
    if (path.length === 0) return json ?? text;
    let tree = root;
    for (const step of path.slice(0, -1)) {
      const next = tree.get(step);
      const inner = next instanceof Map ? next : (new Map() as EditTree);
      tree.set(step, inner);
      tree = inner;
    }
    tree.set(path.at(-1) as string | number, json);
  }
  return writeEdited(text, skipSpace(text, 0), root);
}

function writeEdited(text: string, start: number, tree: EditTree): string {
  return text[start] === '[' ? writeList(text, start, tree) : writeMap(text, start, tree);
}

function writeMap(text: string, start: number, tree: EditTree): string {
  const kept: string[] = [];
  let i = skipSpace(text, start + 1);
  while (text[i] !== '}') {
    const nameEnd = endOfText(text, i);
    const name = JSON.parse(text.slice(i, nameEnd)) as string;
    const valueStart = skipSpace(text, skipSpace(text, nameEnd) + 1);
    const end = endOfValue(text, valueStart);
    const edit = tree.get(name);
    if (edit instanceof Map) kept.push(text.slice(i, valueStart) + writeEdited(text, valueStart, edit));
    else if (edit !== undefined) kept.push(text.slice(i, valueStart) + edit);
    else if (!tree.has(name)) kept.push(text.slice(i, end));
    i = afterComma(text, end);
  }
  return `{${kept.join(',')}}`;
}

function writeList(text: string, start: number, tree: EditTree): string {
  const items: string[] = [];
  let i = skipSpace(text, start + 1);
  for (let index = 0; text[i] !== ']'; index++) {
    const end = endOfValue(text, i);
    const edit = tree.get(index);
    if (edit instanceof Map) items.push(writeEdited(text, i, edit));
    else items.push(edit ?? text.slice(i, end));
    i = afterComma(text, end);
  }
  return `[${items.join(',')}]`;
}

function afterComma(text: string, end: number): number {
  const i = skipSpace(text, end);
  return text[i] === ',' ? skipSpace(text, i + 1) : i;
}
