import { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { Reply } from '../core/message.ts';
import { JsonValue } from '../template/json-value.ts';
import { type PartValue, TemplateScope } from '../template/scope.ts';
import { UnfilledError } from '../template/template-error.ts';
import type { AggregatePlan, AggregateResult, MissingPart } from './aggregate-plan.ts';
import { PartCaller } from './call-part.ts';
import type { Part, PartList, PartRequest } from './part.ts';
import type { PartOutcome } from './part-counts.ts';
import { asPartFailure, failureReply, PartFailure } from './part-failure.ts';

/** One response in the making. */
export class AggregateRun implements AggregateResult {
  readonly exchange: Exchange;
  readonly values = new Map<string, PartValue>();
  readonly missing: MissingPart[] = [];
  /** Monotonic milliseconds. */
  readonly deadlineAt: number;
  readonly requestBody: JsonValue | undefined;
  private readonly plan: AggregatePlan;
  private readonly asker: PartCaller;
  private readonly skipped = new Set<string>();
  /** What was asked so far, so that nothing is asked twice. */
  private readonly asked = new Map<string, Promise<PartValue>>();
  private isOver = false;
  private isOverdue = false;
  private settle: (response: Reply | GatewayError) => void = () => {};

  /** `requestBody` is what the client has sent, where parts refer to it. */
  constructor(plan: AggregatePlan, exchange: Exchange, requestBody?: JsonValue) {
    const { limits } = plan;
    this.plan = plan;
    this.exchange = exchange;
    this.requestBody = requestBody;
    this.deadlineAt = limits.clock.monotonic() + limits.deadlineMs;
    this.asker = new PartCaller(exchange, limits);
  }

  /** Has every part asked as soon as those are there that it needs, and gives the answer. Never rejects but by a fault of ours. */
  start(): Promise<Reply | GatewayError> {
    const { limits, parts } = this.plan;
    return new Promise((resolve, reject) => {
      const stopDeadline = limits.clock.after(limits.deadlineMs, () => this.expire());
      this.settle = (response) => {
        if (this.isOver) return;
        this.isOver = true;
        stopDeadline();
        this.asker.leave(NOT_NEEDED);
        resolve(response);
      };
      const done = new Map<string, Promise<void>>();
      for (const part of parts) {
        const before = Promise.all(part.needs.map((name) => done.get(name)));
        done.set(
          part.name,
          before.then(() => this.run(part)),
        );
      }
      const fail = (cause: unknown): void => {
        this.settle(new GatewayError('GW_INTERNAL', { cause }));
      };
      Promise.all(done.values())
        .then(() => (this.isOver ? undefined : this.plan.makeResponse(this)))
        .then((response) => response && this.settle(response))
        .catch(fail)
        .catch(reject);
    });
  }

  /** A timer may fire a moment before the clock says so. */
  private expire(): void {
    this.isOverdue = true;
    this.asker.leave(DEADLINE_OVER);
  }

  private async run(part: Part): Promise<void> {
    if (this.isOver) return;
    try {
      const scope = new TemplateScope(this.exchange, this.values, { body: this.requestBody });
      if (part.when?.(scope) === false) return this.skip(part);
      const { list } = part;
      this.values.set(
        part.name,
        list ? await this.callEach(part, list, scope) : await this.callFor(part, scope),
      );
    } catch (error) {
      if (this.isOver) return;
      if (error instanceof UnfilledError && this.skipped.has(error.part ?? '')) return this.skip(part);
      this.miss(part, error);
    }
  }

  private skip(part: Part): void {
    this.skipped.add(part.name);
    part.counts.skipped.add();
  }

  /** A part gave nothing: its fallback stands in its place, or there is no response. */
  private miss(part: Part, error: unknown): void {
    if (!part.isOptional) return this.settle(respondTo(part, error));
    this.values.set(part.name, part.fallback === undefined ? {} : { body: part.fallback });
    this.note(part, asPartFailure(error));
  }

  private note({ name: part }: Part, { code, status }: PartFailure): void {
    const known = new GatewayError(code);
    if (!this.missing.some((other) => other.part === part))
      this.missing.push({ part, code, status: status ?? known.status });
  }

  private async callEach(part: Part, list: PartList, scope: TemplateScope): Promise<PartValue> {
    const found = list.of.find(scope);
    if (found?.kind !== 'list') {
      const why = found === undefined ? 'is missing' : 'is not a list';
      throw new UnfilledError(list.of.text, list.of.part, why);
    }
    const { items } = found;
    if (items.length > list.maxItems)
      throw new PartFailure(
        'GW_PART_FAILED',
        `its list has ${items.length} elements, more than ${list.maxItems}`,
      );
    const responses: string[] = new Array(items.length);
    let next = 0;
    const work = async (): Promise<void> => {
      for (let i = next++; i < items.length && !this.isOver; i = next++)
        responses[i] = await this.callForItem(part, scope.withItem(items[i] as JsonValue));
    };
    await Promise.all(Array.from({ length: Math.min(list.concurrency, items.length) }, work));
    return { body: JsonValue.ofValid(`[${responses.join(',')}]`) };
  }

  /** Gives the response for one element; null where there is none and the part is optional. */
  private async callForItem(part: Part, scope: TemplateScope): Promise<string> {
    try {
      return (await this.callFor(part, scope)).body?.json ?? 'null';
    } catch (error) {
      if (!part.isOptional || this.isOver) throw error;
      this.note(part, asPartFailure(error));
      return 'null';
    }
  }

  private async callFor(part: Part, scope: TemplateScope): Promise<PartValue> {
    const { clock } = this.plan.limits;
    const startedAt = clock.monotonic();
    if (this.isOverdue || startedAt >= this.deadlineAt) {
      part.counts.timeout.add();
      throw DEADLINE_OVER;
    }
    if (this.exchange.signal.aborted) throw new GatewayError('GW_CLIENT_CLOSED');
    const request = part.render(scope);
    const key = keyOf(part, request);
    const known = key === undefined ? undefined : this.asked.get(key);
    if (known !== undefined) {
      part.counts.shared.add();
      return known;
    }
    const asking = this.asker.ask(part, request);
    if (key !== undefined) this.asked.set(key, asking);
    return this.observe(part, startedAt, asking);
  }

  private async observe(part: Part, startedAt: number, asking: Promise<PartValue>): Promise<PartValue> {
    const report = (outcome: PartOutcome, status = 0, reason = ''): void => {
      part.counts[outcome].add();
      const durationMs = this.plan.limits.clock.monotonic() - startedAt;
      this.exchange.addPart({
        part: part.name,
        upstream: part.upstream.name,
        outcome,
        status,
        durationMs,
        reason,
      });
    };
    try {
      const value = await asking;
      report(value.isCached === true ? 'cached' : 'ok', value.status);
      return value;
    } catch (error) {
      if (!this.isOver && !this.exchange.signal.aborted) {
        const { code, status, message } = asPartFailure(error);
        report(code === 'GW_PART_TIMEOUT' ? 'timeout' : 'failed', status, message);
      }
      throw error;
    }
  }
}

const DEADLINE_OVER = new PartFailure('GW_PART_TIMEOUT', 'the deadline of the response was over');
const NOT_NEEDED = new Error('the response does not need it any more');

/** What is asked with GET is asked once, whichever parts ask for it in the same way. */
function keyOf(part: Part, { method, path, headers }: PartRequest): string | undefined {
  if (method !== 'GET') return undefined;
  const { upstream, timeoutMs, format, maxBodyBytes, sendsIdentity, cache } = part;
  return JSON.stringify([
    upstream.name,
    path,
    timeoutMs,
    format,
    maxBodyBytes,
    sendsIdentity,
    cache !== undefined,
    headers.toLines(),
  ]);
}

function respondTo(part: Part, error: unknown): Reply | GatewayError {
  // What only the client can mend is its mistake.
  if (error instanceof UnfilledError && error.part === undefined)
    return new GatewayError('GW_INPUT_MISSING', {
      detail: `This request cannot be answered: ${error.message}`,
    });
  if (error instanceof GatewayError && error.code === 'GW_CLIENT_CLOSED') return error;
  const failure = asPartFailure(error);
  return failure.reply ?? failureReply(part.name, failure);
}
