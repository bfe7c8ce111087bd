/** Who caused a failure: the client by what it sent, the gateway itself, or an upstream by what it did. */
export type FailureOrigin = 'client' | 'gateway' | 'upstream';

/** What a code of the catalogue stands for. */
export interface FailureEntry {
  /** The status code of the response. */
  readonly status: number;
  /** What the client reads: the `title` of the problem (RFC 9457). */
  readonly title: string;
  /** Who caused it. */
  readonly origin: FailureOrigin;
  /** Whether the same request may succeed later without being changed. */
  readonly retryable: boolean;
}

const client = (status: number, title: string): FailureEntry => ({
  status,
  title,
  origin: 'client',
  retryable: false,
});
const gateway = (status: number, title: string): FailureEntry => ({
  status,
  title,
  origin: 'gateway',
  retryable: true,
});
const upstream = (status: number, title: string): FailureEntry => ({
  status,
  title,
  origin: 'upstream',
  retryable: true,
});

/** Every failure that a client can see. Codes are never renamed. */
export const FAILURES = {
  GW_BAD_REQUEST: client(400, 'The request is not valid HTTP'),
  GW_BAD_PATH: client(400, 'The request path is not valid'),
  GW_BAD_HOST: client(400, 'The Host header is missing or not valid'),
  GW_BAD_FRAMING: client(400, 'The length of the request body is not stated clearly'),
  GW_INPUT_MISSING: client(400, 'The request lacks what this route needs'),
  GW_BATCH_INVALID: client(400, 'The batch is not valid'),
  GW_BATCH_NESTED: client(400, 'A batch cannot be in a batch'),
  GW_BODY_NOT_JSON: client(400, 'The request body is not JSON that this route reads'),
  GW_BODY_UNREADABLE: client(400, 'The request body cannot be read'),
  GW_WEBHOOK_REJECTED: client(400, 'Results are not delivered to this callback'),
  GW_CREDENTIALS_MISSING: client(401, 'This request needs credentials'),
  GW_CREDENTIALS_INVALID: client(401, 'The credentials are not valid'),
  GW_FORBIDDEN: client(403, 'These credentials do not allow this request'),
  GW_IP_DENIED: client(403, 'This address may not use this route'),
  GW_NO_ROUTE: client(404, 'No route matches this request'),
  GW_JOB_UNKNOWN: client(404, 'There is no such job, or its result is not kept any more'),
  GW_METHOD_NOT_ALLOWED: client(405, 'This route does not take this method'),
  GW_IDEMPOTENCY_KEY_MISSING: client(400, 'This request needs an Idempotency-Key'),
  GW_IDEMPOTENCY_KEY_INVALID: client(400, 'The Idempotency-Key is not valid'),
  GW_IDEMPOTENCY_IN_PROGRESS: {
    ...client(409, 'The first request with this Idempotency-Key is still under way'),
    retryable: true,
  },
  GW_IDEMPOTENCY_NOT_STORED: client(
    409,
    'The request with this Idempotency-Key was carried out, but its response was not stored',
  ),
  GW_IDEMPOTENCY_KEY_REUSED: client(422, 'This Idempotency-Key belongs to another request'),
  GW_REQUEST_TIMEOUT: client(408, 'The request did not arrive before the timeout'),
  GW_BODY_TOO_LARGE: client(413, 'The request body is too large'),
  GW_URI_TOO_LONG: client(414, 'The request target is too long'),
  GW_MEDIA_TYPE_UNSUPPORTED: client(415, 'This route does not take a body of this type'),
  GW_EXPECTATION_FAILED: client(417, 'The expectation in this request cannot be met'),
  GW_VALIDATION_FAILED: client(422, 'The request is not as this route describes it'),
  GW_RATE_LIMITED: { ...client(429, 'Too many requests'), retryable: true },
  GW_QUOTA_EXCEEDED: { ...client(429, 'The quota is used up'), retryable: true },
  GW_HEADERS_TOO_LARGE: client(431, 'The request header is too large'),
  GW_CLIENT_CLOSED: client(499, 'The client left before the response'),
  GW_POLICY_FAILED: { ...gateway(500, 'The gateway could not decide about this request'), retryable: false },
  GW_INTERNAL: { ...gateway(500, 'The gateway failed'), retryable: false },
  GW_METHOD_UNKNOWN: client(501, 'This method is not supported'),
  GW_UPGRADE_UNSUPPORTED: client(501, 'This service does not speak the protocol asked for'),
  GW_UPSTREAM_BROKEN: upstream(502, 'The service gave a broken response'),
  GW_BATCH_TOO_LARGE: { ...gateway(502, 'The responses of this batch are too large'), retryable: false },
  GW_TRANSFORM_FAILED: upstream(502, 'The response of the service does not fit this route'),
  GW_RESULT_TOO_LARGE: { ...upstream(502, 'The response is too large to be stored'), retryable: false },
  GW_RESPONSE_INVALID: upstream(502, 'The service gave a response that is not as it is described'),
  GW_PART_FAILED: upstream(502, 'A service that is needed for this response failed'),
  GW_UPSTREAM_UNREACHABLE: upstream(503, 'The service cannot be reached'),
  GW_UPSTREAM_BUSY: upstream(503, 'The service has no free connection'),
  GW_UPSTREAM_SUSPENDED: upstream(503, 'The service fails and is given time to recover'),
  GW_PART_UNAVAILABLE: upstream(503, 'A service that is needed for this response is not available'),
  GW_CONCURRENCY_LIMIT: gateway(503, 'Too many requests are under way'),
  GW_AUTH_UNAVAILABLE: gateway(503, 'Credentials cannot be checked now'),
  GW_LIMITS_UNAVAILABLE: gateway(503, 'Limits cannot be checked now'),
  GW_IDEMPOTENCY_UNAVAILABLE: gateway(503, 'Idempotency keys cannot be checked now'),
  GW_JOBS_UNAVAILABLE: gateway(503, 'Requests cannot be accepted for later now'),
  GW_OVERLOADED: gateway(503, 'The gateway has too much to do'),
  GW_RESOURCES_EXHAUSTED: gateway(503, 'The gateway has no connection left for this request'),
  GW_BUFFERS_FULL: gateway(503, 'The gateway holds too many request bodies'),
  GW_SHUTTING_DOWN: gateway(503, 'The gateway stopped before the response was complete'),
  GW_TOO_MANY_CONNECTIONS: gateway(503, 'The gateway has too many connections'),
  GW_NOT_IN_CACHE: { ...client(504, 'No stored response fits this request'), retryable: true },
  GW_BATCH_TIMEOUT: gateway(504, 'The time of this batch was over'),
  GW_UPSTREAM_TIMEOUT: upstream(504, 'The service did not respond before the timeout'),
  GW_PART_TIMEOUT: upstream(
    504,
    'A service that is needed for this response did not respond before the timeout',
  ),
  GW_VERSION_UNSUPPORTED: client(505, 'This HTTP version is not supported'),
} as const satisfies Record<string, FailureEntry>;

/** A code of the catalogue, such as `GW_NO_ROUTE`. */
export type FailureCode = keyof typeof FAILURES;

/** What a failure says beyond its code, to the client and to the log. */
export interface GatewayErrorOptions {
  /** What the client may read beyond the title. Never says what is inside. */
  readonly detail?: string;
  /** Headers that go with the response, such as `Allow`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The reason, for the log only. */
  readonly cause?: unknown;
  /** The problem's type (RFC 9457), where there is a registered one. Default: one made of the code. */
  readonly type?: string;
  /** What the problem says beyond the members that all have. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** The kind of reason in a word or two, such as `expired`, by which log and metrics tell failures apart. No secret. */
  readonly reason?: string;
}

/** A failure of the catalogue on its way to the client. The client gets code and request id, the log the cause. */
export class GatewayError extends Error {
  /** By which it is known, and which the client gets. */
  readonly code: FailureCode;
  /** The status code of the response. */
  readonly status: number;
  /** What the client may read beyond the title. */
  readonly detail: string | undefined;
  /** Headers that go with the response. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** The kind of reason, for log and metrics. */
  readonly reason: string | undefined;
  /** The problem's type (RFC 9457), where it is not made of the code. */
  readonly type: string | undefined;
  /** What the problem says beyond the members that all have. */
  readonly members: Readonly<Record<string, unknown>> | undefined;

  constructor(code: FailureCode, options: GatewayErrorOptions = {}) {
    super(
      options.detail ?? FAILURES[code].title,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = 'GatewayError';
    this.code = code;
    this.status = FAILURES[code].status;
    this.detail = textOf(options.detail);
    this.headers = options.headers && Object.freeze({ ...options.headers });
    this.reason = textOf(options.reason)?.slice(0, MAX_REASON_CHARS);
    this.type = textOf(options.type);
    this.members = options.members && Object.freeze({ ...options.members });
    // One object may answer many requests, and policies see it.
    Object.freeze(this);
    made.add(this);
  }
}

/** What the constructor made: an object that only looks like one has neither code nor status to rely on. */
const made = new WeakSet<object>();
const MAX_REASON_CHARS = 64;

/**
 * Finds the failure in what code threw or gave: a `GatewayError`, or a like one of ours where that was made by another
 * copy of this module; `undefined` where it is none. Never throws, whatever is looked at.
 */
export function asGatewayError(value: unknown): GatewayError | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (made.has(value)) return value as GatewayError;
  try {
    return copyOf(value);
  } catch {
    return undefined;
  }
}

function copyOf(value: object): GatewayError | undefined {
  if (!(value instanceof Error) || value.name !== 'GatewayError') return undefined;
  const { code, cause, detail, headers, reason, type, members } = value as Partial<GatewayError>;
  if (typeof code !== 'string' || !Object.hasOwn(FAILURES, code)) return undefined;
  const rest = Object.entries({ detail, headers, reason, type, members }).filter(
    ([, one]) => one !== undefined,
  );
  return new GatewayError(code, { cause, ...Object.fromEntries(rest) });
}

/** Code in JavaScript may give anything. */
function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
