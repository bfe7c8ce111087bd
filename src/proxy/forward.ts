import type { BodySource } from '../core/body.ts';
import { EMPTY_BODY } from '../core/body.ts';
import { BufferedBody } from '../core/buffered-body.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import { changeHeaders, type HeaderChanges } from '../core/fields/header-changes.ts';
import type { HeaderList } from '../core/header-list.ts';
import { isPromise } from '../core/is-promise.ts';
import type { ClientSink, ResponseHead, TargetRequest, Tunnel } from '../core/message.ts';
import type { Pipeline } from '../core/pipeline/pipeline.ts';
import type { BodyHolder } from '../core/pipeline/response-outcome.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { UpstreamTarget } from '../upstream/upstream-target.ts';
import { Attempts } from './attempts.ts';
import type { AttemptsOwner } from './attempts-owner.ts';
import { BodyPump } from './body-pump.ts';
import { writeResponseVia } from './forward-headers.ts';
import type { ForwardPlan } from './forward-plan.ts';
import { restorePrefix } from './restore-prefix.ts';

/** What a forward needs of who handles the exchange. */
export interface ForwardOwner {
  readonly exchange: Exchange;
  readonly client: ClientSink;
  readonly pipeline: Pipeline;
  readonly clock: Clock;
  /** Answers a failure instead; nothing was sent to the client yet. */
  fail(error: GatewayError): void;
  /** Something went wrong that nobody has thought of. */
  crash(cause: unknown): void;
  /** The exchange became a tunnel. */
  onTunnel(): void;
  /** A response has begun that may take long, and that no policy changes. */
  onLongResponse(): void;
}

/** Responses of more bytes may take long, as may those whose length nobody knows, such as event streams. */
const LONG_BYTES = 1024 * 1024;

/** Takes one exchange to an upstream and its response back, through the policies that want to see it. */
export class Forward implements AttemptsOwner, BodyHolder {
  readonly exchange: Exchange;
  readonly upstream: Upstream;
  readonly plan: ForwardPlan;
  readonly clock: Clock;
  readonly mayRepeat = true;
  private readonly owner: ForwardOwner;
  private client: ClientSink;
  private readonly attempts: Attempts;
  private readonly changes: HeaderChanges | undefined;
  private response: ResponseHead | undefined = undefined;
  private tunnel: Tunnel | undefined = undefined;
  private hasLeft = false;
  /** The target's body on its way to a policy, or waiting for an asynchronous one. */
  private held: BufferedBody | undefined = undefined;
  /** What a policy put in place of the target's body. */
  private pump: BodyPump | undefined = undefined;

  /** `changes` is what the part of a split that this goes to changes of responses. */
  constructor(owner: ForwardOwner, upstream: Upstream, plan: ForwardPlan, changes?: HeaderChanges) {
    this.changes = changes;
    this.owner = owner;
    this.exchange = owner.exchange;
    this.client = owner.client;
    this.clock = owner.clock;
    this.upstream = upstream;
    this.plan = plan;
    this.attempts = new Attempts(this);
  }

  get authority(): string {
    return this.exchange.publicAuthority;
  }

  get breakerKey(): object {
    return this.exchange;
  }

  /** Sends `request` to the picked target. */
  start(slot: UpstreamTarget, request: TargetRequest): void {
    this.attempts.start(slot, request);
  }

  /** The client has left, and others wait for the response: from now on it goes to `client`. */
  redirect(client: ClientSink): void {
    this.client = client;
    this.pump?.redirect(client);
  }

  /** The exchange is over: stops whatever of it is still under way. */
  leave(): void {
    this.hasLeft = true;
    this.pump?.cancel();
    this.dropTunnel();
    this.attempts.leave();
  }

  // What becomes of the attempts

  onSent(target: UpstreamTarget, sentAt: number, attempt: number, attempts: number): void {
    const { exchange } = this;
    exchange.target = target.name;
    exchange.sentAt = sentAt;
    exchange.attempt = attempt;
    exchange.attempts = attempts;
  }

  onQueued(waitedMs: number): void {
    this.exchange.queuedMs += waitedMs;
  }

  informational(status: number, headers: HeaderList): void {
    this.client.informational(status, headers);
  }

  head(head: ResponseHead): void {
    const { exchange, attempts, owner } = this;
    // What calls this is a socket, which has no use for an error of policies.
    try {
      exchange.respondedAt = attempts.respondedAt;
      this.changeHead(head);
      this.upstream.sticky?.write(exchange, attempts.slot as UpstreamTarget, head.headers);
      this.response = head;
      const body = owner.pipeline.runResponse(exchange, head, this);
      if (!isPromise(body)) return this.sendHead(head, body);
      this.hold(head);
      body.then((changed) => this.sendHead(head, changed)).catch((cause: unknown) => owner.crash(cause));
    } catch (cause) {
      owner.crash(cause);
    }
  }

  /** A policy may reject a 101 as any other response; only then is there a tunnel. */
  switchProtocols(head: ResponseHead, tunnel: Tunnel): void {
    const { exchange, attempts, owner } = this;
    try {
      exchange.respondedAt = attempts.respondedAt;
      this.changeHead(head);
      this.tunnel = tunnel;
      const body = owner.pipeline.runResponse(exchange, head, this);
      if (!isPromise(body)) return this.joinTunnel(head, body);
      body.then((changed) => this.joinTunnel(head, changed)).catch((cause: unknown) => owner.crash(cause));
    } catch (cause) {
      owner.crash(cause);
    }
  }

  /** Makes the head what the route says that it is to be, before policies see it. */
  private changeHead({ headers }: ResponseHead): void {
    const { plan, changes, exchange } = this;
    writeResponseVia(headers);
    if (plan.restoresPrefix === true && plan.prefix !== undefined)
      restorePrefix(headers, exchange.path.slice(0, plan.prefix.length), exchange);
    if (changes !== undefined) changeHeaders(headers, changes);
  }

  fail(error: GatewayError): void {
    this.owner.fail(error);
  }

  onBroken(error: GatewayError): void {
    this.exchange.failure ??= error;
  }

  // The target's body as a policy sees it

  openBody(): BodySource {
    return this.response === undefined ? EMPTY_BODY : this.hold(this.response);
  }

  private hold({ length }: ResponseHead): BufferedBody {
    if (this.held === undefined) {
      this.held = new BufferedBody(length, () => this.attempts.cancel());
      this.attempts.join(this.held);
    }
    return this.held;
  }

  // Sending

  private sendHead(head: ResponseHead, changed: BodySource | undefined): void {
    if (this.hasLeft) return changed?.cancel();
    const { exchange, client, held } = this;
    exchange.status = head.status;
    client.head(head);
    if (changed !== undefined) {
      this.pump = new BodyPump(changed, client, exchange);
      return this.pump.start();
    }
    if (head.length === undefined || head.length > LONG_BYTES) this.owner.onLongResponse();
    if (held === undefined) return this.attempts.join(client);
    // Asynchronous policies have looked at the head alone.
    client.onDrain = () => held.resume();
    held.onEmpty = () => {
      this.attempts.join(client);
      client.flush();
    };
    held.pipe(client);
  }

  private joinTunnel(head: ResponseHead, changed: BodySource | undefined): void {
    if (this.hasLeft) return changed?.cancel();
    if (head.status !== 101) return this.rejectTunnel(head, changed ?? EMPTY_BODY);
    const { tunnel } = this;
    this.tunnel = undefined;
    this.exchange.status = head.status;
    this.owner.onTunnel();
    this.client.switchProtocols(head, tunnel as Tunnel);
  }

  /** A policy has put another answer in the place of the 101. */
  private rejectTunnel(head: ResponseHead, body: BodySource): void {
    this.dropTunnel();
    // A policy that only changed the status has left these.
    head.headers.delete('upgrade');
    head.length = body.length;
    this.sendHead(head, body);
  }

  private dropTunnel(): void {
    const { tunnel } = this;
    this.tunnel = undefined;
    tunnel?.abort(new GatewayError('GW_CLIENT_CLOSED', { cause: 'there is no client for the tunnel' }));
  }
}
