import { readBody } from '../../core/body.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Reply } from '../../core/message.ts';
import { problemReply } from '../../core/problem.ts';
import { toResponse } from '../../core/reply.ts';
import type { AsyncJob, StoredRequest, StoredResult } from '../../core/stores/async-jobs.ts';
import { routeHash } from '../../policies/respond-async/job-id.ts';
import { restoreExchange } from '../../policies/respond-async/stored-request.ts';
import { ReplySink } from '../../proxy/reply-sink.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';
import type { RunOutcome } from '../../stores/jobs/bull-jobs.ts';
import { beginRest } from './handle-request.ts';
import type { RequestContext } from './request-context.ts';

/** Statuses after which another attempt may succeed: of a service that is away, or of ours that says so. */
const RETRYABLE: ReadonlySet<number> = new Set([502, 503, 504]);

/**
 * Runs a stored request, for whoever was proven to call when it was accepted: the policies behind `respond-async` and what
 * the route does, on the configuration as it is now. A route that is gone is 404.
 */
export async function runJob(
  { request, maxResultBytes }: AsyncJob,
  snapshot: Snapshot,
  context: RequestContext,
): Promise<RunOutcome> {
  let reply: Reply;
  try {
    reply = (await runRequest(request, snapshot, context)) ?? problemOf('GW_NO_ROUTE', request);
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'GW_SHUTTING_DOWN') return { kind: 'interrupted' };
    throw error;
  }
  const { head, body } = toResponse(reply);
  const isRetryable = RETRYABLE.has(head.status);
  try {
    const bytes = await readBody(body, maxResultBytes);
    const result = { status: head.status, fields: [...head.headers].flat(), body: bytes.toString('base64') };
    return { kind: 'result', result, isRetryable };
  } catch (error) {
    const code = error instanceof GatewayError ? error.code : 'GW_UPSTREAM_BROKEN';
    if (code === 'GW_SHUTTING_DOWN') return { kind: 'interrupted' };
    // Another attempt would give as much.
    const isTooLarge = code === 'GW_BODY_TOO_LARGE';
    const problem = problemOf(isTooLarge ? 'GW_RESULT_TOO_LARGE' : 'GW_UPSTREAM_BROKEN', request);
    return { kind: 'result', result: storeProblem(problem), isRetryable: !isTooLarge };
  }
}

async function runRequest(
  request: StoredRequest,
  snapshot: Snapshot,
  context: RequestContext,
): Promise<Reply | undefined> {
  const job = snapshot.jobRoutes?.get(routeHash(request.route));
  const exchange = restoreExchange(request, context.clock.monotonic());
  const { host, path, query, headers } = exchange;
  const found = snapshot.router.find(host, request.method, path, headers, query);
  if (job === undefined || found.kind !== 'match' || found.value !== job.route) return undefined;
  const sink: ReplySink = new ReplySink(context.clock, () => context.detached.delete(sink));
  context.detached.add(sink);
  const { route, rest } = job;
  beginRest({ exchange, route, rawParams: found.rawParams, rest, sink, snapshot, context });
  return sink.reply;
}

function problemOf(
  code: 'GW_NO_ROUTE' | 'GW_UPSTREAM_BROKEN' | 'GW_RESULT_TOO_LARGE',
  { requestId }: StoredRequest,
): Reply {
  return problemReply(new GatewayError(code), requestId);
}

function storeProblem(problem: Reply): StoredResult {
  const { head } = toResponse(problem);
  const body = Buffer.from(problem.body as string | Uint8Array).toString('base64');
  return { status: head.status, fields: [...head.headers].flat(), body };
}
