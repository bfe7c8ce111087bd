import { type Clock, systemClock } from '../core/clock.ts';
import { FAILURES, type FailureCode, type GatewayError } from '../core/errors.ts';
import type { Exchange } from '../core/exchange.ts';
import { millisecondsText, quote, quoteName, timeText, toJson } from './json-text.ts';
import type { LogLevel } from './log.ts';
import type { LogDestination } from './log-destination.ts';
import { describeError } from './redact-fields.ts';
import { redactPath, redactQuery } from './redact-text.ts';

/** A request that never became an exchange, since it was no valid HTTP or came at a bad time. */
export interface MalformedRequest {
  readonly code: FailureCode;
  readonly client: string;
  /** What was wrong, in our words or the parser's. Never what was received. */
  readonly reason: string;
}

/** Writes one line for each request. */
export interface AccessLog {
  /** Writes the line of a finished exchange; `finishedAt` in monotonic milliseconds. */
  write(exchange: Exchange, finishedAt: number): void;
  /** Writes the line of a request that was refused before there was an exchange. */
  malformed(request: MalformedRequest): void;
}

export interface AccessLogOptions {
  readonly destination: LogDestination;
  /** The least weight of a line: `info` for every request, `warn` for failures only. Default `info`. */
  readonly level?: LogLevel;
  readonly clock?: Clock;
}

const WEIGHTS: Readonly<Record<LogLevel, number>> = {
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  silent: Infinity,
};
const INFO = WEIGHTS.info;

/** Makes an access log whose lines look as those of the log: JSON objects with `level`, `time` and `msg`. */
export function createAccessLog({
  destination,
  level = 'info',
  clock = systemClock,
}: AccessLogOptions): AccessLog {
  const minimum = WEIGHTS[level];
  return {
    write(exchange, finishedAt) {
      const weight = exchange.failure === undefined ? INFO : weightOf(exchange.failure.code);
      if (weight >= minimum) destination.write(lineOf(exchange, weight, clock.now(), finishedAt));
    },
    malformed({ code, client, reason }) {
      const weight = weightOf(code);
      const status = FAILURES[code].status;
      const fields = {
        level: weight,
        time: clock.now(),
        client,
        status,
        code,
        reason,
        msg: 'malformed request',
      };
      if (weight >= minimum) destination.write(`${toJson(fields)}\n`);
    },
  };
}

function weightOf(code: FailureCode): number {
  return FAILURES[code].origin === 'client' ? WEIGHTS.warn : WEIGHTS.error;
}

/** Builds the line by hand, since this runs for each request. */
function lineOf(exchange: Exchange, weight: number, time: number, finishedAt: number): string {
  let line =
    `{"level":${weight},"time":${timeText(time)},"requestId":${quote(exchange.requestId)}` +
    `,"route":${quoteName(exchange.route.id)},"method":${quoteName(exchange.request.method)}` +
    `,"host":${quoteName(exchange.host)},"path":${quote(redactPath(exchange.path))}`;
  if (exchange.query !== '') line += `,"query":${quote(redactQuery(exchange.query))}`;
  line += `,"status":${exchange.status},"durationMs":${millisecondsText(finishedAt - exchange.startedAt)}`;
  if (exchange.upstream !== '') line += upstreamFields(exchange);
  line += `,"bytes":${exchange.bytesSent},"client":${quote(exchange.clientAddress)}`;
  if (exchange.isDetached) line += ',"detached":true';
  if (exchange.failure !== undefined) line += failureFields(exchange.failure);
  return `${line},"msg":"request"}\n`;
}

function upstreamFields(exchange: Exchange): string {
  const fields = `,"upstream":${quoteName(exchange.upstream)},"target":${quoteName(exchange.target)}`;
  if (exchange.respondedAt === 0) return fields;
  return `${fields},"upstreamMs":${millisecondsText(exchange.respondedAt - exchange.sentAt)}`;
}

function failureFields(failure: GatewayError): string {
  let fields = `,"code":"${failure.code}"`;
  if (failure.detail !== undefined) fields += `,"detail":${toJson(describeError(failure.detail))}`;
  if (failure.reason !== undefined) fields += `,"reason":${quoteName(redactQuery(failure.reason))}`;
  if (failure.cause === undefined) return fields;
  // Where a target cannot be reached the place in our code says nothing; where we failed ourselves it says all.
  const keep = failure.status === 500 ? undefined : withoutStack;
  return `${fields},"cause":${toJson(describeError(failure.cause), keep)}`;
}

function withoutStack(key: string, value: unknown): unknown {
  return key === 'stack' ? undefined : value;
}
