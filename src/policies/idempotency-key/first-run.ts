import { SharedBody } from '../../cache/shared-body.ts';
import type { BufferBudget } from '../../core/buffer-budget.ts';
import type { Clock } from '../../core/clock.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { Reply } from '../../core/message.ts';
import { type GatewayResponse, toResponse } from '../../core/reply.ts';
import type { Log } from '../../core/services.ts';
import type { IdempotencyStore } from '../../core/stores/idempotency-store.ts';
import { HeldEnd } from './held-end.ts';
import type { IdempotencyOptions } from './idempotency-options.ts';
import type { IdempotentRequest } from './idempotent-request.ts';
import { writeRecord } from './response-record.ts';

export interface FirstRunParts {
  readonly options: Pick<IdempotencyOptions, 'ttl' | 'maxResponse'>;
  readonly store: IdempotencyStore;
  readonly clock: Clock;
  readonly log: Log;
  /** What responses that are being read for the store may take together. */
  readonly budget: BufferBudget;
}

/** How long a claim holds that is not renewed, in milliseconds. */
export const LEASE_MS = 30_000;
/**
 * Statuses by which a service says that it has not done anything, and that another try may succeed: with other credentials,
 * or later.
 */
const NOT_DONE: ReadonlySet<number> = new Set([401, 403, 407, 408, 421, 425, 429]);
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

/**
 * The first request with a key: runs the rest of its exchange to its end, whether its client stays or not, and stores what
 * comes of it.
 *
 * 1. Renews the claim while it runs.
 * 2. Asks, and gives the key back where nothing was done.
 * 3. Streams the response to the client while it is read for the store.
 */
export class FirstRun {
  private readonly exchange: Exchange;
  private readonly request: IdempotentRequest;
  private readonly parts: FirstRunParts;
  private readonly stopRenewing: () => void;
  private isTooLarge = false;
  private stored: Promise<unknown> = Promise.resolve();

  constructor(exchange: Exchange, request: IdempotentRequest, parts: FirstRunParts) {
    this.exchange = exchange;
    this.request = request;
    this.parts = parts;
    // 1.
    this.stopRenewing = parts.clock.every(LEASE_MS / 3, () => void this.renew());
  }

  async start(): Promise<Reply> {
    const { exchange } = this;
    // 2.
    let reply: Reply;
    let isOwn = false;
    try {
      reply = await exchange.proceed({
        passInterim: true,
        outlives: () => true,
        onFailure: () => {
          isOwn = true;
        },
      });
    } catch (error) {
      await this.release();
      throw error;
    }
    if (isOwn || reply.status >= 500 || NOT_DONE.has(reply.status)) {
      await this.release();
      return reply;
    }
    // 3.
    return this.take(toResponse(reply));
  }

  private async take({ head, body }: GatewayResponse): Promise<Reply> {
    const { budget, options } = this.parts;
    const shared = new SharedBody(body, {
      maxBufferedBytes: options.maxResponse,
      reserve: (bytes) => {
        const isTaken = budget.take(bytes);
        if (!isTaken) this.isTooLarge = true;
        return isTaken;
      },
      release: (bytes) => budget.release(bytes),
      onTooLarge: () => {
        this.isTooLarge = true;
      },
      onOutcome: (whole) => {
        this.stored = whole === undefined && !this.isTooLarge ? this.release() : this.finish(head, whole);
      },
    });
    const { status, headers } = head;
    // Nobody reads what a client that has left would have got.
    const reader = this.exchange.signal.aborted ? undefined : shared.open();
    shared.start();
    // The head alone is the whole response.
    if (body.length === 0 || BODILESS.has(status)) await this.stored;
    if (reader === undefined) return { status, headers };
    return { status, headers, body: new HeldEnd(reader, () => this.stored) };
  }

  /** Never rejects: the work is done, and its client gets the response in any case. */
  private async finish(
    { status, headers }: GatewayResponse['head'],
    body: Buffer | undefined,
  ): Promise<void> {
    this.stopRenewing();
    const { store, options, log } = this.parts;
    const { claim, secret } = this.request;
    try {
      const record = writeRecord({ status, headers, body }, secret);
      if (await store.finish(claim, record, options.ttl)) return;
      log.warn(
        this.place(),
        'the response to an idempotency key was not stored, since its claim had expired',
      );
    } catch (err) {
      log.warn({ ...this.place(), err }, 'the response to an idempotency key could not be stored');
    }
  }

  /** A claim that cannot be given back expires. */
  private async release(): Promise<void> {
    this.stopRenewing();
    try {
      await this.parts.store.release(this.request.claim);
    } catch (err) {
      this.parts.log.warn({ ...this.place(), err }, 'an idempotency key could not be given back');
    }
  }

  private async renew(): Promise<void> {
    try {
      await this.parts.store.claim(this.request.claim, LEASE_MS);
    } catch {
      // The next one may succeed; until the lease ends nothing is lost.
    }
  }

  private place(): object {
    return { route: this.exchange.route.id, requestId: this.exchange.requestId };
  }
}
