import type { BodySink, BodySource } from '../core/body.ts';
import type { Clock } from '../core/clock.ts';
import type { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { HeaderList } from '../core/header-list.ts';
import type {
  ClientSink,
  OngoingExchange,
  ResponseHead,
  ResponseSink,
  TargetRequest,
  Tunnel,
} from '../core/message.ts';
import type { BodyHolder, Pipeline } from '../core/pipeline.ts';
import type { UpstreamTarget } from '../upstream/upstream.ts';
import { BodyPump } from './body-pump.ts';
import { writeResponseVia } from './forward-headers.ts';

/** What a forward needs of who handles the exchange. */
export interface ForwardOwner {
  readonly exchange: Exchange;
  readonly client: ClientSink;
  readonly pipeline: Pipeline;
  readonly clock: Clock;
  /** Answers a failure instead; nothing was sent to the client yet. */
  fail(error: GatewayError): void;
  /** The exchange became a tunnel. */
  onTunnel(): void;
}

/** Where the target's body goes: nowhere yet, straight to the client, or to what a policy made of it. */
type BodyRoute = 'held' | 'client' | 'mapped' | 'dropped';

/** Takes one exchange to a target and its answer back, through the policies that want to see it. */
export class Forward implements ResponseSink, BodyHolder, BodySource {
  private readonly owner: ForwardOwner;
  private readonly client: ClientSink;
  private slot: UpstreamTarget | undefined = undefined;
  private ongoing: OngoingExchange | undefined = undefined;
  private route: BodyRoute = 'held';
  private resumeTarget: (() => void) | undefined = undefined;
  private responseHead: ResponseHead | undefined = undefined;
  private hasLeft = false;
  /** What a policy put in place of the target's body. */
  private pump: BodyPump | undefined = undefined;
  // The body on its way to a policy, or waiting for an asynchronous one
  private bodySink: BodySink | undefined = undefined;
  private held: Buffer[] = [];
  private heldEnd: { trailers: HeaderList | undefined } | undefined = undefined;
  private heldError: Error | undefined = undefined;

  constructor(owner: ForwardOwner) {
    this.owner = owner;
    this.client = owner.client;
  }

  /** Sends `request` to the picked target. */
  start(slot: UpstreamTarget, request: TargetRequest): void {
    const { exchange, clock } = this.owner;
    this.slot = slot;
    exchange.target = slot.target.name;
    exchange.sentAt = clock.monotonic();
    const ongoing = slot.target.exchange(request, this);
    if (this.route === 'dropped') ongoing.cancel();
    else this.ongoing = ongoing;
  }

  /** The exchange is over: stops whatever of it is still under way. */
  leave(): void {
    this.hasLeft = true;
    this.pump?.cancel();
    this.cancel();
  }

  // The target's answer

  get onDrain(): (() => void) | undefined {
    return this.resumeTarget;
  }

  set onDrain(resume: (() => void) | undefined) {
    this.resumeTarget = resume;
    if (this.route === 'client') this.client.onDrain = resume;
  }

  informational(status: number, headers: HeaderList): void {
    this.client.informational(status, headers);
  }

  head(head: ResponseHead): void {
    const { exchange, pipeline, clock } = this.owner;
    exchange.respondedAt = clock.monotonic();
    this.slot?.meter?.record(head.status, (exchange.respondedAt - exchange.sentAt) / 1000);
    writeResponseVia(head.headers);
    this.responseHead = head;
    const body = pipeline.runResponse(exchange, head, this);
    if (isPromise(body)) void body.then((changed) => this.sendHead(head, changed));
    else this.sendHead(head, body);
  }

  write(chunk: Uint8Array): boolean {
    if (this.route === 'client') return this.client.write(chunk);
    if (this.route === 'dropped') return true;
    if (this.canPassOn) return (this.bodySink as BodySink).write(chunk);
    this.held.push(Buffer.from(chunk));
    return false;
  }

  end(trailers?: HeaderList): void {
    if (this.route === 'client') this.client.end(trailers);
    else if (this.canPassOn) (this.bodySink as BodySink).end(trailers);
    else this.heldEnd = { trailers };
  }

  abort(error: GatewayError): void {
    if (this.route === 'dropped') return;
    const { exchange, clock } = this.owner;
    if (this.responseHead === undefined) {
      this.route = 'dropped';
      this.slot?.meter?.record(0, (clock.monotonic() - exchange.sentAt) / 1000);
      this.owner.fail(error);
      return;
    }
    exchange.failure ??= error;
    if (this.route === 'client') this.client.abort(error);
    else if (this.canPassOn) (this.bodySink as BodySink).abort(error);
    else this.heldError = error;
  }

  flush(): void {
    if (this.route === 'client') this.client.flush();
  }

  switchProtocols(head: ResponseHead, tunnel: Tunnel): void {
    const { exchange, clock } = this.owner;
    exchange.respondedAt = clock.monotonic();
    exchange.status = head.status;
    this.slot?.meter?.record(head.status, (exchange.respondedAt - exchange.sentAt) / 1000);
    this.ongoing = undefined;
    writeResponseVia(head.headers);
    this.owner.onTunnel();
    this.client.switchProtocols(head, tunnel);
  }

  // The target's body as a policy sees it

  get length(): number | undefined {
    return this.responseHead?.length;
  }

  openBody(): BodySource {
    this.route = 'mapped';
    return this;
  }

  pipe(sink: BodySink): void {
    this.bodySink = sink;
    this.release(sink);
  }

  resume(): void {
    if (this.bodySink !== undefined) this.release(this.bodySink);
  }

  /** Nobody takes the target's body, or no more of it. */
  cancel(): void {
    if (this.route === 'dropped') return;
    this.route = 'dropped';
    this.bodySink = undefined;
    this.held.length = 0;
    this.ongoing?.cancel();
  }

  // Sending

  /** Whether the target's bytes can go straight to the policy that took the body. */
  private get canPassOn(): boolean {
    return this.bodySink !== undefined && this.held.length === 0;
  }

  private sendHead(head: ResponseHead, changed: BodySource | undefined): void {
    if (this.hasLeft) return changed?.cancel();
    const { exchange } = this.owner;
    exchange.status = head.status;
    this.client.head(head);
    if (changed !== undefined) {
      this.pump = new BodyPump(changed, this.client, exchange);
      return this.pump.start();
    }
    if (this.held.length === 0 && this.heldEnd === undefined && this.heldError === undefined) {
      return this.joinClient();
    }
    this.client.onDrain = () => this.resume();
    this.pipe(this.client);
  }

  /** From now on the target's bytes go straight to the client. */
  private joinClient(): void {
    this.route = 'client';
    this.bodySink = undefined;
    this.client.onDrain = this.resumeTarget;
  }

  /** Gives what was held to `sink`, then lets the target go on. */
  private release(sink: BodySink): void {
    const isOver = this.heldEnd !== undefined || this.heldError !== undefined;
    while (this.held.length > 0) {
      const goesOn = sink.write(this.held.shift() as Buffer);
      if (!goesOn && (this.held.length > 0 || !isOver)) return;
    }
    if (this.route === 'dropped') return;
    if (this.heldError !== undefined) return sink.abort(this.heldError);
    if (this.heldEnd !== undefined) return sink.end(this.heldEnd.trailers);
    if (sink === this.client) {
      this.joinClient();
      this.client.flush();
    }
    this.resumeTarget?.();
  }
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | undefined)?.then === 'function';
}
