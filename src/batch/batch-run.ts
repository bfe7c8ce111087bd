import { readBody } from '../core/body.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import { isOfOtherOrigin } from '../core/identity/page-origin.ts';
import type { Reply } from '../core/message.ts';
import { holdBytes } from '../core/pipeline/buffer-request-body.ts';
import { guardBody } from '../core/pipeline/guard-body.ts';
import { problemReply } from '../core/problem.ts';
import { toResponse } from '../core/reply.ts';
import type { BatchItem } from './batch-item.ts';
import type { Batch, ItemRunner } from './batch-plan.ts';
import { cookiesOf, type ItemResponse, writeResponse } from './write-response.ts';

/** The requests of one batch under way. */
export class BatchRun {
  private readonly batch: Batch;
  private readonly exchange: Exchange;
  private readonly items: readonly BatchItem[];
  private readonly runner: ItemRunner;
  /** Aborted when the time of the batch is over, or its client has left. */
  private readonly ending = new AbortController();
  private readonly responses: string[] = [];
  private readonly cookies: string[][] = [];
  private readonly isOfOtherOrigin: boolean;
  private bytes = 0;

  constructor(batch: Batch, exchange: Exchange, items: readonly BatchItem[], runner: ItemRunner) {
    this.batch = batch;
    this.exchange = exchange;
    this.items = items;
    this.runner = runner;
    this.isOfOtherOrigin = isOfOtherOrigin(exchange);
  }

  /** Runs all, at most `concurrency` at once, and gives what came of each in their order. */
  async start(): Promise<{ readonly responses: readonly string[]; readonly cookies: readonly string[] }> {
    const { config, clock } = this.batch;
    const { signal } = this.exchange;
    const leave = (): void => this.ending.abort(new GatewayError('GW_CLIENT_CLOSED'));
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    const late = new GatewayError('GW_BATCH_TIMEOUT');
    const stop = clock.after(config.timeout, () => this.ending.abort(late));
    let next = 0;
    const work = async (): Promise<void> => {
      for (let i = next++; i < this.items.length; i = next++) await this.take(i, this.items[i] as BatchItem);
    };
    try {
      await Promise.all(Array.from({ length: Math.min(config.concurrency, this.items.length) }, work));
    } finally {
      stop();
      signal.removeEventListener('abort', leave);
    }
    return { responses: this.responses, cookies: this.cookies.flat() };
  }

  private async take(i: number, item: BatchItem): Promise<void> {
    const { response, outcome } = await this.respond(item);
    this.batch.counts[outcome].add();
    this.cookies[i] = cookiesOf(response);
    this.responses[i] = writeResponse(item, response);
  }

  private async respond(
    item: BatchItem,
  ): Promise<{ readonly response: ItemResponse; readonly outcome: keyof Batch['counts'] }> {
    const { signal } = this.ending;
    try {
      signal.throwIfAborted();
      const response = await this.read(await this.runner.run(item, signal), item.method);
      // What a browser would keep from a page of another origin, is not in what that page reads.
      if (this.isOfOtherOrigin && !response.headers.has('access-control-allow-origin'))
        throw new GatewayError('GW_FORBIDDEN', { reason: 'origin' });
      return { response, outcome: 'done' };
    } catch (error) {
      const known = asGatewayError(error) ?? new GatewayError('GW_INTERNAL', { cause: error });
      const response = await this.read(problemReply(known, this.exchange.requestId), item.method, false);
      return { response, outcome: OUTCOMES[known.code] ?? 'failed' };
    }
  }

  private async read(reply: Reply, method: string, isCounted = true): Promise<ItemResponse> {
    const { head, body } = toResponse(reply);
    const { status, headers } = head;
    if (method === 'HEAD' || status === 204 || status === 304) {
      body.cancel();
      return { status, headers, body: Buffer.alloc(0) };
    }
    const bounded = isCounted ? guardBody(body, (bytes) => this.hold(bytes)) : body;
    return { status, headers, body: await readBody(bounded, Number.POSITIVE_INFINITY) };
  }

  private hold(bytes: number): GatewayError | undefined {
    this.bytes += bytes;
    if (this.bytes > this.batch.config.maxResponse) return new GatewayError('GW_BATCH_TOO_LARGE');
    return holdBytes(this.exchange, bytes, this.batch.budget);
  }
}

const OUTCOMES: Readonly<Partial<Record<string, keyof Batch['counts']>>> = {
  GW_BATCH_TIMEOUT: 'timeout',
  GW_BATCH_TOO_LARGE: 'too-large',
};
