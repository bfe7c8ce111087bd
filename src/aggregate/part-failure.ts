import { asGatewayError, type FailureCode, GatewayError } from '../core/errors.ts';
import type { Reply } from '../core/message.ts';
import { UnfilledError } from '../template/template-error.ts';

type PartCode = Extract<FailureCode, `GW_PART_${string}`>;

/** Why a part gave nothing. */
export class PartFailure extends Error {
  readonly code: PartCode;
  /** The part's own status, where it has answered. */
  readonly status: number | undefined;
  /** The part's own response, where that may be passed on. */
  readonly reply: Reply | undefined;

  constructor(
    code: PartCode,
    why: string,
    { status, reply, cause }: { status?: number; reply?: Reply; cause?: unknown } = {},
  ) {
    super(why, cause === undefined ? undefined : { cause });
    this.name = 'PartFailure';
    this.code = code;
    this.status = status;
    this.reply = reply;
  }
}

/** Says of what came instead of a response why the part gave nothing. */
export function asPartFailure(error: unknown): PartFailure {
  if (error instanceof PartFailure) return error;
  if (error instanceof UnfilledError) return new PartFailure('GW_PART_FAILED', error.message);
  const known = asGatewayError(error);
  if (known === undefined) throw error;
  return new PartFailure(codeFor(known), known.message, { cause: known });
}

function codeFor({ status }: GatewayError): PartCode {
  if (status === 503) return 'GW_PART_UNAVAILABLE';
  return status === 504 ? 'GW_PART_TIMEOUT' : 'GW_PART_FAILED';
}

/** Makes the response to a request that a part was required for. */
export function failureReply(part: string, { code, message, cause }: PartFailure): GatewayError {
  return new GatewayError(code, {
    members: { part },
    reason: part,
    cause: new Error(`part '${part}': ${message}`, { cause }),
  });
}
