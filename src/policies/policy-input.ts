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
import type { headers } from './headers.ts';
import type { introspect } from './introspect.ts';
import type { ipFilter } from './ip-filter.ts';
import type { jwt } from './jwt/jwt.ts';
import type { mirror } from './mirror/mirror.ts';
import type { quota } from './quota.ts';
import type { rateLimit } from './rate-limit/rate-limit.ts';
import type { requestId } from './request-id.ts';
import type { securityHeaders } from './security-headers.ts';
import type { signature } from './signature/signature.ts';

/** The options of each built-in policy, as they are written. */
export interface PolicyOptions {
  'request-id': OptionsOf<typeof requestId>;
  cors: OptionsOf<typeof cors>;
  'security-headers': OptionsOf<typeof securityHeaders>;
  headers: OptionsOf<typeof headers>;
  'ip-filter': OptionsOf<typeof ipFilter> & Observable;
  'body-limit': OptionsOf<typeof bodyLimit> & Observable;
  cache: OptionsOf<typeof cache>;
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
  any: readonly WayIn[];
  authorize: OptionsOf<typeof authorize> & DangerouslyObservable;
}

/** The policies that find out who is calling, several of which may stand within `any`. */
type WayInName =
  | 'jwt'
  | 'introspect'
  | 'api-key'
  | 'basic'
  | 'signature'
  | 'client-certificate'
  | 'forward-auth';

/** An entry within `any`. */
export type WayIn =
  | { [Name in WayInName]: PolicyEntryInput<Name> | NameAlone<Name> }[WayInName]
  | CustomName
  | CustomUse;

/** A use of one built-in policy with options: a map with exactly one key. */
export type PolicyEntryInput<Name extends keyof PolicyOptions> = { [Key in Name]: PolicyOptions[Name] } & {
  [Key in Exclude<keyof PolicyOptions, Name>]?: never;
} & { [Key in CustomName]: never };

/**
 * An entry of a `policies` list: a name, or a map from one name to its options. Names with a slash are policies of
 * one's own, whose options are known when the configuration is loaded.
 */
export type PolicyInput = BuiltInUse | CustomName | CustomUse;

type BuiltInUse = {
  [Name in keyof PolicyOptions]: PolicyEntryInput<Name> | NameAlone<Name>;
}[keyof PolicyOptions];
type NameAlone<Name extends keyof PolicyOptions> = object extends PolicyOptions[Name] ? Name : never;
type CustomName = `${string}/${string}`;
type CustomUse = { [Key in CustomName]: unknown } & { [Key in keyof PolicyOptions]?: never };
type OptionsOf<Kind extends Policy> = z.input<Kind['options']> & {
  /** Its name in logs and metrics, where one policy is used twice. Default: the policy's name. */
  readonly id?: string;
};

interface Observable {
  /** Decide, log and count, but let pass. Default: false. */
  readonly observe?: boolean;
}

interface DangerouslyObservable {
  /** Decide, log and count, but let pass whoever is refused. Default: false. */
  readonly dangerouslyObserve?: boolean;
}
