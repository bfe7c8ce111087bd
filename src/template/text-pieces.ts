import { type Reference, readReference, type TemplateNames } from './reference.ts';
import { TemplateError } from './template-error.ts';

/** What a template is made of: text that stands as it is, and references. Never two texts side by side. */
export type Piece = string | Reference;

/**
 * Takes a template apart: `/users/{params.id}`. A text in quotes within braces stands for itself, so that `{'{'}` is a
 * brace. Throws `TemplateError`.
 */
export function readPieces(template: string, names: TemplateNames): readonly Piece[] {
  const pieces: Piece[] = [];
  const add = (text: string): void => {
    const last = pieces.length - 1;
    if (text === '') return;
    if (typeof pieces[last] === 'string') pieces[last] += text;
    else pieces.push(text);
  };
  for (let i = 0; i < template.length; ) {
    const brace = findBrace(template, i);
    add(template.slice(i, brace));
    if (brace === template.length) break;
    if (template[brace] === '}')
      throw new TemplateError(`has a brace without its other half — ${BRACE}`, brace + 1);
    const inside = readInside(template, brace + 1, names);
    if (typeof inside.piece === 'string') add(inside.piece);
    else pieces.push(inside.piece);
    if (template[inside.end] !== '}')
      throw new TemplateError(`has something else than '}' behind a reference — ${BRACE}`, inside.end + 1);
    i = inside.end + 1;
  }
  return pieces;
}

const BRACE = "write {params.name} or the like, or {'{'} for a brace";

function findBrace(template: string, from: number): number {
  let i = from;
  while (i < template.length && template[i] !== '{' && template[i] !== '}') i++;
  return i;
}

function readInside(template: string, at: number, names: TemplateNames): { piece: Piece; end: number } {
  if (template[at] !== "'") {
    const { reference, end } = readReference(template, at, names);
    return { piece: reference, end };
  }
  const end = template.indexOf("'", at + 1);
  if (end < 0) throw new TemplateError(`has a quote without its other half — ${BRACE}`, at + 1);
  return { piece: template.slice(at + 1, end), end: end + 1 };
}
