import { escapeStep } from './schema-text.ts';
import type { ReportedError } from './typebox.ts';

/** One thing that is wrong with a value. Says nothing of the value itself, which may be a secret. */
export interface SchemaError {
  /** JSON pointer of what is wrong, empty for the value as a whole. */
  readonly pointer: string;
  /** The keyword of the schema that says so. */
  readonly keyword: string;
  readonly message: string;
}

/** Names that callers choose are shown so far. */
const MAX_POINTER_CHARS = 200;

/** Words an error that the compiler of schemas reports. */
export function describeError({ keyword, instancePath, params }: ReportedError): SchemaError[] {
  const at = (message: string, step?: unknown): SchemaError => ({
    pointer: shorten(step === undefined ? instancePath : `${instancePath}/${escapeStep(String(step))}`),
    keyword,
    message,
  });
  const each = (steps: unknown, message: string): SchemaError[] =>
    Array.isArray(steps) && steps.length > 0 ? steps.map((step) => at(message, step)) : [at(message)];
  switch (keyword) {
    // What says more comes with it.
    case 'boolean':
      return params.isRoot === true || instancePath === ''
        ? [at('is not allowed')]
        : [at('is not allowed here')];
    case 'required':
      return each(params.requiredProperties, 'is missing');
    case 'additionalProperties':
      return each(params.additionalProperties, 'is not allowed here');
    case 'unevaluatedProperties':
      return each(params.unevaluatedProperties, 'is not allowed here');
    case 'unevaluatedItems':
      return each(params.unevaluatedItems, 'is not allowed here');
    case 'propertyNames':
      return each(params.propertyNames, 'has a name that is not allowed here');
    case 'dependentRequired':
    case 'dependencies':
      return each(params.dependencies, `is missing beside '${shorten(String(params.property))}'`);
    default:
      return [at(messageOf(keyword, params))];
  }
}

function messageOf(keyword: string, params: ReportedError['params']): string {
  switch (keyword) {
    case 'type':
      return `is not ${typeText(params.type)}`;
    case 'enum':
      return 'is not one of the allowed values';
    case 'const':
      return 'is not the one allowed value';
    case 'pattern':
      return 'does not have the form that is asked for';
    case 'format':
      return `is not a valid ${String(params.format)}`;
    case 'minimum':
    case 'maximum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      return `is not ${String(params.comparison)} ${String(params.limit)}`;
    case 'multipleOf':
      return `is not a multiple of ${String(params.multipleOf)}`;
    case 'minLength':
      return `is shorter than ${String(params.limit)} characters`;
    case 'maxLength':
      return `is longer than ${String(params.limit)} characters`;
    case 'minItems':
      return `has fewer than ${String(params.limit)} items`;
    case 'maxItems':
      return `has more than ${String(params.limit)} items`;
    case 'minProperties':
      return `has fewer than ${String(params.limit)} members`;
    case 'maxProperties':
      return `has more than ${String(params.limit)} members`;
    case 'uniqueItems':
      return 'has equal items';
    case 'contains':
      return 'does not have enough items of the kind that is asked for';
    case 'not':
      return 'is what it must not be';
    case 'anyOf':
      return 'has none of the allowed forms';
    case 'oneOf':
      return Array.isArray(params.passingSchemas) && params.passingSchemas.length > 1
        ? 'has more than one of the forms of which it must have one'
        : 'has none of the allowed forms';
    case 'if':
      return 'does not have the form that the rest of it asks for';
    default:
      return 'is not valid';
  }
}

const TYPES: Readonly<Record<string, string>> = {
  object: 'an object',
  array: 'an array',
  integer: 'an integer',
  number: 'a number',
  string: 'a string',
  boolean: 'a boolean',
  null: 'null',
};

function typeText(type: unknown): string {
  return (Array.isArray(type) ? type : [type])
    .map((each) => TYPES[String(each)] ?? String(each))
    .join(' or ');
}

function shorten(text: string): string {
  return text.length > MAX_POINTER_CHARS ? `${text.slice(0, MAX_POINTER_CHARS)}…` : text;
}
