import { trimOws } from '../../core/fields/field-text.ts';

/** A media type with its parameters (RFC 9110 §8.3.1), in lower case but for the values of parameters. */
export interface MediaType {
  /** `type/subtype`. */
  readonly essence: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** The ways in which bodies are read. */
export const BODY_FORMATS = ['json', 'form', 'multipart', 'text', 'bytes'] as const;

/** How a body of a media type is read. */
export type BodyFormat = (typeof BODY_FORMATS)[number];

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const ESSENCE = new RegExp(`^(${TOKEN}/${TOKEN})`);
const PARAMETER = new RegExp(
  `^[ \\t]*;[ \\t]*(${TOKEN})=(?:(${TOKEN})|"((?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\[\\t \\x21-\\x7e])*)")`,
);

/**
 * Reads the value of `Content-Type`. `undefined` for what readers could take for different types: anything that the
 * grammar does not know, such as two types in one, and a parameter that stands twice.
 */
export function readMediaType(value: string): MediaType | undefined {
  const text = trimOws(value);
  const essence = ESSENCE.exec(text)?.[1];
  if (essence === undefined) return undefined;
  const parameters = new Map<string, string>();
  let rest = text.slice(essence.length);
  while (rest !== '') {
    const found = PARAMETER.exec(rest);
    if (found === null) return undefined;
    const [whole, name = '', token, quoted = ''] = found;
    if (parameters.has(name.toLowerCase())) return undefined;
    parameters.set(name.toLowerCase(), token ?? quoted.replace(/\\(.)/g, '$1'));
    rest = rest.slice(whole.length);
  }
  return { essence: essence.toLowerCase(), parameters };
}

/** The format in which bodies of a type are written. */
export function formatOf(essence: string): BodyFormat {
  if (essence === 'application/json' || essence === 'text/json' || essence.endsWith('+json')) return 'json';
  if (essence === 'application/x-www-form-urlencoded') return 'form';
  if (essence === 'multipart/form-data') return 'multipart';
  return essence.startsWith('text/') ? 'text' : 'bytes';
}

/**
 * Tells whether a type is one that a declared one or a range of them (`text/*`, `application/*+json`) names, with all
 * parameters of that.
 */
export function matchesMediaType({ essence, parameters }: MediaType, declared: MediaType): boolean {
  if (declared.essence !== essence) {
    const [before = '', after] = declared.essence === '*/*' ? ['', ''] : declared.essence.split('*');
    if (after === undefined || !essence.startsWith(before) || !essence.endsWith(after)) return false;
  }
  for (const [name, value] of declared.parameters)
    if (name !== 'charset' && parameters.get(name)?.toLowerCase() !== value.toLowerCase()) return false;
  return true;
}

/** How exactly a declared type names one: a type with parameters, a type, a range, anything. */
export function precisionOf({ essence, parameters }: MediaType): number {
  if (essence === '*/*') return 0;
  return essence.includes('*') ? 1 : 2 + parameters.size;
}

const UTF8 = /^(?:utf-?8|us-ascii)$/i;

/**
 * Tells whether a body of this type is text as it is read here: UTF-8. JSON has no other (RFC 8259 §8.1), and what a form in
 * another charset means depends on who reads it. Parameters beside `charset` have to be declared.
 */
export function isReadable({ parameters }: MediaType, declared: MediaType, format: BodyFormat): boolean {
  for (const [name, value] of parameters) {
    if (name === 'charset') {
      if (format !== 'bytes' && !UTF8.test(value)) return false;
    } else if (
      !(name === 'boundary' && format === 'multipart') &&
      format !== 'bytes' &&
      !declared.parameters.has(name)
    )
      return false;
  }
  return true;
}
