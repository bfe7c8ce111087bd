import { z } from 'zod';
import { text } from '../../config/schema/scalars.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import { exactText, findClaim, type Identity } from '../../core/identity/identity.ts';
import { definePolicy } from '../../core/policy.ts';
import { compileExpression, findExpressionFault } from './access-expression.ts';
import { findInheritanceCycle, rolesThatCount } from './role-inheritance.ts';

const options = z
  .strictObject({
    roles: z
      .array(text())
      .min(1, { error: 'is empty, so that no caller could pass — name a role, or leave `roles` out' })
      .optional()
      .describe('Roles of which the caller must have one. Compared character by character.'),
    permissions: z
      .array(text())
      .min(1, { error: 'is empty — name a permission, or leave `permissions` out' })
      .optional()
      .describe('Permissions of which the caller must have all.'),
    claims: z
      .record(text(), claimValue())
      .optional()
      .describe(
        'Claims that must have these values: a text, or a parameter of the path such as `{params.userId}`. Of a claim that is a list, one entry must.',
      ),
    inherits: z
      .record(text(), z.array(text()).min(1, { error: 'is empty — name a role, or leave it out' }))
      .optional()
      .describe('From a role to the roles that it counts as too: `{ admin: [editor] }`.'),
    when: text()
      .optional()
      .describe('A CEL expression over `identity`, `request` and `params` that must hold.'),
  })
  .check(({ value, issues }) => {
    const fail = (path: string, message: string) =>
      issues.push({ code: 'custom', message, path: [path], input: value });
    if (value.inherits !== undefined) {
      const cyclic = findInheritanceCycle(value.inherits);
      if (cyclic !== undefined) fail('inherits', `lets ${cyclic} inherit from itself — break the circle`);
      if (value.roles === undefined) fail('inherits', 'has no effect without roles — leave it out');
    }
    const fault = value.when === undefined ? undefined : findExpressionFault(value.when);
    if (fault !== undefined) fail('when', fault);
  });

/** Decides whether who is calling may do this. Who it is, a policy before this one has found out. */
export const authorize = definePolicy({
  name: 'authorize',
  summary: 'Rejects callers without the roles, permissions or claims that a route asks for.',
  options,
  refuses: true,
  access: 'authorizes',
  create(given) {
    const checks = compileChecks(given);
    const unidentified = new Map<string, GatewayError>();
    return {
      onRequest(exchange) {
        const { identity } = exchange;
        if (identity === undefined) return findUnidentified(unidentified, exchange.challenge);
        for (let i = 0; i < checks.length; i++) {
          const { passes, rejection, bearerRejection } = checks[i] as Check;
          if (!passes(identity, exchange)) return isBearer(identity) ? bearerRejection : rejection;
        }
        return undefined;
      },
    };
  },
});

type Options = z.output<typeof options>;

/** One thing that must hold, and the responses where it does not. */
interface Check {
  readonly passes: (identity: Identity, exchange: Exchange) => boolean;
  readonly rejection: GatewayError;
  /** To those who came with a token of OAuth (RFC 6750 §3.1). */
  readonly bearerRejection: GatewayError;
}

const CLAIM_PARAM = /^\{params\.([^{}]+)\}$/;
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

function claimValue() {
  return text().refine((value) => CLAIM_PARAM.test(value) || !/[{}]/.test(value), {
    error: 'mixes braces and text — write {params.name} alone, or text without braces',
  });
}

function compileChecks({ roles, permissions, claims = {}, inherits = {}, when }: Options): Check[] {
  const checks: Check[] = [];
  if (roles !== undefined) checks.push(check('role', hasOneOf(rolesThatCount(roles, inherits))));
  if (permissions !== undefined) checks.push(check('permission', hasAll(permissions), scopeOf(permissions)));
  for (const [claim, value] of Object.entries(claims)) checks.push(check('claim', hasClaim(claim, value)));
  if (when !== undefined) checks.push(check('expression', holds(when)));
  return checks;
}

function check(reason: string, passes: Check['passes'], scope = ''): Check {
  const challenge = `Bearer error="insufficient_scope"${scope}`;
  return {
    passes,
    rejection: new GatewayError('GW_FORBIDDEN', { reason }),
    bearerRejection: new GatewayError('GW_FORBIDDEN', { reason, headers: { 'www-authenticate': challenge } }),
  };
}

function scopeOf(permissions: readonly string[]): string {
  return permissions.every((permission) => SCOPE.test(permission))
    ? `, scope="${permissions.join(' ')}"`
    : '';
}

function isBearer({ method }: Identity): boolean {
  return method === 'jwt' || method === 'introspect';
}

function hasOneOf(accepted: ReadonlySet<string>): Check['passes'] {
  return ({ roles }) => {
    for (let i = 0; i < roles.length; i++) if (accepted.has(roles[i] as string)) return true;
    return false;
  };
}

function hasAll(required: readonly string[]): Check['passes'] {
  return ({ permissions }) => {
    for (let i = 0; i < required.length; i++) if (!permissions.includes(required[i] as string)) return false;
    return true;
  };
}

/** A parameter is decoded exactly once, by the router. One that is not there, or empty, equals nothing. */
function hasClaim(name: string, value: string): Check['passes'] {
  const param = CLAIM_PARAM.exec(value)?.[1];
  if (param === undefined) return (identity) => equals(claimOf(identity, name), value);
  return (identity, { params }) => {
    const expected = Object.hasOwn(params, param) ? params[param] : undefined;
    return expected !== undefined && expected !== '' && equals(claimOf(identity, name), expected);
  };
}

/** Not every way in has claims of its own, but all know a subject. */
function claimOf({ claims, subject }: Identity, name: string): unknown {
  const found = findClaim(claims, name);
  return found === undefined && name === 'sub' ? subject : found;
}

function equals(claim: unknown, expected: string): boolean {
  return Array.isArray(claim) ? claim.some((entry) => isSame(entry, expected)) : isSame(claim, expected);
}

function isSame(value: unknown, expected: string): boolean {
  return exactText(value) === expected;
}

/** What cannot be decided, such as about a claim that is not there, is denied. */
function holds(when: string): Check['passes'] {
  const evaluate = compileExpression(when);
  return (identity, exchange) => {
    try {
      return evaluate(exchange, identity);
    } catch {
      return false;
    }
  };
}

/** Challenges are few, since a policy before this one has but one. */
function findUnidentified(known: Map<string, GatewayError>, challenge: string): GatewayError {
  let error = known.get(challenge);
  if (error === undefined) {
    const headers = { 'www-authenticate': challenge === '' ? 'Bearer' : challenge };
    error = new GatewayError('GW_CREDENTIALS_MISSING', { headers, reason: 'missing' });
    known.set(challenge, error);
  }
  return error;
}
