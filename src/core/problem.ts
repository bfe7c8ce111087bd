import { FAILURES, type GatewayError } from './errors.ts';
import type { Reply } from './message.ts';

/** Seconds after which a client may ask again when nothing better is known. */
const RETRY_AFTER = '1';

/** Makes the response to a failure: problem details (RFC 9457) that name the code and say nothing of what is inside. */
export function problemReply(error: GatewayError, requestId: string): Reply {
  const headers: Record<string, string> = {
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
  };
  if (error.status === 503) headers['retry-after'] = RETRY_AFTER;
  for (const [name, value] of Object.entries(error.headers ?? {})) headers[name.toLowerCase()] = value;
  const problem = {
    type: error.type ?? `urn:sallyport:error:${error.code}`,
    title: FAILURES[error.code].title,
    status: error.status,
    detail: error.detail,
    code: error.code,
    requestId,
    ...error.members,
  };
  return { status: error.status, headers, body: JSON.stringify(problem) };
}
