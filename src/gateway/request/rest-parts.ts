import type { Exchange } from '../../core/exchange.ts';
import type { Pipeline } from '../../core/pipeline/pipeline.ts';
import type { ReplySink } from '../../proxy/reply-sink.ts';
import type { Route } from '../../snapshot/route.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';
import type { RequestContext } from './request-context.ts';

/** What the rest of an exchange is run with, apart from a client. */
export interface RestParts {
  readonly exchange: Exchange;
  readonly route: Route;
  readonly rawParams: readonly string[];
  readonly rest: Pipeline;
  readonly sink: ReplySink;
  readonly snapshot: Snapshot;
  readonly context: RequestContext;
}
