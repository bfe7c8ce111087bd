import type { z } from 'zod';
import type { Policy } from '../core/policy.ts';
import type { apiKey } from './api-key.ts';
import type { authorize } from './authorize/authorize.ts';
import type { basic } from './basic/basic.ts';
import type { bodyLimit } from './body-limit.ts';
import type { cache } from './cache/cache.ts';
import type { clientCertificate } from './client-certificate.ts';
import type { concurrency } from './concurrency.ts';
import type { cors } from './cors/cors.ts';
import type { forwardAuth } from './forward-auth/forward-auth.ts';
import type { headers } from './headers/headers.ts';
import type { idempotencyKey } from './idempotency-key/idempotency-key.ts';
import type { introspect } from './introspect.ts';
import type { ipFilter } from './ip-filter.ts';
import type { jwt } from './jwt/jwt.ts';
import type { mirror } from './mirror/mirror.ts';
import type { quota } from './quota.ts';
import type { rateLimit } from './rate-limit/rate-limit.ts';
import type { requestId } from './request-id.ts';
import type { respondAsync } from './respond-async/respond-async.ts';
import type { securityHeaders } from './security-headers.ts';
import type { signature } from './signature/signature.ts';
import type { transform } from './transform/transform.ts';
import type { validate } from './validate/validate.ts';

/** The options of each built-in policy, as they are written. */
export interface PolicyOptions {
  'request-id': OptionsOf<typeof requestId>;
  cors: OptionsOf<typeof cors>;
  'security-headers': OptionsOf<typeof securityHeaders>;
  headers: OptionsOf<typeof headers>;
  'ip-filter': OptionsOf<typeof ipFilter> & Observable;
  'body-limit': OptionsOf<typeof bodyLimit> & Observable;
  cache: OptionsOf<typeof cache>;
  'idempotency-key': OptionsOf<typeof idempotencyKey>;
  transform: OptionsOf<typeof transform>;
  'respond-async': OptionsOf<typeof respondAsync>;
  mirror: OptionsOf<typeof mirror>;
  concurrency: OptionsOf<typeof concurrency> & Observable;
  'rate-limit': OptionsOf<typeof rateLimit> & Observable;
  quota: OptionsOf<typeof quota> & Observable;
  jwt: OptionsOf<typeof jwt> & DangerouslyObservable;
  introspect: OptionsOf<typeof introspect> & DangerouslyObservable;
  'api-key': OptionsOf<typeof apiKey> & DangerouslyObservable;
  basic: OptionsOf<typeof basic> & DangerouslyObservable;
  signature: OptionsOf<typeof signature> & DangerouslyObservable;
  'client-certificate': OptionsOf<typeof clientCertificate> & DangerouslyObservable;
  'forward-auth': OptionsOf<typeof forwardAuth> & DangerouslyObservable;
  any: readonly AuthenticationMethod[];
  authorize: OptionsOf<typeof authorize> & DangerouslyObservable;
  validate: OptionsOf<typeof validate> & Observable;
}

/** The policies that find out who is calling, several of which may stand within `any`. */
type AuthenticationMethodName =
  | 'jwt'
  | 'introspect'
  | 'api-key'
  | 'basic'
  | 'signature'
  | 'client-certificate'
  | 'forward-auth';

/** An entry within `any`. */
export type AuthenticationMethod<Custom = CustomPolicies> =
  | { [Name in AuthenticationMethodName]: PolicyEntryInput<Name> | NameAlone<Name> }[AuthenticationMethodName]
  | CustomEntry<Custom>;

/** A use of one built-in policy with options: a map with exactly one key. */
export type PolicyEntryInput<Name extends keyof PolicyOptions> = { [Key in Name]: PolicyOptions[Name] } & {
  [Key in Exclude<keyof PolicyOptions, Name>]?: never;
} & { [Key in CustomName]: never };

/**
 * An entry of a `policies` list: a name, or a map from one name to its options. Names with a slash are policies of one's
 * own. Of those that `Custom` has as values the compiler knows the options, of those in files the gateway, when it loads
 * the configuration.
 */
export type PolicyInput<Custom = CustomPolicies> = BuiltInUse<Custom> | CustomEntry<Custom>;

/** Policies of one's own, by names that hold a slash: the policy itself, or the file that exports it. */
export type CustomPolicies = { readonly [Name in CustomName]: string | Policy };

/** The options of a policy of one's own, as they are written. */
export type CustomPolicyOptions<Own extends Policy> = Written<z.input<Own['options']>> & {
  /** Its name in logs and metrics, where one policy is used twice. Default: the policy's name. */
  readonly id?: string;
} & Observable &
  DangerouslyObservable;

type BuiltInUse<Custom> =
  | {
      [Name in Exclude<keyof PolicyOptions, 'any'>]: PolicyEntryInput<Name> | NameAlone<Name>;
    }[Exclude<keyof PolicyOptions, 'any'>]
  | AnyOf<readonly AuthenticationMethod<Custom>[]>;

/** A use of `any`, with these ways in. */
export type AnyOf<Ways> = { readonly any: Ways } & {
  [Key in Exclude<keyof PolicyOptions, 'any'>]?: never;
} & {
  [Key in CustomName]: never;
};

type NameAlone<Name extends keyof PolicyOptions> = object extends PolicyOptions[Name] ? Name : never;
type CustomName = `${string}/${string}`;
/** Of a policy that is in a file only its name is known. */
type CustomUse = { [Key in CustomName]: unknown } & { [Key in keyof PolicyOptions]?: never };
/** Where `Custom` does not say which there are, there may be any. */
type CustomEntry<Custom> = CustomName extends keyof Custom
  ? CustomName | CustomUse
  : { [Name in keyof Custom & string]: EntryOf<Custom, Name> }[keyof Custom & string];
type EntryOf<Custom, Name extends keyof Custom & string> = Custom[Name] extends Policy
  ? UseOf<Custom, Name, CustomPolicyOptions<Custom[Name]>>
  : Name | Use<Custom, Name, unknown>;
type UseOf<Custom, Name extends keyof Custom & string, Options> =
  | Use<Custom, Name, Options>
  | (object extends Options ? Name : never);
type Use<Custom, Name extends keyof Custom & string, Options> = { readonly [Key in Name]: Options } & {
  readonly [Key in Exclude<keyof PolicyOptions | keyof Custom, Name>]?: never;
};
/** `z.strictObject({})` takes nothing, which is an index of `never` to the compiler, in which `id` could not stand. */
type Written<Input> = Input extends Record<string, never> ? NonNullable<unknown> : Input;
type OptionsOf<Kind extends Policy> = z.input<Kind['options']> & {
  /** Its name in logs and metrics, where one policy is used twice. Default: the policy's name. */
  readonly id?: string;
};

interface Observable {
  /** Decide, log and count, but let pass. Default: false. */
  readonly observe?: boolean;
}

interface DangerouslyObservable {
  /** Decide, log and count, but let pass whoever is rejected. Default: false. */
  readonly dangerouslyObserve?: boolean;
}
