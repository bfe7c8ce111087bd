import { type BodySource, bodyFrom, EMPTY_BODY, readBody } from '../core/body.ts';
import type { BufferBudget } from '../core/buffer-budget.ts';
import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import { HeaderList } from '../core/header-list.ts';
import type { Reply } from '../core/message.ts';
import { holdBytes } from '../core/pipeline/buffer-request-body.ts';
import { guardBody } from '../core/pipeline/guard-body.ts';
import { JsonValue } from '../template/json-value.ts';
import { type JsonFault, readJson, readText } from '../template/read-json.ts';
import type { PartValue } from '../template/scope.ts';
import type { Part, PartRequest } from './part.ts';
import { type AskPart, askThroughCache, isHit } from './part-cache.ts';
import { PartFailure } from './part-failure.ts';

/** What bounds the responses of all parts together. */
export interface CallLimits {
  readonly clock: Clock;
  readonly budget: BufferBudget;
  readonly deadlineMs: number;
  readonly maxBodyBytes: number;
  readonly maxDepth: number;
  /** How large the body of the request may be, where parts refer to it. */
  readonly maxRequestBytes: number;
  readonly passesStatus: boolean;
}

/** Asks upstreams for the parts of one response. */
export class PartCaller {
  private readonly exchange: Exchange;
  private readonly limits: CallLimits;
  /** Ends all parts that have no timeout of their own. */
  private readonly ending = new AbortController();
  private readonly underWay = new Set<AbortController>();
  private bytes = 0;

  constructor(exchange: Exchange, limits: CallLimits) {
    this.exchange = exchange;
    this.limits = limits;
  }

  /** Ends all that is under way. */
  leave(reason: Error): void {
    this.ending.abort(reason);
    for (const controller of this.underWay) controller.abort(reason);
  }

  /** Asks, and reads the response whole. Rejects with a `PartFailure` or `GatewayError`. */
  async ask(part: Part, request: PartRequest): Promise<PartValue> {
    const { timeoutMs } = part;
    if (!Number.isFinite(timeoutMs)) return this.send(part, request, this.ending.signal);
    const controller = new AbortController();
    this.underWay.add(controller);
    const late = (): void =>
      controller.abort(new PartFailure('GW_PART_TIMEOUT', `took longer than ${timeoutMs} ms`));
    const stop = this.limits.clock.after(timeoutMs, late);
    try {
      return await this.send(part, request, controller.signal);
    } finally {
      stop();
      this.underWay.delete(controller);
    }
  }

  private async send(part: Part, request: PartRequest, signal: AbortSignal): Promise<PartValue> {
    const { cache, upstream } = part;
    const ask: AskPart = async (asked, { detached = false }) => {
      const token = this.writeToken(part, asked.headers);
      if (token !== undefined) await token;
      const until = detached ? { detached } : { signal };
      return upstream.sender.ask(this.exchange, this.requestOf(part, asked), until);
    };
    const read = async (reply: Reply): Promise<PartValue> =>
      this.valueOf(part, reply, await this.read(part, reply));
    if (cache === undefined) return read(await ask(request, {}));
    return askThroughCache(cache, { exchange: this.exchange, part, request, ask, signal }, async (reply) => {
      const value = await read(reply);
      return isHit(reply) ? { ...value, isCached: true } : value;
    });
  }

  /** Where a caller's credential is exchanged for a token of the gateway, parts that are told who calls get one too. */
  private writeToken({ upstream, sendsIdentity }: Part, headers: HeaderList): Promise<void> | undefined {
    const { wantsInternalToken, identity } = this.exchange;
    if (!sendsIdentity || !wantsInternalToken || identity === undefined) return undefined;
    if (upstream.writeToken === undefined)
      throw new GatewayError('GW_INTERNAL', { cause: 'there is no key to make a token of' });
    return upstream.writeToken(headers, identity);
  }

  private requestOf(part: Part, { body, ...request }: PartRequest) {
    const timeoutMs = Math.min(part.timeoutMs, part.upstream.responseTimeoutMs, this.limits.deadlineMs);
    return { ...request, ...(body !== undefined && { body }), identity: part.sendsIdentity, timeoutMs };
  }

  private async read({ maxBodyBytes }: Part, reply: Reply): Promise<Buffer> {
    try {
      return await readBody(
        guardBody(bodyOf(reply), (bytes) => this.take(bytes)),
        maxBodyBytes,
      );
    } catch (error) {
      if (asGatewayError(error)?.code !== 'GW_BODY_TOO_LARGE') throw error;
      throw new PartFailure('GW_PART_FAILED', 'its response is too large', { status: reply.status });
    }
  }

  /** What is taken is given back when the exchange ends, so nothing is taken once it has. */
  private take(bytes: number): GatewayError | undefined {
    this.bytes += bytes;
    if (this.bytes > this.limits.maxBodyBytes) return new GatewayError('GW_BODY_TOO_LARGE');
    return holdBytes(this.exchange, bytes, this.limits.budget);
  }

  private valueOf({ format }: Part, reply: Reply, bytes: Buffer): PartValue {
    const { status } = reply;
    const headers = reply.headers instanceof HeaderList ? reply.headers : HeaderList.from(reply.headers);
    if (status < 200 || status > 299) throw this.rejection(status, headers, bytes);
    if (bytes.length === 0) return { status, headers };
    const coding = headers.get('content-encoding')?.toLowerCase() ?? 'identity';
    if (coding !== 'identity')
      throw new PartFailure(
        'GW_PART_FAILED',
        `its response is encoded (${coding}), which was not requested`,
        {
          status,
        },
      );
    const body = format === 'json' ? readJson(bytes, this.limits.maxDepth) : textOf(bytes);
    if (typeof body !== 'string') return { status, headers, body };
    throw new PartFailure('GW_PART_FAILED', FAULTS[body], { status });
  }

  private rejection(status: number, headers: HeaderList, body: Buffer): PartFailure {
    const why = `answered ${status}`;
    if (status === 503) return new PartFailure('GW_PART_UNAVAILABLE', why, { status });
    if (status === 504) return new PartFailure('GW_PART_TIMEOUT', why, { status });
    if (!this.limits.passesStatus || status < 400 || status > 499)
      return new PartFailure('GW_PART_FAILED', why, { status });
    const kept = PASSED.flatMap((name) => {
      const value = headers.get(name);
      return value === undefined ? [] : [[name, value] as const];
    });
    const reply = { status, headers: HeaderList.from([...kept, ['cache-control', 'no-store']]), body };
    return new PartFailure('GW_PART_FAILED', why, { status, reply });
  }
}

/** What of the header goes with a response that is passed on: what its body is, and when to come again. */
const PASSED = ['content-type', 'content-encoding', 'content-language', 'retry-after'] as const;

const FAULTS: Readonly<Record<JsonFault, string>> = {
  'not-utf8': 'its response is not UTF-8',
  'not-json': 'its response is not JSON; with format: text it would be taken as text',
  'too-deep': 'its response is nested too deep',
};

/** The body as the upstream's machinery gives it, which is ours: its errors are to stay what they are. */
function bodyOf({ body = EMPTY_BODY }: Reply): BodySource {
  return typeof body === 'string' || body instanceof Uint8Array ? bodyFrom(body) : body;
}

function textOf(bytes: Buffer): JsonValue | JsonFault {
  const text = readText(bytes);
  return text === undefined ? 'not-utf8' : JsonValue.of(text);
}
