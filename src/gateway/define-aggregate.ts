import type { Composer } from '../aggregate/compose.ts';
import type { GatewayInput } from '../config/schema/schema.ts';

type WrittenRoute = NonNullable<GatewayInput['routes']>[number];
type WrittenAggregate = NonNullable<WrittenRoute['aggregate']>;

/** A part of `aggregate`, as it is written. */
export type PartInput = WrittenAggregate['parts'][string];

/** `aggregate` of a route, as it is written: code may be a value, or a file that exports it. */
export type AggregateInput = Omit<WrittenAggregate, 'compose'> & {
  /** Makes the response of the parts, in place of `response`. */
  compose?: string | Composer<never> | undefined;
};

declare const BODY: unique symbol;

/** A part of which the compiler knows what `compose` gets of it. */
export type TypedPart<Body> = PartInput & {
  /** For the compiler alone: no part has it. */
  readonly [BODY]?: () => Body;
};

/** What `compose` gets, by the names of the parts. */
export type PartBodies<Parts> = {
  readonly [Name in keyof Parts]: Parts[Name] extends TypedPart<infer Body> ? Body : unknown;
};

interface Required {
  optional?: false | undefined;
  when?: undefined;
}

/**
 * Declares a part whose JSON is a `Body`: `part<User>({ upstream: 'users', path: '/users/{params.id}' })`. One that may be
 * left out is that or `undefined`, one with `forEach` is a list.
 */
export function part<Body>(input: PartInput & Required & { forEach: string }): TypedPart<readonly Body[]>;
export function part<Body>(
  input: PartInput & { forEach: string },
): TypedPart<readonly (Body | null)[] | undefined>;
export function part<Body>(input: PartInput & Required): TypedPart<Body>;
export function part<Body>(input: PartInput): TypedPart<Body | undefined>;
export function part(input: PartInput): PartInput {
  return input;
}

/**
 * Declares `aggregate` of a route in TypeScript, whose `compose` gets what its parts are declared to give:
 * `aggregate({ parts: { user: part<User>({ … }) }, compose: ({ user }) => ({ name: user.name }) })`.
 */
export function aggregate<Parts extends Readonly<Record<string, TypedPart<unknown>>>>(
  input: Omit<AggregateInput, 'parts' | 'compose'> & {
    parts: Parts;
    compose?: string | Composer<PartBodies<Parts>> | undefined;
  },
): AggregateInput {
  return input;
}
