import type { Aggregate } from '../aggregate/aggregate.ts';
import type { InternalTokens } from '../auth/internal-tokens.ts';
import type { Batch } from '../batch/batch-plan.ts';
import { BufferBudget } from '../core/buffer-budget.ts';
import type { RouteInfo } from '../core/exchange.ts';
import type { HeaderChanges } from '../core/fields/header-changes.ts';
import type { Reply } from '../core/message.ts';
import { Pipeline } from '../core/pipeline/pipeline.ts';
import type { QuotaReader } from '../limits/quota-reader.ts';
import type { RouteRecorder } from '../observability/metrics.ts';
import type { ForwardPlan } from '../proxy/forward-plan.ts';
import type { PathTemplate } from '../router/path-template.ts';
import type { Redirect } from '../router/redirect.ts';
import type { Split } from '../upstream/split.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** What a route does with a request that its policies let pass. */
export type RouteAction =
  | ForwardAction
  | { readonly kind: 'aggregate'; readonly aggregate: Aggregate }
  | { readonly kind: 'batch'; readonly batch: Batch }
  | { readonly kind: 'respond'; readonly reply: Reply }
  | { readonly kind: 'quota'; readonly quotas: QuotaReader }
  | { readonly kind: 'jwks'; readonly tokens: InternalTokens }
  | { readonly kind: 'redirect'; readonly status: number; readonly locate: Redirect };

export interface ForwardAction extends ForwardPlan {
  readonly kind: 'forward';
  readonly upstreams: readonly Upstream[];
  /** Chooses one of several, `undefined` where there is but one. */
  readonly split: Split<SplitDestination> | undefined;
  /** The path that the upstream sees, `undefined` for the one that was matched. */
  readonly rewrite: PathTemplate | undefined;
  readonly stripPrefix: ((path: string) => string) | undefined;
}

/** Where a part of a split goes, and what is changed on the way. */
export interface SplitDestination {
  readonly upstream: Upstream;
  readonly request: HeaderChanges | undefined;
  readonly response: HeaderChanges | undefined;
}

/** A route as compiled: frozen, one for each route of a Snapshot. */
export interface Route extends RouteInfo {
  readonly id: string;
  readonly path: string;
  readonly pipeline: Pipeline;
  readonly recorder: RouteRecorder | undefined;
  readonly action: RouteAction;
  /** Whether its policies answer CORS preflights. */
  readonly handlesPreflights: boolean;
}

/** The id under which requests are counted that no route takes. */
export const UNMATCHED = '_unmatched';

const NO_POLICIES = new Pipeline([], 0, new BufferBudget());
const NO_ACTION: RouteAction = { kind: 'respond', reply: { status: 404 } };

/** What is left of a route for an exchange that needs neither its policies nor its action any more: it holds no Snapshot. */
export function withoutParts({ id, path, recorder, handlesPreflights }: Route): Route {
  return { id, path, recorder, handlesPreflights, pipeline: NO_POLICIES, action: NO_ACTION };
}
