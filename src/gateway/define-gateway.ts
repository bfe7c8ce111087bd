import type { FastifyInstance } from 'fastify';
import type { GatewayInput as UntypedGatewayInput } from '../config/schema/schema.ts';
import type { AuthServiceCode } from '../core/identity/auth-service.ts';
import type { CustomPolicies, PolicyInput } from '../policies/policy-input.ts';
import type { AggregateInput } from './define-aggregate.ts';

/** A Fastify plugin, served in this process as an upstream's `app`. */
export type AppPlugin = {
  /** A method, so that plugins of other type providers fit as well. */
  plugin(app: FastifyInstance, options: Record<never, never>, done: (error?: Error) => void): unknown;
}['plugin'];

type Written<Custom> = UntypedGatewayInput<PolicyInput<Custom>>;
type WrittenUpstream<Custom> = NonNullable<Written<Custom>['upstreams']>[string];
type WrittenRoute<Custom> = NonNullable<Written<Custom>['routes']>[number];
type WrittenAuthService<Custom> = NonNullable<Written<Custom>['authServices']>[string];

/**
 * The configuration as it is written, with the options of policies known to the compiler: of the built-in ones, and of
 * those that `customPolicies` has as values. Policies, apps and auth services may be values, or files that export them.
 */
export type GatewayInput<Custom extends CustomPolicies = CustomPolicies> = Omit<
  Written<NoInfer<Custom>>,
  'customPolicies' | 'upstreams' | 'authServices' | 'routes'
> & {
  /** Policies of one's own, by names that hold a slash: the policy itself, or the file that exports it. */
  customPolicies?: Custom | undefined;
  /** Services, by name. */
  upstreams?:
    | Record<string, Omit<WrittenUpstream<NoInfer<Custom>>, 'app'> & { app?: string | AppPlugin | undefined }>
    | undefined;
  /** What is served, in no order that matters. */
  routes?:
    | (Omit<WrittenRoute<NoInfer<Custom>>, 'aggregate'> & { aggregate?: AggregateInput | undefined })[]
    | undefined;
  /** Who says that a token is good, by name. */
  authServices?:
    | Record<
        string,
        Omit<WrittenAuthService<NoInfer<Custom>>, 'code'> & { code?: string | AuthServiceCode | undefined }
      >
    | undefined;
};

/**
 * Declares a configuration in TypeScript: `export default defineGateway({ … })`, or `createGateway({ config })`. A key or
 * an option that does not exist is an error of the compiler, also one of a policy that `customPolicies` has as a value.
 */
export function defineGateway<const Custom extends CustomPolicies = CustomPolicies>(
  input: GatewayInput<Custom>,
): GatewayInput<Custom> {
  return input;
}
