import { GatewayError } from '../../core/errors.ts';
import type { Exchange } from '../../core/exchange.ts';
import type { PolicyInstance, RequestOutcome } from '../../core/policy.ts';
import type { Services } from '../../core/services.ts';
import type { ClaimVerdict } from '../../core/stores/idempotency-store.ts';
import { FirstRun, type FirstRunParts, LEASE_MS } from './first-run.ts';
import type { IdempotencyCounts } from './idempotency-counts.ts';
import type { IdempotencyOptions } from './idempotency-options.ts';
import { type IdempotentRequest, idempotentRequest, readIdempotencyKey } from './idempotent-request.ts';
import { readRecord, replayOf } from './response-record.ts';

export interface IdempotencyParts extends FirstRunParts {
  readonly options: IdempotencyOptions;
  readonly countsOf: (route: string) => IdempotencyCounts;
  readonly bufferBody: NonNullable<Services['bufferBody']>;
  close(): void;
}

/** Methods whose repetition may do twice what should be done once (RFC 9110 §9.2.2). */
const METHODS: ReadonlySet<string> = new Set(['POST', 'PATCH']);
const RETRY_SOON = { 'retry-after': '1' };

/** One use of the policy: the first request with a key runs, the others get what came of it. */
export class IdempotencyInstance implements PolicyInstance {
  readonly close: () => void;
  private readonly parts: IdempotencyParts;

  constructor(parts: IdempotencyParts) {
    this.parts = parts;
    this.close = parts.close;
  }

  onRequest(exchange: Exchange): RequestOutcome | Promise<RequestOutcome> {
    const { method, headers } = exchange.request;
    if (!METHODS.has(method)) return undefined;
    const { options, bufferBody } = this.parts;
    const written = headers.get('idempotency-key');
    if (written === undefined)
      return options.required ? new GatewayError('GW_IDEMPOTENCY_KEY_MISSING') : undefined;
    const key = headers.isRepeated('idempotency-key') ? undefined : readIdempotencyKey(written);
    if (key === undefined)
      return new GatewayError('GW_IDEMPOTENCY_KEY_INVALID', {
        detail: 'Send one key of at most 255 visible characters, such as a UUID, in double quotes or without',
      });
    const reading = bufferBody(exchange, options.maxBody);
    if (reading === undefined) return this.claim(exchange, key);
    return reading.then((failure) => failure ?? this.claim(exchange, key));
  }

  private async claim(exchange: Exchange, key: string): Promise<RequestOutcome> {
    const { store } = this.parts;
    const request = idempotentRequest(exchange, key);
    let verdict: ClaimVerdict;
    try {
      verdict = await store.claim(request.claim, LEASE_MS);
    } catch (cause) {
      return this.unavailable(exchange, cause);
    }
    if (verdict.kind === 'full') return this.unavailable(exchange, 'there is no room for another key');
    if (verdict.kind === 'claimed') {
      this.countsOf(exchange).first.add();
      return new FirstRun(exchange, request, this.parts).start();
    }
    if (verdict.fingerprint !== request.claim.fingerprint) {
      this.countsOf(exchange).reused.add();
      return new GatewayError('GW_IDEMPOTENCY_KEY_REUSED');
    }
    if (verdict.kind === 'running') {
      this.countsOf(exchange)['in-progress'].add();
      return new GatewayError('GW_IDEMPOTENCY_IN_PROGRESS', { headers: RETRY_SOON });
    }
    return this.replay(exchange, verdict.record, request);
  }

  private replay(
    exchange: Exchange,
    record: Buffer | undefined,
    { secret }: IdempotentRequest,
  ): RequestOutcome {
    const stored = record && readRecord(record, secret);
    if (stored?.body !== undefined) {
      this.countsOf(exchange).replayed.add();
      return replayOf(stored);
    }
    this.countsOf(exchange)['not-stored'].add();
    const detail = stored && `The response had the status ${stored.status}`;
    return new GatewayError('GW_IDEMPOTENCY_NOT_STORED', { ...(detail !== undefined && { detail }) });
  }

  private unavailable(exchange: Exchange, cause: unknown): GatewayError {
    this.countsOf(exchange).unavailable.add();
    return new GatewayError('GW_IDEMPOTENCY_UNAVAILABLE', { cause, headers: RETRY_SOON });
  }

  private countsOf({ route }: Exchange): IdempotencyCounts {
    return this.parts.countsOf(route.id);
  }
}
