import type { LogsConfig } from '../config/schema/logs-schema.ts';
import { USUAL_FIELDS } from '../config/schema/logs-schema.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { FAILURES, type FailureCode, type GatewayError } from '../core/errors.ts';
import type { Exchange, PartRecord } from '../core/exchange.ts';
import type { Identity } from '../core/identity/identity.ts';
import { createCallerText, quoteForeign } from './caller-text.ts';
import { millisecondsText, quote, quoteName, timeText, toJson } from './json-text.ts';
import type { LogLevel } from './log.ts';
import type { LogDestination } from './log-destination.ts';
import { LogLevels, WEIGHTS } from './log-levels.ts';
import { type MoreField, moreFieldsOf } from './more-fields.ts';
import { describeError } from './redact-fields.ts';
import { redactPath, redactQuery } from './redact-text.ts';

/** A request that never became an exchange, since it was not valid HTTP or came at a bad time. */
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
  /** Writes the line of a request that was rejected before there was an exchange. */
  malformed(request: MalformedRequest): void;
  /** Takes what a configuration says about the lines. */
  use(settings: AccessLogSettings): void;
}

/** What lines there are, and what they say. */
export type AccessLogSettings = LogsConfig['accessLog'];

export interface AccessLogOptions {
  readonly destination: LogDestination;
  /** The least weight of a line: `info` for every request, `warn` for failures only; or that of each area. Default `info`. */
  readonly level?: LogLevel | LogLevels;
  readonly clock?: Clock;
  /** Returns a number in [0, 1). */
  readonly random?: () => number;
}

/** Makes an access log whose lines look as those of the log: JSON objects with `level`, `time` and `msg`. */
export function createAccessLog(options: AccessLogOptions): AccessLog {
  const { destination, level = 'info', clock = systemClock, random = Math.random } = options;
  const levels = typeof level === 'string' ? new LogLevels(level) : level;
  let sample = 1;
  let format = formatOf({ fields: [], omit: [] });
  return {
    write(exchange, finishedAt) {
      const { failure, status } = exchange;
      const weight = failure === undefined ? WEIGHTS.info : weightOf(failure.code);
      if (weight < levels.minimum('access')) return;
      const isSuccess = failure === undefined && status !== 0 && status < 400;
      if (isSuccess && sample < 1 && random() >= sample) return;
      destination.write(lineOf(exchange, format, weight, clock.now(), finishedAt));
    },
    malformed({ code, client, reason }) {
      const weight = weightOf(code);
      if (weight < levels.minimum('access')) return;
      const status = FAILURES[code].status;
      const time = clock.now();
      const fields = { level: weight, time, client, status, code, reason, msg: 'malformed request' };
      destination.write(`${toJson(fields)}\n`);
    },
    use(settings) {
      sample = settings.sample;
      format = formatOf(settings);
    },
  };
}

/** What a line says, compiled: one object of one shape, so that asking it costs next to nothing. */
interface LineFormat {
  readonly shows: Readonly<Record<(typeof USUAL_FIELDS)[number], boolean>>;
  readonly callerText: (identity: Identity) => string;
  readonly more: readonly MoreField[];
}

function formatOf({ fields, omit }: Pick<AccessLogSettings, 'fields' | 'omit'>): LineFormat {
  const shows = Object.fromEntries(
    USUAL_FIELDS.map((name) => [name, !omit.includes(name)]),
  ) as LineFormat['shows'];
  const { subject, keyId, plan, authMethod } = shows;
  const claims = fields
    .filter((name) => name.startsWith('claim:'))
    .map((name) => name.slice('claim:'.length));
  const roles = fields.includes('roles');
  const callerText = createCallerText({ subject, keyId, plan, authMethod, roles, claims });
  return { shows, callerText, more: moreFieldsOf(fields) };
}

function weightOf(code: FailureCode): number {
  return FAILURES[code].origin === 'client' ? WEIGHTS.warn : WEIGHTS.error;
}

/** Builds the line by hand, since this runs for each request. */
function lineOf(
  exchange: Exchange,
  { shows, callerText, more }: LineFormat,
  weight: number,
  time: number,
  finishedAt: number,
): string {
  const { request, identity } = exchange;
  let line = `{"level":${weight},"time":${timeText(time)}`;
  if (shows.requestId) line += `,"requestId":${quote(exchange.requestId)}`;
  line += `,"route":${quoteName(exchange.route.id)}`;
  if (shows.method) line += `,"method":${quoteName(request.method)}`;
  if (shows.host) line += `,"host":${quoteName(exchange.host)}`;
  if (shows.path) line += `,"path":${quote(redactPath(exchange.path))}`;
  if (exchange.query !== '' && shows.query) line += `,"query":${quote(redactQuery(exchange.query))}`;
  line += `,"status":${exchange.status}`;
  if (shows.durationMs) line += `,"durationMs":${millisecondsText(finishedAt - exchange.startedAt)}`;
  if (exchange.decidedAt !== 0 && shows.policiesMs)
    line += `,"policiesMs":${millisecondsText(exchange.decidedAt - exchange.startedAt)}`;
  if (exchange.upstream !== '') line += upstreamFields(exchange, shows);
  if (exchange.parts !== undefined && shows.parts) line += partsField(exchange.parts);
  if (shows.bytes) line += `,"bytes":${exchange.bytesSent}`;
  if (request.bodyBytes !== undefined && request.bodyBytes > 0 && shows.bytesIn)
    line += `,"bytesIn":${request.bodyBytes}`;
  if (shows.client) line += `,"client":${quote(exchange.clientAddress)}`;
  if (identity !== undefined) line += callerText(identity);
  for (let i = 0; i < more.length; i++) line += moreField(more[i] as MoreField, exchange);
  if (exchange.isDetached) line += ',"detached":true';
  if (exchange.failure !== undefined) line += failureFields(exchange.failure, shows);
  return `${line},"msg":"request"}\n`;
}

function partsField(parts: readonly PartRecord[]): string {
  const items = parts.map(({ part, upstream, outcome, status, durationMs, reason }) => {
    const response = status === 0 ? '' : `,"status":${status}`;
    const why = reason === '' ? '' : `,"reason":${toJson(describeError(reason))}`;
    return `{"part":${quoteName(part)},"upstream":${quoteName(upstream)},"outcome":"${outcome}"${response},"ms":${millisecondsText(durationMs)}${why}}`;
  });
  return `,"parts":[${items.join(',')}]`;
}

function moreField({ key, read }: MoreField, exchange: Exchange): string {
  const value = read(exchange);
  return value === undefined || value === '' ? '' : `,${key}:${quoteForeign(value)}`;
}

function upstreamFields(exchange: Exchange, shows: LineFormat['shows']): string {
  const { attempts, queuedMs, respondedAt, sentAt } = exchange;
  let fields = shows.upstream ? `,"upstream":${quoteName(exchange.upstream)}` : '';
  if (shows.target) fields += `,"target":${quoteName(exchange.target)}`;
  if (attempts > 1 && shows.attempt) fields += `,"attempt":${exchange.attempt},"attempts":${attempts}`;
  if (queuedMs > 0 && shows.queueMs) fields += `,"queueMs":${millisecondsText(queuedMs)}`;
  if (respondedAt === 0 || !shows.upstreamMs) return fields;
  return `${fields},"upstreamMs":${millisecondsText(respondedAt - sentAt)}`;
}

function failureFields(failure: GatewayError, shows: LineFormat['shows']): string {
  const { code, detail, reason, cause, status } = failure;
  let fields = `,"code":"${code}"`;
  if (detail !== undefined && shows.detail) fields += `,"detail":${toJson(describeError(detail))}`;
  if (reason !== undefined && shows.reason) fields += `,"reason":${quoteName(redactQuery(reason))}`;
  if (cause === undefined || !shows.cause) return fields;
  // Where a target cannot be reached the place in our code says nothing; where we failed ourselves it says all.
  const keep = status === 500 ? undefined : withoutStack;
  return `${fields},"cause":${toJson(describeError(cause), keep)}`;
}

function withoutStack(key: string, value: unknown): unknown {
  return key === 'stack' ? undefined : value;
}
