import { encodeFieldText } from '../core/fields/field-text.ts';
import type { Reference, TemplateNames } from './reference.ts';
import type { TemplateScope } from './scope.ts';
import { TemplateError, UnfilledError } from './template-error.ts';
import { type Piece, readPieces } from './text-pieces.ts';

/** Gives text for its place. Throws `UnfilledError`. */
export type TextTemplate = (scope: TemplateScope) => string;

/**
 * Compiles a path, with its query if there is one: `/users/{params.id}?page={query.page}`. Each value becomes part of one
 * segment, whatever it holds; what is missing, empty, or a dot segment is refused, since that would be another path. Only
 * `{params.*}` is several segments. Throws `TemplateError`.
 */
export function compilePath(template: string, names: TemplateNames): TextTemplate {
  if (!template.startsWith('/')) throw new TemplateError("does not begin with '/' — put a / in front", 1);
  const pieces = readPieces(template, names);
  checkLiterals(pieces, template);
  const steps = compileSteps(pieces);
  return (scope) => {
    let path = '';
    for (const step of steps) path += typeof step === 'string' ? step : step(scope);
    const query = path.indexOf('?');
    if (hasDotSegment(query < 0 ? path : path.slice(0, query)))
      throw new UnfilledError(`the path ${template}`, undefined, "would hold '.' or '..'");
    return path;
  };
}

/** Compiles a parameter of a query, its name encoded already: none where its one reference is missing, several for a list. */
export function compileParameter(name: string, template: string, names: TemplateNames): TextTemplate {
  const pieces = readPieces(template, names);
  const [only] = pieces;
  const start = `${encodeURIComponent(name.toWellFormed())}=`;
  if (pieces.length === 1 && typeof only === 'object')
    return (scope) => {
      const value = only.find(scope);
      if (value === undefined || value.kind === 'null') return '';
      const values = value.kind === 'list' ? value.items : [value];
      return values.map((item) => `${start}${encodeComponent(scalarText(item.text, only))}`).join('&');
    };
  const steps = pieces.map((piece) =>
    typeof piece === 'string' ? encodeComponent(piece) : queryStep(piece),
  );
  return (scope) => start + steps.map((step) => (typeof step === 'string' ? step : step(scope))).join('');
}

/** Compiles one whole reference, such as what `forEach` takes its list from. Throws `TemplateError`. */
export function compileWhole(template: string, names: TemplateNames): Reference {
  const pieces = readPieces(template, names);
  const [only] = pieces;
  if (pieces.length === 1 && typeof only === 'object') return only;
  throw new TemplateError(
    'is not one whole reference — write {parts.name.body} or the like, and nothing else',
    1,
  );
}

/** Compiles the value of a header, `undefined` where its one reference is missing. */
export function compileField(
  template: string,
  names: TemplateNames,
): (scope: TemplateScope) => string | undefined {
  const pieces = readPieces(template, names);
  const [only] = pieces;
  const isWhole = pieces.length === 1 && typeof only === 'object';
  return (scope) => {
    if (isWhole && isAbsent(only, scope)) return undefined;
    const value = pieces
      .map((piece) => (typeof piece === 'string' ? piece : plainText(piece, scope)))
      .join('');
    const field = encodeFieldText(value).replace(/^[ \t]+|[ \t]+$/g, '');
    const culprit = pieces.find((piece) => typeof piece === 'object');
    if (/[^\t\x20-\x7e\x80-\xff]/.test(field) && typeof culprit === 'object')
      throw new UnfilledError(culprit.text, culprit.part, 'holds what no header may');
    return field;
  };
}

/** Gives a value as text within other text: nothing where it is missing. */
export function plainText(reference: Reference, scope: TemplateScope): string {
  const value = reference.find(scope);
  return value === undefined || value.kind === 'null' ? '' : scalarText(value.text, reference);
}

function isAbsent(reference: Reference, scope: TemplateScope): boolean {
  const value = reference.find(scope);
  return value === undefined || value.kind === 'null';
}

function scalarText(text: string | undefined, { text: written, part }: Reference): string {
  if (text === undefined) throw new UnfilledError(written, part, 'is a list or map where text is due');
  return text;
}

function queryStep(reference: Reference): TextTemplate {
  return (scope) => encodeComponent(plainText(reference, scope));
}

/** Once a `?` has been read, all that follows is the query. */
function compileSteps(pieces: readonly Piece[]): (string | TextTemplate)[] {
  let isQuery = false;
  return pieces.map((piece) => {
    if (typeof piece === 'string') {
      isQuery ||= piece.includes('?');
      return piece;
    }
    if (isQuery) return queryStep(piece);
    return piece.param === '*' ? restStep(piece) : segmentStep(piece);
  });
}

function segmentStep(reference: Reference): TextTemplate {
  return (scope) => {
    const text = plainText(reference, scope);
    if (text === '') throw new UnfilledError(reference.text, reference.part, 'is missing');
    if (isUnsafe(text))
      throw new UnfilledError(reference.text, reference.part, "is '.' or '..', or holds such a segment");
    return encodeComponent(text);
  };
}

/** The rest of a path is several segments. That one is empty or hides a slash, the listener has judged. */
function restStep(reference: Reference): TextTemplate {
  return (scope) => {
    const text = plainText(reference, scope);
    if (isUnsafe(text)) throw new UnfilledError(reference.text, reference.part, "holds '.' or '..'");
    return text.split('/').map(encodeComponent).join('/');
  };
}

/** Some servers decode an encoded slash, read `\` as `/`, or cut at `;`, and resolve what they find then. */
function isUnsafe(text: string): boolean {
  return text.includes('\0') || text.split(/[/\\;]/).some((segment) => segment === '.' || segment === '..');
}

function hasDotSegment(path: string): boolean {
  return /(?:^|\/|\\|%2f|%5c)(?:\.|%2e){1,2}(?:$|\/|\\|;|%2f|%5c|%3b|%00)/i.test(path);
}

function encodeComponent(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

function checkLiterals(pieces: readonly Piece[], template: string): void {
  const bad = /[^\x21-\x7e]|["#<>\\^`{|}]|%(?![0-9A-Fa-f]{2})/.exec(pieces.filter(isLiteral).join(''));
  if (bad !== null)
    throw new TemplateError(
      `holds ${JSON.stringify(bad[0])}, which no path may — percent-encode it`,
      template.indexOf(bad[0]) + 1,
    );
  const sample = pieces.map((piece) => (typeof piece === 'string' ? piece : 'x')).join('');
  if (hasDotSegment(sample.split('?')[0] as string))
    throw new TemplateError("holds '.' or '..' — write the path that is meant", 1);
}

function isLiteral(piece: Piece): piece is string {
  return typeof piece === 'string';
}
