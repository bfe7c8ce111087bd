import { GatewayError } from '../core/errors.ts';
import { isOwnFault, NO_CONNECTION } from '../core/network/own-fault.ts';

/** Makes the failure of a request for which no connection could be made. */
export function connectFailure(error: Error): GatewayError {
  if (error instanceof GatewayError) return error;
  return isOwnFault(error)
    ? new GatewayError('GW_RESOURCES_EXHAUSTED', { cause: error, reason: NO_CONNECTION })
    : new GatewayError('GW_UPSTREAM_UNREACHABLE', { cause: error });
}

/** Makes the failure of a request whose connection ended before a byte of the response came. */
export function lossFailure(error: Error | undefined, isUnsent: boolean): GatewayError {
  const cause = error ?? new Error('the target closed the connection without a response');
  if (isUnsent) return connectFailure(cause);
  return new GatewayError(isOwnFault(error) ? 'GW_RESOURCES_EXHAUSTED' : 'GW_UPSTREAM_BROKEN', { cause });
}
