import { type BodySource, bodyFrom, readBody } from '../../core/body.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { HeaderList } from '../../core/header-list.ts';
import type { Reply, ResponseHead } from '../../core/message.ts';
import type { ResponseOutcome } from '../../core/policy.ts';
import { ReadyReply, toResponse } from '../../core/reply.ts';
import type { Log } from '../../core/services.ts';
import { tapBody } from '../../limits/tap-body.ts';
import { BodyCheck, type DeclaredBody } from './body-check.ts';
import type { JsonBodySpec } from './body-judge.ts';
import type { FailureCounts } from './failure-counts.ts';
import type { InputError } from './input-error.ts';
import type { JsonJudge } from './json-judge.ts';
import { formatOf, readMediaType } from './media-type.ts';
import { PlaceCheck, type PlacePlan } from './place-check.ts';

/** What is asked of the responses of one status. */
export interface ResponsePlan {
  readonly headers: PlacePlan | undefined;
  readonly declared: readonly DeclaredBody[];
}

export interface ResponseCheckOptions {
  /** By status: `200`, `2XX`, `default`. */
  readonly plans: ReadonlyMap<string, ResponsePlan>;
  /** The largest body that is judged. */
  readonly maxBytes: number;
  readonly counts: FailureCounts;
  readonly log: Log;
  readonly judgeOf: (spec: JsonBodySpec) => JsonJudge;
}

/** What is wrong with a response, in a word or as its errors; `undefined` for nothing. */
type Fault = string | readonly InputError[] | undefined;

interface StatusCheck {
  readonly headers: PlaceCheck | undefined;
  readonly body: BodyCheck | undefined;
}

const INVALID = new GatewayError('GW_RESPONSE_INVALID', { reason: 'response' });

/** Judges responses by what an operation says of its statuses. */
export class ResponseCheck {
  private readonly options: ResponseCheckOptions;
  private readonly checks: ReadonlyMap<string, StatusCheck>;

  constructor(options: ResponseCheckOptions) {
    const { plans, maxBytes, judgeOf } = options;
    this.options = options;
    this.checks = new Map(
      [...plans].map(([status, { headers, declared }]) => [
        status.toUpperCase(),
        {
          headers: headers && new PlaceCheck(headers),
          body:
            declared.length === 0
              ? undefined
              : new BodyCheck({ isRequired: true, declared, maxBytes }, judgeOf),
        },
      ]),
    );
  }

  /** Runs the rest of an exchange and judges what comes of it. A bad response never reaches the client, nor does a part of it. */
  async enforce(exchange: Exchange): Promise<Reply | GatewayError> {
    const reply = await exchange.proceed({ passInterim: true });
    // The gateway's own failures are not described by the service.
    if (exchange.failure !== undefined) return reply;
    const { head, body } = toResponse(reply);
    const check = this.find(head.status);
    if (check !== undefined && !this.isJudged(exchange, head, check)) {
      const fault = this.judgeHead(check, head.headers);
      if (fault === undefined) return new ReadyReply(head.status, head.headers, body);
      body.cancel();
      return this.reject(exchange, head, fault);
    }
    let bytes: Buffer;
    try {
      bytes = await readBody(body, this.options.maxBytes);
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'GW_BODY_TOO_LARGE')
        return this.reject(exchange, head, 'is larger than what is judged');
      throw error;
    }
    const fault = await this.judge(check, exchange, head, bytes);
    return fault === undefined
      ? new ReadyReply(head.status, head.headers, bodyFrom(bytes))
      : this.reject(exchange, head, fault);
  }

  /** Judges a response beside its way to the client. */
  observe(exchange: Exchange, head: ResponseHead): ResponseOutcome {
    if (head.status < 200 || exchange.failure !== undefined) return undefined;
    const check = this.find(head.status);
    const before = { ...head, headers: head.headers.clone() };
    if (check === undefined || !this.isJudged(exchange, head, check)) {
      const fault = check === undefined ? UNDECLARED : this.judgeHead(check, before.headers);
      if (fault !== undefined) this.note(exchange, before, fault);
      return undefined;
    }
    return { mapBody: (source) => this.tap(source, exchange, before, check) };
  }

  private tap(source: BodySource, exchange: Exchange, head: ResponseHead, check: StatusCheck): BodySource {
    const { maxBytes } = this.options;
    const chunks: Buffer[] = [];
    let size = 0;
    const look = (chunk: Uint8Array): void => {
      size += chunk.length;
      if (size > maxBytes) chunks.length = 0;
      else chunks.push(Buffer.from(chunk));
    };
    const end = (): void => {
      if (size > maxBytes) return;
      this.judge(check, exchange, head, Buffer.concat(chunks)).then(
        (fault) => fault !== undefined && this.note(exchange, head, fault),
        (err: unknown) =>
          this.options.log.error({ err, route: exchange.route.id }, 'response could not be judged'),
      );
    };
    // After the client has it: nobody waits for what is only observed.
    return tapBody(source, look, () => void setImmediate(end));
  }

  private find(status: number): StatusCheck | undefined {
    return (
      this.checks.get(String(status)) ??
      this.checks.get(`${Math.floor(status / 100)}XX`) ??
      this.checks.get('DEFAULT')
    );
  }

  /** Whether there is a body that can be held against something: not that of a stream, nor of what is only bytes. */
  private isJudged({ request }: Exchange, { status, headers }: ResponseHead, { body }: StatusCheck): boolean {
    if (request.method === 'HEAD' || status === 204 || status === 304) return false;
    const type = readMediaType(headers.get('content-type') ?? '');
    if (type?.essence === 'text/event-stream') return false;
    const isDeclared = body?.plan.declared.some((each) => each.type.essence === type?.essence) === true;
    return !(isDeclared && type !== undefined && formatOf(type.essence) === 'bytes');
  }

  private async judge(
    check: StatusCheck | undefined,
    { request }: Exchange,
    head: ResponseHead,
    bytes: Buffer,
  ): Promise<Fault> {
    if (check === undefined) return UNDECLARED;
    const fault = this.judgeHead(check, head.headers);
    if (fault !== undefined) return fault;
    if (check.body === undefined) return undefined;
    const verdict = await check.body.judge({
      bodyBytes: bytes,
      headers: head.headers,
      request: { ...request, method: 'POST' },
    });
    if (verdict instanceof GatewayError) return verdict.reason ?? verdict.code;
    if (verdict.fault !== undefined) return verdict.fault;
    return verdict.errors.length > 0 ? verdict.errors : undefined;
  }

  private judgeHead({ headers: check }: StatusCheck, headers: HeaderList): Fault {
    const errors = check?.judge({ headers, params: {}, query: '' }).errors ?? [];
    return errors.length > 0 ? errors : undefined;
  }

  private reject(exchange: Exchange, head: ResponseHead, fault: NonNullable<Fault>): GatewayError {
    this.note(exchange, head, fault);
    return INVALID;
  }

  private note(
    { route, requestId, upstream }: Exchange,
    { status }: ResponseHead,
    fault: NonNullable<Fault>,
  ): void {
    const { counts, log } = this.options;
    counts.add(route.id, 'response');
    log.warn({ route: route.id, requestId, upstream, status, fault }, 'response is not as it is described');
  }
}

const UNDECLARED = 'has a status that is not declared';
