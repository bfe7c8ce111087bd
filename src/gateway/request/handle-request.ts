import type { Clock } from '../../core/clock.ts';
import { type FailureCode, GatewayError } from '../../core/errors.ts';
import { Exchange, type Proceeder, type ProceedOptions } from '../../core/exchange.ts';
import { hasEnded } from '../../core/identity/seal-identity.ts';
import { isPromise } from '../../core/is-promise.ts';
import type { ClientRequest, ClientSink, Reply } from '../../core/message.ts';
import type { Pipeline, RequestResult } from '../../core/pipeline/pipeline.ts';
import { problemReply } from '../../core/problem.ts';
import { type GatewayResponse, toResponse } from '../../core/reply.ts';
import { newRequestId } from '../../core/request-id.ts';
import { BodyPump } from '../../proxy/body-pump.ts';
import { Forward, type ForwardOwner } from '../../proxy/forward.ts';
import { hostFor } from '../../proxy/forward-plan.ts';
import type { ReplySink } from '../../proxy/reply-sink.ts';
import type { RouteResult } from '../../router/router.ts';
import { respondAction } from '../../snapshot/respond-action.ts';
import { type ForwardAction, type Route, type SplitDestination, withoutParts } from '../../snapshot/route.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';
import type { Upstream } from '../../upstream/upstream.ts';
import { describeClient } from './describe-client.ts';
import { expiredError, findRoute, limitForwards, respondWithoutRoute } from './find-route.ts';
import { readTarget } from './read-target.ts';
import { reportCrash, reportEnd } from './report-crash.ts';
import type { ListenerRules, RequestContext } from './request-context.ts';
import type { RestParts } from './rest-parts.ts';
import { AttachedReplies, type OpenReplies, type RestOwner, runRest } from './run-rest.ts';
import { sendBytes } from './send-bytes.ts';
import { type BatchOwner, rejectInBatch, SubRequests } from './sub-requests.ts';
import { exchangeToken, makeTargetRequest, writeTargetHeaders } from './target-request.ts';
import { isWantedByOthers, UnattendedSink } from './unattended-sink.ts';
import { upstreamPath } from './upstream-path.ts';

/**
 * Handles one request: the life of an exchange from its head to its end, on the Snapshot that it began with. Whatever goes
 * wrong in it is its own: a response, at the last 500, and a line in the log.
 */
export function handleRequest(
  request: ClientRequest,
  client: ClientSink,
  rules: ListenerRules,
  snapshot: Snapshot,
  context: RequestContext,
): void {
  const exchange = new Exchange(request, context.clock.monotonic());
  new RequestRun(exchange, client, snapshot, context).start(rules);
}

/** Begins the rest of an exchange, apart from a client. */
export function beginRest(parts: RestParts): void {
  const { exchange, sink, snapshot, context, rest } = parts;
  new RequestRun(exchange, sink, snapshot, context).startRest(parts, rest);
}

/** The life of an exchange: of a client's request, or of the rest of one that a policy runs apart. */
class RequestRun implements ForwardOwner, Proceeder, RestOwner, BatchOwner {
  readonly exchange: Exchange;
  client: ClientSink;
  readonly clock: Clock;
  private held: Snapshot | undefined;
  private readonly context: RequestContext;
  route: Route;
  /** What is left of the route's pipeline, where this is the rest of a request. */
  private rest: Pipeline | undefined = undefined;
  private openReplies: AttachedReplies | undefined = undefined;
  private forward: Forward | undefined = undefined;
  private pump: BodyPump | undefined = undefined;
  private part: SplitDestination | undefined = undefined;
  rawParams: readonly string[] = [];
  private items: SubRequests | undefined = undefined;
  private isFinished = false;
  private isLogged = false;
  private hasCrashed = false;
  private hasActed = false;

  constructor(exchange: Exchange, client: ClientSink, snapshot: Snapshot, context: RequestContext) {
    this.clock = context.clock;
    this.context = context;
    this.exchange = exchange;
    this.client = client;
    this.held = snapshot;
    this.route = snapshot.unmatched;
    exchange.route = this.route;
    exchange.proceeder = this;
    snapshot.acquire();
    client.onFinish = (bytesSent) => this.finish(bytesSent);
    client.onClose = (bytesSent, failure) => this.leave(bytesSent, failure);
  }

  private get snapshot(): Snapshot {
    if (this.held === undefined) throw new TypeError('the Snapshot was let go');
    return this.held;
  }

  get pipeline(): Pipeline {
    return this.rest ?? this.route.pipeline;
  }

  /**
   * 1. Says who asks, and how.
   * 2. Finds the one spelling of the path.
   * 3. Finds the route.
   * 4. Runs its policies, then what it does.
   */
  start(rules: ListenerRules): void {
    try {
      this.run(rules);
    } catch (cause) {
      this.crash(cause);
    }
  }

  startRest({ route, rawParams }: Pick<RestParts, 'route' | 'rawParams'>, rest: Pipeline): void {
    this.route = route;
    this.rawParams = rawParams;
    this.rest = rest;
    this.exchange.route = route;
    try {
      const result = rest.runRequest(this.exchange);
      if (isPromise(result)) this.after(result, (settled) => this.proceed(settled));
      else this.proceed(result);
    } catch (cause) {
      this.crash(cause);
    }
  }

  private run(rules: ListenerRules): void {
    const { exchange, snapshot } = this;
    // 1.
    exchange.requestId = newRequestId(this.clock.now());
    describeClient(exchange, snapshot);
    // 2.
    const outcome = readTarget(exchange, rules);
    if (outcome !== undefined) return this.respond(outcome);
    // 3.
    const reply = this.takeRoute(findRoute(snapshot, exchange)) ?? limitForwards(exchange);
    if (this.route.action.kind === 'batch')
      this.items = new SubRequests(this, (item, sink) =>
        handleRequest(item, sink, rules, this.snapshot, { ...this.context, isInBatch: true }),
      );
    if (snapshot.shedder?.refuses() === true) return this.respond(new GatewayError('GW_OVERLOADED'));
    // 4.
    const result = this.pipeline.runRequest(exchange);
    if (isPromise(result)) this.after(result, (settled) => this.proceed(settled ?? reply));
    else this.proceed(result ?? reply);
  }

  fail(error: GatewayError): void {
    this.respond(error);
  }

  /**
   * What no part has thought of went wrong. Answers 500, past the policies where they were part of it, or breaks off what
   * was begun: a part must not be taken for the whole.
   */
  crash(cause: unknown): void {
    const error = new GatewayError('GW_INTERNAL', { cause });
    reportCrash(this.context.log, this.exchange, cause);
    if (this.isFinished) return;
    const isAgain = this.hasCrashed;
    this.hasCrashed = true;
    try {
      this.forward?.leave();
      this.forward = undefined;
      this.exchange.failure = error;
      if (this.exchange.status !== 0) this.client.abort(error);
      else if (isAgain) this.send(toResponse(problemReply(error, '')));
      else this.respond(error);
    } catch (another) {
      if (isAgain) this.client.abort(error);
      else this.crash(another);
    }
  }

  /** Goes on when `pending` is settled. */
  private after<T>(pending: Promise<T>, goOn: (value: T) => void): void {
    pending.then(goOn).catch((cause: unknown) => this.crash(cause));
  }

  // The rest, apart from the client

  runRest(options: ProceedOptions): Promise<Reply> {
    return runRest(this, options);
  }

  get isOver(): boolean {
    return this.isFinished;
  }

  get isBeforeAction(): boolean {
    return !this.hasActed;
  }

  get attached(): AttachedReplies {
    this.openReplies ??= new AttachedReplies();
    return this.openReplies;
  }

  get detached(): OpenReplies {
    return this.context.detached;
  }

  begin(exchange: Exchange, rest: Pipeline, sink: ReplySink): void {
    const run = new RequestRun(exchange, sink, this.snapshot, this.context);
    run.items = this.items;
    run.startRest(this, rest);
  }

  /** A tunnel may live for days: the Snapshot that began it may retire before. */
  onTunnel(): void {
    this.pipeline.runFinish(this.exchange);
    this.letSnapshotGo();
  }

  /** A stream may live as long. What no policy has to see again needs nothing of its Snapshot, which is large. */
  onLongResponse(): void {
    const isAlone = this.rest === undefined && this.openReplies === undefined;
    if (isAlone && this.pipeline.isDoneWith(this.exchange)) this.letSnapshotGo();
  }

  /** Keeps of it only what log and metrics need at the end. */
  private letSnapshotGo(): void {
    this.route = withoutParts(this.route);
    this.exchange.route = this.route;
    this.releaseSnapshot();
  }

  /** Takes what the router found. Returns the response to a request that no route takes. */
  private takeRoute(found: RouteResult<Route>): Reply | GatewayError | undefined {
    if (found.kind !== 'match') return respondWithoutRoute(found);
    this.route = found.value;
    this.exchange.route = found.value;
    this.rawParams = found.rawParams;
    if (found.rawParams.length > 0) this.exchange.params = found.params;
    return undefined;
  }

  private proceed(result: RequestResult): void {
    if (this.isFinished) return;
    this.hasActed = true;
    if (this.pipeline.decides) this.exchange.decidedAt = this.clock.monotonic();
    const { isInBatch } = this.context;
    const outcome = result ?? (isInBatch ? rejectInBatch(this.exchange, this.route.action) : undefined);
    if (outcome !== undefined) return this.respond(outcome);
    const { identity } = this.exchange;
    // Policies may have taken a while.
    if (identity !== undefined && hasEnded(identity, this.clock.now()))
      return this.respond(expiredError(this.exchange));
    const { action } = this.route;
    if (action.kind === 'forward') return this.forwardTo(action);
    const reply = respondAction(action, this.exchange, this.rawParams, this.items);
    if (isPromise(reply)) this.after(reply, (settled) => this.respond(settled));
    else this.respond(reply);
  }

  private forwardTo(action: ForwardAction): void {
    const { exchange } = this;
    const part = action.split?.(exchange);
    this.part = part;
    const upstream = part?.upstream ?? (action.upstreams[0] as Upstream);
    const path = upstreamPath(action, exchange.path, this.rawParams);
    if (path === undefined) return this.respond(new GatewayError('GW_BAD_PATH'));
    exchange.upstream = upstream.name;
    if (!exchange.wantsInternalToken) return this.sendTo(action, upstream, path);
    const written = exchangeToken(exchange, this.snapshot, upstream.name);
    if (isPromise(written)) this.after(written, (error) => this.sendTo(action, upstream, path, error));
    else this.sendTo(action, upstream, path, written);
  }

  private sendTo(action: ForwardAction, upstream: Upstream, path: string, failure?: GatewayError): void {
    if (this.isFinished) return;
    if (failure !== undefined) return this.respond(failure);
    const { exchange } = this;
    const slot = upstream.pick(exchange);
    if (slot === undefined) return this.respond(upstream.rejection());
    writeTargetHeaders(exchange, this.snapshot, action, this.part);
    exchange.upstreamPath = path + exchange.search;
    exchange.upstreamHost = hostFor(action, exchange.publicAuthority, '');
    const host = exchange.upstreamHost === '' ? slot.authority : exchange.upstreamHost;
    const responseTimeoutMs = Math.min(upstream.responseTimeoutMs, action.timeoutMs);
    const target = makeTargetRequest(exchange, host, responseTimeoutMs);
    this.forward = new Forward(this, upstream, action, this.part?.response);
    this.forward.start(slot, target);
  }

  private respond(reply: Reply | GatewayError): void {
    if (this.isFinished) return;
    const response = this.pipeline.runReply(this.exchange, reply);
    if (isPromise(response)) this.after(response, (settled) => this.send(settled));
    else this.send(response);
  }

  private send({ head, body }: GatewayResponse): void {
    if (this.isFinished) return body.cancel();
    this.exchange.status = head.status;
    this.client.head(head);
    if (body.bytes !== undefined) return sendBytes(body.bytes, this.client);
    this.pump = new BodyPump(body, this.client, this.exchange);
    this.pump.start();
  }

  /** The connection ended before the response was complete. */
  private leave(bytesSent: number, failure: FailureCode = 'GW_CLIENT_CLOSED'): void {
    const former = this.exchange.failure;
    this.exchange.failure ??= new GatewayError(failure);
    if (failure !== 'GW_CLIENT_CLOSED' || !isWantedByOthers(this.exchange)) return this.finish(bytesSent);
    // Others wait for the response. What its client had of it is over, and nobody's failure from now on.
    this.report(bytesSent);
    this.exchange.failure = former;
    this.client = new UnattendedSink(this.exchange, this.context.detached, () => this.finish(bytesSent));
    for (const flow of [this.forward, this.pump]) flow?.redirect(this.client);
  }

  private finish(bytesSent: number): void {
    if (this.isFinished) return;
    this.isFinished = true;
    if (!(this.client instanceof UnattendedSink)) this.report(bytesSent);
    try {
      this.free();
    } catch (cause) {
      reportCrash(this.context.log, this.exchange, cause);
    }
    // Without this, one exchange that the collector has promoted keeps those after it alive until a full collection.
    this.forward = undefined;
    this.releaseSnapshot();
  }

  /** Tells log and metrics, of what a client asked and of what runs on without one. What runs for a client is told as its. */
  private report(bytesSent: number): void {
    const { exchange } = this;
    exchange.bytesSent = bytesSent;
    if (this.rest !== undefined && !exchange.isDetached) return;
    reportEnd(this.context, exchange, this.held?.config.accessLog ?? this.isLogged, this.route.recorder);
  }

  private free(): void {
    this.pipeline.runFinish(this.exchange);
    this.exchange.close();
    this.forward?.leave();
    this.pump?.cancel();
    this.openReplies?.leave();
  }

  private releaseSnapshot(): void {
    if (this.held === undefined) return;
    this.isLogged = this.held.config.accessLog;
    this.held.release();
    this.held = undefined;
  }
}
