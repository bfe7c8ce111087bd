import { GatewayError } from '../../core/errors.ts';
import type { SchemaError } from '../../json-schema/schema-error.ts';
import { escapeStep, readPointer } from '../../json-schema/schema-text.ts';

/** Where in a request something stands. */
export type InputPlace = 'path' | 'query' | 'header' | 'cookie' | 'body';

/** One thing that is wrong with a request, as the client reads it. Names places, and never a value. */
export interface InputError {
  readonly in: InputPlace;
  /** Name of the parameter. */
  readonly name?: string;
  /** JSON pointer within the body, or within a parameter that is more than one value. */
  readonly pointer?: string;
  readonly keyword: string;
  readonly message: string;
}

/** More than anybody mends at once. */
export const MAX_INPUT_ERRORS = 20;

/** Makes the response to a request with these errors. */
export function rejectInput(errors: readonly InputError[]): GatewayError {
  const shown = errors.slice(0, MAX_INPUT_ERRORS);
  return new GatewayError('GW_VALIDATION_FAILED', {
    reason: shown[0]?.in ?? 'body',
    members: { errors: shown },
  });
}

/** Says where in the body a schema found something. */
export function bodyError({ pointer, keyword, message }: SchemaError): InputError {
  return { in: 'body', pointer, keyword, message };
}

/** Says which parameter it is that a schema of all parameters of a place found something about. */
export function parameterError(place: InputPlace, { pointer, keyword, message }: SchemaError): InputError {
  const [name, ...rest] = readPointer(pointer) ?? [];
  if (name === undefined) return { in: place, keyword, message };
  const within = rest.map((step) => `/${escapeStep(step)}`).join('');
  return { in: place, name, ...(within !== '' && { pointer: within }), keyword, message };
}
