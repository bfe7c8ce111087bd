import type { GatewayInput as UntypedGatewayInput } from '../config/schema/schema.ts';
import type { PolicyInput } from '../policies/policy-input.ts';

/** The configuration as it is written, with the options of the built-in policies known to the compiler. */
export type GatewayInput = UntypedGatewayInput<PolicyInput>;

/** Declares a configuration in TypeScript: `export default defineGateway({ … })`. */
export function defineGateway(input: GatewayInput): GatewayInput {
  return input;
}
