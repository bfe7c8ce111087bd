import type { GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import type { Reply } from '../core/message.ts';
import type { JsonValue } from '../template/json-value.ts';
import type { PartValue } from '../template/scope.ts';
import type { CallLimits } from './call-part.ts';
import type { Part } from './part.ts';

/** A part that a response lacks, as its client is told. */
export interface MissingPart {
  readonly part: string;
  readonly code: string;
  readonly status: number;
}

/** What came of all parts. */
export interface AggregateResult {
  readonly exchange: Exchange;
  /** The body of the request as JSON, where templates refer to it. */
  readonly requestBody: JsonValue | undefined;
  /** By the names of the parts. One that was skipped is not among them. */
  readonly values: ReadonlyMap<string, PartValue>;
  readonly missing: readonly MissingPart[];
  /** Monotonic milliseconds until which there has to be a response. */
  readonly deadlineAt: number;
}

/** What a route with `aggregate` does, as compiled. */
export interface AggregatePlan {
  /** Each behind those that it needs. */
  readonly parts: readonly Part[];
  readonly limits: CallLimits;
  makeResponse(result: AggregateResult): Promise<Reply | GatewayError> | Reply | GatewayError;
}
