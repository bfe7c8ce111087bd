import type { FailureCode } from '../core/errors.ts';

/** Why a head is rejected: the code for the client and a sentence that says what is wrong. */
export interface HeadFault {
  readonly code: FailureCode;
  readonly detail: string;
}
