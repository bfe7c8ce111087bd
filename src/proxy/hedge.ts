import type { Clock } from '../core/clock.ts';
import type { GatewayError } from '../core/errors.ts';
import type { HeaderList } from '../core/header-list.ts';
import type { OngoingExchange, ResponseHead, ResponseSink, TargetRequest, Tunnel } from '../core/message.ts';
import type { UpstreamTarget } from '../upstream/upstream-target.ts';

/** Who wants a response and does not mind from which of two targets. */
export interface HedgeOwner extends ResponseSink {
  /** Picks another target for a second attempt, if there may be one. */
  pickAnother(): UpstreamTarget | undefined;
  /** The attempt at `target`, sent at `sentAt`, is the one whose response follows. */
  onChosen(target: UpstreamTarget, sentAt: number): void;
  /** An attempt is left, since the other one was quicker, or failed while the other one goes on. */
  onLeft(target: UpstreamTarget, sentAt: number, error: GatewayError | undefined): void;
}

/** One request at up to two targets: the second is asked when the first takes long, and whoever answers first counts. */
export class Hedge implements OngoingExchange {
  private readonly owner: HedgeOwner;
  private readonly clock: Clock;
  private readonly request: TargetRequest;
  private readonly attempts: HedgedAttempt[] = [];
  private stopTimer: () => void = () => {};

  constructor(owner: HedgeOwner, request: TargetRequest, clock: Clock) {
    this.owner = owner;
    this.request = request;
    this.clock = clock;
  }

  /** Asks `target`, and after `afterMs` another one. `hostOf` gives the `Host` that a target sees. */
  start(target: UpstreamTarget, afterMs: number, hostOf: (target: UpstreamTarget) => string): this {
    this.stopTimer = this.clock.after(afterMs, () => {
      const other = this.owner.pickAnother();
      if (other !== undefined) this.ask(other, { ...this.request, host: hostOf(other) });
    });
    this.ask(target, this.request);
    return this;
  }

  cancel(): void {
    this.stopTimer();
    for (const attempt of this.attempts.splice(0)) {
      attempt.leave();
      if (attempt.target !== this.chosen) this.owner.onLeft(attempt.target, attempt.sentAt, undefined);
    }
  }

  /** The attempt that the owner counts as its own: the first, until another is chosen. */
  chosen: UpstreamTarget | undefined = undefined;

  /** Lets `attempt` be the one that counts. */
  choose(attempt: HedgedAttempt): ResponseSink {
    this.stopTimer();
    this.settleOn(attempt);
    for (const other of this.attempts.splice(0)) {
      if (other === attempt) continue;
      other.leave();
      this.owner.onLeft(other.target, other.sentAt, undefined);
    }
    this.attempts.push(attempt);
    return this.owner;
  }

  /** `attempt` failed before its head: that counts only where no other one is under way. */
  fail(attempt: HedgedAttempt, error: GatewayError): void {
    this.attempts.splice(this.attempts.indexOf(attempt), 1);
    const [other] = this.attempts;
    if (other !== undefined) {
      this.settleOn(other);
      return this.owner.onLeft(attempt.target, attempt.sentAt, error);
    }
    this.stopTimer();
    this.owner.abort(error);
  }

  private settleOn(attempt: HedgedAttempt): void {
    this.chosen = attempt.target;
    this.owner.onChosen(attempt.target, attempt.sentAt);
  }

  private ask(target: UpstreamTarget, request: TargetRequest): void {
    this.chosen ??= target;
    const attempt = new HedgedAttempt(this, target, this.clock.monotonic());
    this.attempts.push(attempt);
    attempt.start(request);
  }
}

/** One of the two: silent until its head makes it the one that counts. */
class HedgedAttempt implements ResponseSink {
  readonly target: UpstreamTarget;
  readonly sentAt: number;
  private readonly hedge: Hedge;
  private sink: ResponseSink | undefined = undefined;
  private ongoing: OngoingExchange | undefined = undefined;
  private resume: (() => void) | undefined = undefined;
  private isLeft = false;

  constructor(hedge: Hedge, target: UpstreamTarget, sentAt: number) {
    this.hedge = hedge;
    this.target = target;
    this.sentAt = sentAt;
  }

  start(request: TargetRequest): void {
    this.ongoing = this.target.target.exchange(request, this, this.sentAt);
    if (this.isLeft) this.ongoing.cancel();
  }

  leave(): void {
    this.isLeft = true;
    this.ongoing?.cancel();
  }

  get onDrain(): (() => void) | undefined {
    return this.resume;
  }

  set onDrain(resume: (() => void) | undefined) {
    this.resume = resume;
    if (this.sink !== undefined) this.sink.onDrain = resume;
  }

  /** An interim answer would bind the client to this attempt, so it is not passed on. */
  informational(): void {}

  head(head: ResponseHead): void {
    this.join().head(head);
  }

  write(chunk: Uint8Array): boolean {
    return this.sink?.write(chunk) ?? true;
  }

  end(trailers?: HeaderList): void {
    this.sink?.end(trailers);
  }

  abort(error: GatewayError): void {
    if (this.sink !== undefined) this.sink.abort(error);
    else this.hedge.fail(this, error);
  }

  flush(): void {
    this.sink?.flush();
  }

  switchProtocols(head: ResponseHead, tunnel: Tunnel): void {
    this.join().switchProtocols(head, tunnel);
  }

  private join(): ResponseSink {
    const sink = this.hedge.choose(this);
    this.sink = sink;
    sink.onDrain = this.resume;
    return sink;
  }
}
