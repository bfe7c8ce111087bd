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
    this.ongoing = slot.target.exchange(request, this);
  }

  /** Leaves the target alone; the client is gone. */
  cancel(): void {
    this.route = 'dropped';
    this.ongoing?.cancel();
  }

  // The target's answer

  get onDrain(): (() => void) | undefined {
    return this.resumeTarget;
  }

  set onDrain(resume: (() => void) | undefined) {
    this.resumeTarget = resume;
    if (this.route !== 'mapped') this.client.onDrain = resume;
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
    if (isPromise(body)) void body.then((source) => this.sendHead(head, source));
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
    const { exchange, clock } = this.owner;
    if (this.responseHead === undefined) {
      if (this.route === 'dropped') return;
      this.route = 'dropped';
      this.slot?.meter?.record(0, (clock.monotonic() - exchange.sentAt) / 1000);
      this.owner.fail(error);
      return;
    }
    if (exchange.failure === undefined) exchange.failure = error;
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

  // Sending

  /** Whether the target's bytes can go straight to the policy that took the body. */
  private get canPassOn(): boolean {
    return this.bodySink !== undefined && this.held.length === 0;
  }

  private sendHead(head: ResponseHead, mapped: BodySource | undefined): void {
    if (this.route === 'dropped') return;
    this.owner.exchange.status = head.status;
    this.client.head(head);
    if (mapped !== undefined) return pumpBody(mapped, this.client);
    this.route = 'client';
    this.client.onDrain = this.resumeTarget;
    if (this.held.length > 0 || this.heldEnd !== undefined || this.heldError !== undefined)
      this.release(this.client);
  }

  /** Gives what was held to `sink`, then lets the target go on. */
  private release(sink: BodySink): void {
    while (this.held.length > 0) {
      if (!sink.write(this.held.shift() as Buffer) && this.held.length > 0) return;
    }
    if (this.heldError !== undefined) sink.abort(this.heldError);
    else if (this.heldEnd !== undefined) sink.end(this.heldEnd.trailers);
    else {
      if (sink === this.client) this.client.flush();
      this.resumeTarget?.();
    }
  }
}

/** Sends a body to the client, at the client's speed, each piece as soon as it is there. */
export function pumpBody(source: BodySource, client: ClientSink): void {
  let isFlushDue = false;
  client.onDrain = () => source.resume();
  source.pipe({
    write(chunk) {
      if (!isFlushDue) {
        isFlushDue = true;
        queueMicrotask(() => {
          isFlushDue = false;
          client.flush();
        });
      }
      return client.write(chunk);
    },
    end: (trailers) => client.end(trailers),
    abort: (error) => client.abort(error),
  });
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | undefined)?.then === 'function';
}
