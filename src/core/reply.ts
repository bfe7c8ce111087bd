import { type BodySource, bodyFrom, EMPTY_BODY } from './body.ts';
import { FieldKind } from './field-kind.ts';
import { HeaderList } from './header-list.ts';
import type { Reply, ResponseHead } from './message.ts';
import { takeBody } from './pipeline/foreign-body.ts';

/** A head and its body, ready to be sent. */
export interface GatewayResponse {
  readonly head: ResponseHead;
  readonly body: BodySource;
}

/**
 * A reply of our own code, which needs no second look: nobody else has its list of headers, and its body is one of ours. It
 * answers one request.
 */
export class ReadyReply implements Reply {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: BodySource;
  /** What no other object can have, whatever user code makes of it. */
  readonly #own = true;

  constructor(status: number, headers: HeaderList, body: BodySource = EMPTY_BODY) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** Tells whether a value is one. May throw where the value is a proxy. */
  static isOne(value: unknown): value is ReadyReply {
    return value instanceof ReadyReply && #own in value;
  }
}

/**
 * Makes head and body of a reply. Framing is ours: `Content-Length`, `Transfer-Encoding` and `Connection` are dropped.
 * Throws `TypeError` for a header that HTTP does not allow or a body that is invalid.
 */
export function toResponse(reply: Reply): GatewayResponse {
  if (ReadyReply.isOne(reply)) {
    const { status, headers, body } = reply;
    headers.deleteKinds(FRAMING);
    return { head: { status, reason: '', headers, length: body.length }, body };
  }
  const headers =
    reply.headers instanceof HeaderList ? reply.headers.clone() : HeaderList.from(reply.headers ?? {});
  headers.deleteKinds(FRAMING);
  const body = bodyOf(reply);
  return { head: { status: reply.status, reason: '', headers, length: body.length }, body };
}

const FRAMING =
  (1 << FieldKind.contentLength) | (1 << FieldKind.transferEncoding) | (1 << FieldKind.connection);

/** Tells whether a policy's outcome is a final reply. An interim status is none. */
export function isReply(outcome: unknown): outcome is Reply {
  if (typeof outcome !== 'object' || outcome === null || outcome instanceof Error) return false;
  const { status } = outcome as { status?: unknown };
  return typeof status === 'number' && Number.isInteger(status) && status >= 200 && status <= 599;
}

function bodyOf({ body }: Reply): BodySource {
  if (body === undefined) return EMPTY_BODY;
  if (typeof body === 'string' || body instanceof Uint8Array) return bodyFrom(body);
  // Custom policies may be JavaScript, which no compiler has seen.
  if (typeof body?.pipe !== 'function')
    throw new TypeError("a reply's body is not text, bytes or BodySource — use JSON.stringify for objects");
  return takeBody(body);
}
