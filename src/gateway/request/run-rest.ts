import { type BodySource, EMPTY_BODY } from '../../core/body.ts';
import type { Clock } from '../../core/clock.ts';
import { type FailureCode, GatewayError } from '../../core/errors.ts';
import type { Exchange, ProceedOptions } from '../../core/exchange.ts';
import type { Reply, ResponseSink } from '../../core/message.ts';
import type { Pipeline } from '../../core/pipeline/pipeline.ts';
import type { Metrics } from '../../core/services.ts';
import { ReplySink } from '../../proxy/reply-sink.ts';

/** A response that is under way apart from a client. */
export interface OpenReply {
  /** Ends what is under way. `failure` says why in the log. */
  leave(reason: unknown, failure: FailureCode): void;
}

/** The responses that are under way apart from a client. */
export class OpenReplies {
  private readonly sinks = new Set<OpenReply>();
  private onNone: () => void = () => {};

  /** Shows how many there are. */
  watch(metrics: Metrics): void {
    const help = 'Requests that policies let run on without a client.';
    metrics.gauge('gateway_detached_requests', help, {}, () => this.sinks.size);
  }

  add(sink: OpenReply): true {
    this.sinks.add(sink);
    return true;
  }

  delete(sink: OpenReply): void {
    this.sinks.delete(sink);
    if (this.sinks.size === 0) this.onNone();
  }

  /** Resolves when there is none any more, or after `timeoutMs`. */
  settle(timeoutMs: number, clock: Clock): Promise<void> {
    if (this.sinks.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = clock.after(timeoutMs, resolve);
      this.onNone = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Ends them all. */
  leave(failure: 'GW_CLIENT_CLOSED' | 'GW_SHUTTING_DOWN'): void {
    for (const sink of this.sinks) sink.leave(new GatewayError(failure), failure);
  }
}

/** The responses that are under way for a client, some of which may outlive it. */
export class AttachedReplies extends Map<ReplySink, (() => boolean) | undefined> {
  /** Ends those for which nobody else waits. */
  leave(): void {
    for (const [sink, outlives] of this) {
      if (outlives?.() !== true) sink.leave(new GatewayError('GW_CLIENT_CLOSED'), 'GW_CLIENT_CLOSED');
    }
  }
}

/** The run of which the rest is to be run apart. */
export interface RestOwner {
  readonly exchange: Exchange;
  readonly client: Pick<ResponseSink, 'informational'>;
  readonly pipeline: Pipeline;
  readonly clock: Clock;
  /** Whether its policies have not been left behind yet. */
  readonly isBeforeAction: boolean;
  readonly isOver: boolean;
  /** Those that end when this run does, and those that do not. */
  readonly attached: AttachedReplies;
  readonly detached: OpenReplies;
  /** Begins the run of `branch`. */
  begin(branch: Exchange, rest: Pipeline, sink: ReplySink): void;
}

/**
 * Runs the rest of an exchange with a sink of its own.
 *
 * 1. Finds what is left of the pipeline.
 * 2. Makes the exchange that goes on, with the body.
 * 3. Begins it, and has it end with whom it is for.
 */
export async function runRest(
  owner: RestOwner,
  { detached = false, signal, headers, query, outlives, passInterim = false, onFailure }: ProceedOptions,
): Promise<Reply> {
  const { exchange } = owner;
  signal?.throwIfAborted();
  if (owner.isOver) throw new GatewayError('GW_CLIENT_CLOSED');
  if (!owner.isBeforeAction) throw new TypeError('proceed is called in onRequest, before it has settled');
  // 1.
  const rest = owner.pipeline.after(exchange.policiesRun);
  // 2.
  const branch = exchange.branch(takeBody(exchange, detached), owner.clock.monotonic(), headers);
  if (query !== undefined) branch.query = query;
  branch.isDetached = detached;
  const failure = detached ? rest.holdBody(branch) : undefined;
  if (failure !== undefined) throw failure;
  // 3.
  const { attached, detached: others } = owner;
  const leave = (): void => sink.leave(signal?.reason);
  const sink = new ReplySink(owner.clock, () => {
    attached.delete(sink);
    others.delete(sink);
    signal?.removeEventListener('abort', leave);
    if (!detached) exchange.takeOutcome(branch);
  });
  if (passInterim)
    sink.onInterim = (status, fields) => {
      if (!owner.isOver && !branch.isDetached) owner.client.informational(status, fields);
    };
  if (detached) others.add(sink);
  else attached.set(sink, outlives && (() => goOn(branch, outlives) && others.add(sink)));
  signal?.addEventListener('abort', leave);
  owner.begin(branch, rest, sink);
  const reply = await sink.reply;
  if (!detached) exchange.takeOutcome(branch);
  if (branch.failure !== undefined) onFailure?.(branch.failure);
  return reply;
}

/** Asks whether an attached run goes on without its client, from when on it is one of the detached. */
function goOn(branch: Exchange, outlives: () => boolean): boolean {
  if (!outlives()) return false;
  branch.isDetached = true;
  return true;
}

/** Takes the body for a branch: a copy where its bytes are at hand, else the body itself, which can be had once. */
function takeBody(exchange: Exchange, detached: boolean): BodySource {
  const { body } = exchange;
  if (body.length === 0) return EMPTY_BODY;
  const copy = body.fork?.();
  if (copy !== undefined) return copy;
  if (body === TAKEN) throw new TypeError('the request body is gone: to proceed again, read it whole before');
  if (detached)
    throw new TypeError(
      'the request body comes from the client: to proceed without it, read it whole before',
    );
  exchange.body = TAKEN;
  return body;
}

/** In the place of a body that went to a branch, so that nobody takes the request for one without a body. */
const TAKEN: BodySource = {
  length: undefined,
  pipe: (sink) => sink.abort(new GatewayError('GW_INTERNAL', { cause: 'the body went with proceed' })),
  resume() {},
  cancel() {},
};
