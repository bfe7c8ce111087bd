import { exactText, findClaim, type Identity } from '../core/identity/identity.ts';
import { quote } from './json-text.ts';
import { redactQuery } from './redact-text.ts';

/** More of what somebody else chose does not go into a line. */
const MAX_CHARS = 256;

/** Writes text that somebody else chose as JSON: no secret, no control characters, not too much of it. */
export function quoteForeign(text: string): string {
  // Cut behind the redaction, or half a token would not look like one.
  const kept = redactQuery(text.slice(0, MAX_CHARS * 8));
  return quote(kept.length > MAX_CHARS ? `${kept.slice(0, MAX_CHARS)}…` : kept);
}

/** Which fields about a caller are written. */
export interface CallerFields {
  readonly subject: boolean;
  readonly keyId: boolean;
  readonly plan: boolean;
  readonly authMethod: boolean;
  readonly roles: boolean;
  readonly claims: readonly string[];
}

/**
 * Makes a function that writes who is calling as the fields of a line. An identity serves many requests and never changes,
 * so what is written of it is kept with it.
 */
export function createCallerText(fields: CallerFields): (identity: Identity) => string {
  const known = new WeakMap<Identity, string>();
  return (identity) => {
    let text = known.get(identity);
    if (text === undefined) {
      text = write(identity, fields);
      known.set(identity, text);
    }
    return text;
  };
}

function write(identity: Identity, fields: CallerFields): string {
  const { subject, keyId, plan, method, roles, claims } = identity;
  let text = '';
  if (fields.subject) text += `,"subject":${quoteForeign(subject)}`;
  if (fields.keyId && keyId !== undefined) text += `,"keyId":${quoteForeign(keyId)}`;
  if (fields.plan && plan !== undefined) text += `,"plan":${quoteForeign(plan)}`;
  if (fields.authMethod) text += `,"authMethod":${quoteForeign(method)}`;
  if (fields.roles) text += `,"roles":${quoteForeign(roles.join(' '))}`;
  for (const name of fields.claims) {
    const claim = exactText(findClaim(claims, name));
    if (claim !== undefined) text += `,${quote(`claim:${name}`)}:${quoteForeign(claim)}`;
  }
  return text;
}
