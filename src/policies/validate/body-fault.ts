import { GatewayError } from '../../core/errors.ts';
import type { JsonFault } from '../../json-schema/strict-json.ts';

/** Why a body is not read at all. */
export type BodyFault = JsonFault | 'form' | 'multipart' | 'text' | 'coding' | 'too-complex';

const DETAILS: Readonly<Record<BodyFault, string>> = {
  encoding: 'The body is not UTF-8.',
  syntax: 'The body is not JSON.',
  depth: 'The body is nested too deeply.',
  'duplicate-key': 'An object in the body has two members of the same name.',
  'prototype-key': 'An object in the body has a member whose name means something to JavaScript.',
  number: 'A number in the body is out of range.',
  form: 'The body is not a form.',
  multipart: 'The body is not a multipart form that can be read.',
  text: 'The body is not UTF-8.',
  coding: 'The body is not what its content coding says.',
  'too-complex': 'The body takes too long to be judged.',
};

/** Makes the response to a body that cannot be read. */
export function unreadable(fault: BodyFault): GatewayError {
  return new GatewayError('GW_BODY_UNREADABLE', { detail: DETAILS[fault], reason: fault });
}

/** Makes the response to a body of a type, or in a coding, that is not taken here. */
export function unsupported(
  reason: 'media-type' | 'content-coding',
  headers: Record<string, string>,
): GatewayError {
  return new GatewayError('GW_MEDIA_TYPE_UNSUPPORTED', { reason, headers });
}
