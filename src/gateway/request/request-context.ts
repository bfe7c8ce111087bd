import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/services.ts';
import type { AccessLog } from '../../observability/access-log.ts';
import type { SpellingRules } from '../../router/path-spelling.ts';
import type { OpenReplies } from './run-rest.ts';

/** What the listener that a request came on decides about it. */
export interface ListenerRules {
  readonly spelling: SpellingRules;
  readonly redirectToHttps: number | undefined;
}

/** What outlives Snapshots and every request needs. */
export interface RequestContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly accessLog: AccessLog | undefined;
  /** What policies let run on without a client. */
  readonly detached: OpenReplies;
  /** Whether the request is one of a batch. */
  readonly isInBatch?: boolean;
}
